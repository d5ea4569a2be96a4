"""`issuer audit`: the audit log."""
