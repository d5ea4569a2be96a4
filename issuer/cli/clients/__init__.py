"""`issuer client`: clients, their secrets, keys and trusts."""
