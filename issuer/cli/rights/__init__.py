"""`issuer explain`, `issuer preview` and `issuer scope`: what clients and users may do."""
