"""Exchanging access tokens of people for others (RFC 8693)."""

from issuer.token_exchange.exchanges import NotAllowedByUser, TokenExchanges
from issuer.token_exchange.subject import UserToken

__all__ = ["NotAllowedByUser", "TokenExchanges", "UserToken"]
