"""Tests of `issuer.agentos` without agno: polling a key set, and verifying with it."""
