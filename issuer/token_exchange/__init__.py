"""Exchanging tokens of people for others (RFC 8693), and for ID-JAGs.

These assert an identity in other domains (draft-ietf-oauth-identity-assertion-authz-grant).
"""

from issuer.token_exchange.exchanges import NotAllowedByUser, TokenExchanges
from issuer.token_exchange.id_jag import IdJag, IdJags
from issuer.token_exchange.subject import UserToken

__all__ = ["IdJag", "IdJags", "NotAllowedByUser", "TokenExchanges", "UserToken"]
