"""Access tokens for a service that calls an AgentOS or any other API.

Imports no other package of ours, only httpx; PyJWT when a private key signs, and agno on demand.
Start at `TokenClient`.
"""

from issuer.client.credentials import PrivateKey
from issuer.client.errors import (
    SubjectTokenExpired,
    TokenError,
    TokenRefused,
    TokenUnavailable,
    WrongOrigin,
)
from issuer.client.on_behalf_of import OnBehalfOf
from issuer.client.token_client import TokenClient

__all__ = ["OnBehalfOf", "PrivateKey", "SubjectTokenExpired", "TokenClient", "TokenError"]
__all__ += ["TokenRefused", "TokenUnavailable", "WrongOrigin"]
