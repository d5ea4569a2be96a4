"""What users allowed clients, remembered by user, client, audience and redirect URI."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from issuer.audit import Trail
from issuer.authority import Authority
from issuer.clock import Clock
from issuer.database import Session
from issuer.database.tables import ConsentRow
from issuer.errors import NotFound
from issuer.sign_in.consents_store import AllowedAccess, ConsentStore
from issuer.sign_in.session_revoker import SessionRevoker


class Consent(BaseModel):
    """What a user allowed a client at an audience, or without one (`audience` is null).

    `scopes` are those of all `redirect_uris`, which are stored without ports on loopback.
    """

    model_config = ConfigDict(frozen=True)

    client_id: str
    audience: str | None
    scopes: tuple[str, ...]
    openid_scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    granted_at: datetime


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
        self._ending = SessionRevoker(session, trail, clock)

    def of_user(self, user_id: str) -> list[Consent]:
        """The consents of the user, in order of client and audience."""
        return [_read(row) for row in self._store.of_user(user_id)]

    def grant(self, allowed: AllowedAccess) -> None:
        """Remember what the user allowed, in addition to what was allowed before."""
        self._store.add(allowed, self._clock())
        self._trail.note(
            "consent.granted",
            allowed.user_id,
            client_id=allowed.client_id,
            audience=allowed.audience_id,
            redirect_uri=allowed.redirect_uri,
            scope=" ".join(sorted(allowed.openid_scopes) + sorted(allowed.scopes)),
        )

    def withdraw(self, user_id: str, client_id: str) -> None:
        """Withdraw what the user allowed the client, and end the client's tokens of that user."""
        if self._authority is not None:
            self._authority.authorize_change(principal=user_id)
        if not self._store.delete(user_id, client_id):
            raise NotFound("consent for the client", client_id)
        ended = self._ending.client_of_user(user_id, client_id)
        self._trail.note("consent.withdrawn", user_id, client_id=client_id, **ended)


def _read(row: ConsentRow) -> Consent:
    return Consent(
        client_id=row.client_id,
        audience=row.audience_id,
        scopes=tuple(row.scopes),
        openid_scopes=tuple(row.openid_scopes),
        redirect_uris=tuple(row.redirects or ()),
        granted_at=row.granted_at,
    )
