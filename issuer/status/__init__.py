"""What needs attention: one judgement for `issuer doctor`, `issuer status`, probes and console."""
