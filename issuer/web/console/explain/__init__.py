"""`/console/explain`: why a request or a token is allowed or refused, and what would allow it."""
