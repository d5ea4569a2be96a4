"""Forms that count once: sent again, by "reload" or a second click, they do nothing."""

import hashlib
from datetime import timedelta

from issuer.clock import Clock
from issuer.database import Session
from issuer.errors import NotAllowed
from issuer.refresh_tokens import Lifetimes
from issuer.sign_in.challenges import Challenge
from issuer.sign_in.factors_store import FactorStore

# For as long as such a form counts: it is of a session, whose next sign-in ends it, and is kept for
# ten minutes while the person signs in again.
_KEPT = timedelta(hours=1)


class AlreadySent(NotAllowed):
    """The form was sent before, and what it asks for was done then."""

    def __init__(self) -> None:
        super().__init__("What this form asks for was done when it was sent first.")


class SentForms:
    """The forms that were sent, within one transaction. `once` is the random text of a form."""

    def __init__(self, session: Session, clock: Clock, lifetimes: Lifetimes) -> None:
        self._store = FactorStore(session)
        self._remembered_until = clock() + lifetimes.longest + _KEPT

    def require_first(self, once: str) -> None:
        """Call before the change; `AlreadySent` if a change with this text was committed."""
        digest = hashlib.sha256(f"form {once}".encode()).digest()
        if not self._store.use_challenge(Challenge(digest, self._remembered_until)):
            raise AlreadySent
