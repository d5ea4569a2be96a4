"""What an assertion proves, and where a key that is missing is looked for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from issuer.clients.authentication import Look, VerifiedAssertion
from issuer.errors import InvalidCredentials
from issuer.federation.public_keys import InvalidToken, PublicKeys, SignedToken, UnknownKey


@dataclass(frozen=True, slots=True)
class Evidence:
    """It authenticates a client until `expires_at`; by its `name`, if it has one, only once."""

    assertion: VerifiedAssertion
    expires_at: datetime
    name: str | None


class KeysMissing(InvalidCredentials):
    """None of the keys known here can have signed the assertion; `look` may find newer ones."""

    def __init__(self, look: Look) -> None:
        super().__init__("assertion: no key of this kid and algorithm")
        self.look = look


def signed_claims(token: SignedToken, keys: PublicKeys, look: Look | None) -> dict[str, Any]:
    """The claims, if one of the keys has signed them; `InvalidCredentials` says why not."""
    try:
        return token.claims_by(keys)
    except UnknownKey as error:
        if look is not None:
            raise KeysMissing(look) from None
        raise InvalidCredentials(f"assertion: {error}") from None
    except InvalidToken as error:
        raise InvalidCredentials(f"assertion: {error}") from None
