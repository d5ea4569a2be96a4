"""An authorization code (RFC 6749 §4.1.2), and what it gave."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

VALID_FOR = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """What a user allowed a client in the session `session_id`, at one audience.

    `jti`, `access_until` and `family_id` are set once it was used, at `used_at`.
    """

    request_id: str
    client_id: str
    user_id: str
    session_id: str
    redirect_uri: str
    audience_id: str
    scopes: frozenset[str]
    openid_scopes: frozenset[str]
    nonce: str | None = field(repr=False)
    code_challenge: str
    authenticated_at: datetime
    methods: tuple[str, ...]
    expires_at: datetime
    digest: bytes = field(repr=False)
    used_at: datetime | None = None
    jti: str | None = None
    access_until: datetime | None = None
    family_id: str | None = None
