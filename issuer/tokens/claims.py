"""The claims of an access token (RFC 9068 §2.2, and those AgentOS reads). A pure function."""

from datetime import datetime, timedelta
from typing import Any

from issuer.tokens.authorization import Authorization


def access_token_claims(
    authorization: Authorization, *, issuer: str, jti: str, now: datetime, lifetime: timedelta
) -> dict[str, Any]:
    """Every claim of the token.

    `scope` is the standard claim (RFC 9068 §2.2.3), `scopes` the one AgentOS reads: an array also
    for one scope or none, since AgentOS reads a string as one scope.
    """
    issued_at = int(now.timestamp())
    scopes = sorted(authorization.scopes)
    claims: dict[str, Any] = {
        **authorization.claims,
        "iss": issuer,
        "sub": authorization.subject,
        "aud": authorization.audience.id,
        "exp": issued_at + int(lifetime.total_seconds()),
        "iat": issued_at,
        "jti": jti,
        "client_id": authorization.client.client_id,
        "scope": " ".join([*sorted(authorization.openid_scopes), *scopes]),
        "scopes": scopes,
    }
    if authorization.sid is not None:
        claims["sid"] = authorization.sid
    if authorization.audience.include_roles:
        claims["roles"] = authorization.role_names()
    if authorization.session_id is not None:
        claims["session_id"] = authorization.session_id
    return claims
