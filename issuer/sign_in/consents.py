"""What users allowed clients, remembered by user, client and audience."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from issuer.audit import Trail
from issuer.authority import Authority
from issuer.clock import Clock
from issuer.database import Session
from issuer.database.tables import ConsentRow
from issuer.errors import NotFound
from issuer.scopes import covers
from issuer.sign_in.consents_store import ConsentStore
from issuer.sign_in.ending import Ending


class Consent(BaseModel):
    """What a user allowed a client at an audience, or without one (`audience` is null)."""

    model_config = ConfigDict(frozen=True)

    client_id: str
    audience: str | None
    scopes: tuple[str, ...]
    openid_scopes: tuple[str, ...]
    granted_at: datetime

    def includes(self, scopes: frozenset[str], openid_scopes: frozenset[str]) -> bool:
        """Whether all of it was allowed before."""
        return openid_scopes <= set(self.openid_scopes) and all(
            covers(self.scopes, scope) for scope in scopes
        )


class Consents:
    """The consents of users, within one transaction.

    `authority` None: the user acts, who may withdraw any consent of their own.
    """

    def __init__(
        self, session: Session, trail: Trail, clock: Clock, authority: Authority | None = None
    ) -> None:
        self._store = ConsentStore(session)
        self._trail = trail
        self._clock = clock
        self._authority = authority
        self._ending = Ending(session, trail, clock)

    def of_user(self, user_id: str) -> list[Consent]:
        """The consents of the user, in order of client and audience."""
        return [_read(row) for row in self._store.of_user(user_id)]

    def grant(
        self,
        user_id: str,
        client_id: str,
        audience_id: str | None,
        scopes: frozenset[str],
        openid_scopes: frozenset[str],
    ) -> None:
        """Remember what the user allowed, in addition to what was allowed before."""
        now = self._clock()
        self._store.add(user_id, client_id, audience_id, scopes, openid_scopes, now)
        self._trail.note(
            "consent.granted",
            user_id,
            client_id=client_id,
            audience=audience_id,
            scope=" ".join(sorted(openid_scopes) + sorted(scopes)),
        )

    def withdraw(self, user_id: str, client_id: str) -> None:
        """Withdraw what the user allowed the client, and end the client's tokens of that user."""
        if self._authority is not None:
            self._authority.authorize_change(principal=user_id)
        if not self._store.delete(user_id, client_id):
            raise NotFound("consent for the client", client_id)
        ended = self._ending.client_of_user(user_id, client_id)
        self._trail.note("consent.withdrawn", user_id, client_id=client_id, **ended)


def consent_of(
    session: Session, user_id: str, client_id: str, audience_id: str | None
) -> Consent | None:
    """What the user allowed the client at the audience."""
    row = ConsentStore(session).find(user_id, client_id, audience_id)
    return None if row is None else _read(row)


def _read(row: ConsentRow) -> Consent:
    return Consent(
        client_id=row.client_id,
        audience=row.audience_id,
        scopes=tuple(row.scopes),
        openid_scopes=tuple(row.openid_scopes),
        granted_at=row.granted_at,
    )
