"""Which clients are told that a session has ended (OpenID Connect Back-Channel Logout 1.0)."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, select

from issuer.database.store import Statements, insert_new
from issuer.database.tables import SessionClientRow as Row
from issuer.database.tables import SignInSessionRow
from issuer.deliveries.queue_store import DeliveryQueue, Recipient

LOGOUT = "logout"


class EndedSessions(Statements):
    """Call it before the session is deleted, in the same transaction: then nobody is forgotten."""

    def note_client(self, session_id: str, client_id: str, audience_id: str) -> None:
        """The client got tokens for the audience in that session, and wants to be told."""
        noted = {"session_id": session_id, "client_id": client_id, "audience_id": audience_id}
        insert_new(self.session, Row, noted)

    def forget_client(self, client_id: str) -> None:
        """The client is deleted. Another one that gets its id is told of nothing before."""
        self.session.execute(delete(Row).where(Row.client_id == client_id))
        DeliveryQueue(self.session).forget(Recipient(LOGOUT, client_id))

    def tell_of_session(self, session_id: str, user_id: str, now: datetime) -> None:
        """Tell the clients of this session that it ends."""
        self._tell(Row.session_id == session_id, user_id, now)

    def tell_of_user(self, user_id: str, now: datetime) -> None:
        """Tell the clients of all sessions of the user that these end."""
        sessions = select(SignInSessionRow.id).where(SignInSessionRow.user_id == user_id)
        self._tell(Row.session_id.in_(sessions), user_id, now)

    def _tell(self, which: ColumnElement[bool], user_id: str, now: datetime) -> None:
        gone = delete(Row).where(which).returning(Row.session_id, Row.client_id, Row.audience_id)
        messages = defaultdict[Recipient, list[Mapping[str, Any]]](list)
        for session_id, client_id, audience_id in sorted(self.session.execute(gone).all()):
            ended = {"sub": user_id, "sid": session_id, "audience": audience_id}
            messages[Recipient(LOGOUT, client_id)].append(ended)
        DeliveryQueue(self.session).add(messages, now)
