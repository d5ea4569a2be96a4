"""The OAuth 2.0 protocol endpoints: RFC 6749, 7009, 7517, 7662, 8414, on Authlib's server."""

from issuer.oauth.authorization_server import IssuerAuthorizationServer
from issuer.oauth.routes import protocol_routes

__all__ = ["IssuerAuthorizationServer", "protocol_routes"]
