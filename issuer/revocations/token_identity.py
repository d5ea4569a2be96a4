"""What identifies an access token, among all that entries of the revocation feed can name."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TokenIdentity:
    """The claims of an access token that a revocation can apply to."""

    jti: str
    sid: str | None
    subject: str
    client_id: str
    audience: str
    issued_at: datetime
