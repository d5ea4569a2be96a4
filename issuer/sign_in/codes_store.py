"""Authorization codes in SQL (RFC 6749 §4.1.2), and what each gave."""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Table, and_, bindparam, delete, exists, func, or_, select, true, update

from issuer.database.counts import read_feed_state
from issuer.database.store import MAX_DELETED, Statements, as_record, delete_some, insert_new
from issuer.database.tables import AuthorizationCodeRow as Row
from issuer.database.tables import SignInSessionRow
from issuer.revocations.store import ended_since, revoked_until
from issuer.sign_in.authorization_request import PUSHED_VALID_FOR
from issuer.sign_in.authorization_request import VALID_FOR as REQUEST_VALID_FOR
from issuer.sign_in.sessions_store import HAS_ENDED as SESSION_HAS_ENDED
from issuer.tokens.issuing import AccessToken
from issuer.vocabulary import TOKEN_RETENTION

VALID_FOR = timedelta(seconds=60)
# As long as its request lives, so that the request makes no other code.
_UNUSED_KEPT_FOR = PUSHED_VALID_FOR + REQUEST_VALID_FOR
_USED_KEPT_FOR = timedelta(days=1)
_COLUMN_OF_CLAIM = {"sub": Row.user_id, "client_id": Row.client_id, "aud": Row.audience_id}
_HAS_ENDED = ended_since(Row.change, _COLUMN_OF_CLAIM)
_IS_NOT_REVOKED = func.coalesce(revoked_until(_COLUMN_OF_CLAIM) < bindparam("issued_at"), true())
_OF_SESSION = (SignInSessionRow.id == Row.session_id, SignInSessionRow.user_id == Row.user_id)
_SESSION_IS_ACTIVE = exists().where(*_OF_SESSION, ~SESSION_HAS_ENDED).correlate(Row)
# Built once, and without rows of the ORM: they run with every code.
_CODES = cast(Table, Row.__table__)
_FIND = select(_CODES).where(_CODES.c.digest == bindparam("of"))
_CONSUME = (
    update(_CODES)
    .where(_CODES.c.digest == bindparam("of"), _CODES.c.used_at.is_(None))
    .where(_CODES.c.expires_at > bindparam("now"))
    .where(_SESSION_IS_ACTIVE, ~_HAS_ENDED, _IS_NOT_REVOKED)
    .values(used_at=bindparam("now"), jti=bindparam("its_jti"))
    .values(access_until=bindparam("until"), family_id=bindparam("its_family"))
)


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """What a user allowed a client at one audience; `used_at` to `family_id`: once it was used.

    `dpop_jkt`: the thumbprint of the key without which it is of no use.
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
    dpop_jkt: str | None = None


class CodeStore(Statements):
    def add(self, code: AuthorizationCode) -> bool:
        """False if the same authorization request has a code already."""
        sets = {"scopes": sorted(code.scopes), "openid_scopes": sorted(code.openid_scopes)}
        more = {"methods": list(code.methods), "change": read_feed_state(self.session).count}
        members = asdict(code) | sets | more
        return insert_new(self.session, Row, members)

    def find(self, digest: bytes) -> AuthorizationCode | None:
        row = self.session.connection().execute(_FIND, {"of": digest}).one_or_none()
        return None if row is None else as_record(AuthorizationCode, row)

    def consume(
        self, code: AuthorizationCode, now: datetime, token: AccessToken, family_id: str | None
    ) -> bool:
        """Mark the code as used for `token`; False if it, its session or its rights have ended."""
        used = {"of": code.digest, "now": now, "its_jti": token.jti, "its_family": family_id}
        until = {"issued_at": token.issued_at, "until": token.expires_at}
        return self.session.connection().execute(_CONSUME, used | until).rowcount == 1

    def access_until(self, session_id: str) -> datetime | None:
        """When the last access token with this session as `sid` expires."""
        single = Row.family_id.is_(None)
        query = select(func.max(Row.access_until)).where(Row.session_id == session_id, single)
        return self.session.scalars(query).one()

    def single_tokens(self, user_id: str, client_id: str) -> dict[str, datetime]:
        """Access tokens of the user without a refresh family: `jti` and expiry."""
        of_client = (Row.user_id == user_id, Row.client_id == client_id, Row.family_id.is_(None))
        query = select(Row.jti, Row.access_until).where(*of_client)
        rows = self.session.execute(query.where(Row.used_at.is_not(None)))
        return {jti: until for jti, until in rows if jti is not None and until is not None}

    def openid_scopes(self, session_id: str, client_id: str) -> frozenset[str]:
        """OpenID scopes that the client got by codes of the session, while used codes are kept."""
        of_client = (Row.session_id == session_id, Row.client_id == client_id)
        query = select(Row.openid_scopes).where(*of_client, Row.used_at.is_not(None))
        return frozenset().union(*self.session.scalars(query))

    def withdraw(self, user_id: str, client_id: str) -> None:
        """Delete the codes of the user for the client that were not used."""
        unused = delete(Row).where(Row.user_id == user_id, Row.used_at.is_(None))
        self.session.execute(unused.where(Row.client_id == client_id))

    def delete_expired(self, now: datetime) -> bool:
        """Delete some codes whose tokens cannot be revoked any more; whether there may be more."""
        is_over = or_(
            and_(Row.used_at.is_(None), Row.expires_at <= now - _UNUSED_KEPT_FOR),
            and_(Row.expires_at <= now - _USED_KEPT_FOR, Row.access_until <= now - TOKEN_RETENTION),
        )
        return delete_some(self.session, Row, is_over) == MAX_DELETED
