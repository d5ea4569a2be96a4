"""`issuer plan`, `issuer apply` and `issuer export`."""
