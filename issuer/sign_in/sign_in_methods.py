"""How a user can sign in, without any secret."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SignInMethods:
    """`invited_until` is the end of an invitation that can be accepted now."""

    has_password: bool
    has_app: bool
    has_passkey: bool
    invited_until: datetime | None

    @property
    def can_sign_in(self) -> bool:
        """Whether there is a first factor: an app only follows a password."""
        return self.has_password or self.has_passkey
