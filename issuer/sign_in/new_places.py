"""Telling people of sign-ins from addresses that are new for them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from issuer.audit import Actor
from issuer.database import Database, Session
from issuer.fields.networks import site_of
from issuer.mail import NotSent, Outbox, Texts
from issuer.mail.mailer import Mailer
from issuer.telemetry.logs import get_logger
from issuer.telemetry.metrics import NEW_PLACE
from issuer.users.store import UserStore

_DAY = timedelta(days=1)

log = get_logger(__name__)


@dataclass(eq=False, repr=False)
class NewPlaceNotes:
    """Sends a message for each, to the verified address of the user: once a day for a network."""

    _database: Database
    _mailer: Mailer
    _outbox: Callable[[Session], Outbox]
    _texts: Texts

    def note_sign_in(self, user_id: str, actor: Actor, at: datetime) -> None:
        """Call after a sign-in from a new address; the message follows in the background."""
        self._mailer.later(NEW_PLACE, partial(self._post, user_id, actor, at))

    def _post(self, user_id: str, actor: Actor, at: datetime) -> None:
        address = actor.address or "unknown"
        with self._database.transaction() as session:
            user, outbox = UserStore(session).find(user_id), self._outbox(session)
            if user is None or user.disabled or user.email is None or not user.email_verified:
                return
            if not outbox.is_first(f"new place {user_id} {site_of(address)}", _DAY):
                return
            about = (user_id, user.username, user.email, at, address, actor.user_agent)
            message = self._texts.for_reader(user.language).new_place(*about)
            try:
                outbox.add(message)
            except NotSent as error:
                log.warning("mail_not_sent", kind=NEW_PLACE, user=user_id, reason=str(error))
        self._mailer.post(outbox.messages)
