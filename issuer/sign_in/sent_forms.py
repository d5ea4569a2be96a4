"""Forms that count once: sent again, by "reload" or a second click, they do nothing."""

import hashlib
from datetime import timedelta

from issuer.clock import Clock
from issuer.database import Session
from issuer.errors import NotAllowed
from issuer.sign_in.challenges import Challenge
from issuer.sign_in.factors_store import FactorStore

# Longer than such a form counts: it needs a sign-in of the last ten minutes, which ends the forms
# of the sign-in before, and is kept for ten more while the person signs in again.
_REMEMBERED = timedelta(hours=1)


class AlreadySent(NotAllowed):
    """The form was sent before, and what it asks for was done then."""

    def __init__(self) -> None:
        super().__init__("What this form asks for was done when it was sent first.")


class SentForms:
    """The forms that were sent, within one transaction. `once` is the random text of a form."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._store = FactorStore(session)
        self._clock = clock

    def require_first(self, once: str) -> None:
        """Call before the change; `AlreadySent` if a change with this text was committed."""
        digest = hashlib.sha256(f"form {once}".encode()).digest()
        if not self._store.use_challenge(Challenge(digest, self._clock() + _REMEMBERED)):
            raise AlreadySent
