"""Access tokens: from an authorization to a signed JWT (RFC 9068)."""
