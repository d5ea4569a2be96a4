"""The door for services that ask for tokens: RFC 6749, 7517, 8414, on Authlib's server."""

from issuer.oauth.routes import protocol_routes

__all__ = ["protocol_routes"]
