"""`issuer user`: users, and how they sign in."""
