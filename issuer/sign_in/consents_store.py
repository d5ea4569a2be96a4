"""Consents in SQL."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, and_, delete, exists, insert, literal, select, tuple_

from issuer.database import Connection
from issuer.database.store import Statements, rows_changed
from issuer.database.tables import ClientRow, ConsentActorRow, ConsentRow, StoppedActorRow
from issuer.directory import ActingClient, ClientRecord
from issuer.fields.urls import MAX_REGISTERED, without_port
from issuer.scopes import covers
from issuer.vocabulary import GrantType

# Of a client that has one of these, a token may come of a consent that was withdrawn since.
_BY_CONSENT = {GrantType.AUTHORIZATION_CODE, GrantType.DEVICE_CODE}
# These give tokens of a user without a page that could ask.
_WITHOUT_A_PAGE = {GrantType.PASSWORD, GrantType.JWT_BEARER}


@dataclass(frozen=True, slots=True)
class AllowedAccess:
    """What a user allows a client that is answered at `redirect_uri`, and who may act by it."""

    user_id: str
    client_id: str
    audience_id: str | None
    redirect_uri: str
    scopes: frozenset[str]
    openid_scopes: frozenset[str]
    acting: frozenset[ActingClient] = frozenset()


@dataclass(frozen=True, slots=True)
class ActingFor:
    """`acting` would act for the user with a token of the `client` for an audience.

    These are of the token that the user got, with which a chain of exchanges begins. `audience_id`
    is None for an ID token, and for an access token for the issuer itself: these lead only to other
    authorization servers, of which the consent page tells at every audience. `scopes` are those of
    the token that `acting` would get: none for another server, whose scopes are its own.
    """

    user_id: str
    client: ClientRecord
    audience_id: str | None
    acting: ActingClient
    scopes: frozenset[str] = frozenset()


class _Told(NamedTuple):
    scopes: frozenset[str]
    actors: set[ActingClient]


_ByAudience: TypeAlias = dict[str | None, _Told]
_ACTOR = (
    ConsentActorRow.client_id,
    ConsentActorRow.audience_id,
    ConsentActorRow.external_issuer,
    ConsentActorRow.external_resource,
    ConsentActorRow.external_scopes,
)


def check_may_act(connection: Connection, asked: Sequence[ActingFor]) -> list[bool]:
    """Whether the user allowed each, or was never asked and need not be, and did not stop it.

    Nobody need be asked for clients of the first party. By the password grant and by ID-JAGs nobody
    can be: the rule of an administrator is enough. By the others, no client has a token of a user
    without a consent. Who was asked allowed only the scopes that the page had: a token may have
    more, as it was got before that page. Whoever stopped a client has to allow it on a page.
    """
    if not asked:
        return []
    row, actor = ConsentRow, ConsentActorRow
    key = (row.user_id, row.client_id)
    asked_about = actor.client_id.in_({each.acting.client_id for each in asked})
    on = and_(actor.consent_id == row.id, asked_about)
    query = select(*key, row.audience_id, row.redirects, *_ACTOR).outerjoin(actor, on)
    told: dict[tuple[str, str], _ByAudience] = defaultdict(dict)
    for user_id, client_id, audience_id, redirects, *actor_columns in connection.execute(
        query.where(tuple_(*key).in_({_key(each) for each in asked}))
    ):
        of_client = told[user_id, client_id]
        if audience_id not in of_client:
            of_client[audience_id] = _Told(_scopes(redirects), set())
        if actor_columns[0] is not None:
            of_client[audience_id].actors.add(_acting_client(*actor_columns))
    key_of_stop = tuple_(StoppedActorRow.user_id, StoppedActorRow.client_id)
    named = {(each.user_id, each.acting.client_id) for each in asked}
    stops = select(StoppedActorRow.user_id, StoppedActorRow.client_id)
    stopped = set(map(tuple, connection.execute(stops.where(key_of_stop.in_(named)))))
    return [
        (question.user_id, question.acting.client_id) not in stopped
        and _is_allowed(question, told.get(_key(question), {}))
        for question in asked
    ]


def _scopes(redirects: Mapping[str, Any] | None) -> frozenset[str]:
    return frozenset().union(*(each["scopes"] for each in (redirects or {}).values()))


def _is_allowed(asked: ActingFor, told: _ByAudience) -> bool:
    here = [each for at, each in told.items() if asked.audience_id in {None, at}]
    if not here:
        return asked.client.first_party or _could_ask_nobody(asked.client)
    named = [each.scopes for each in here if is_told(each.actors, [asked.acting])]
    if asked.client.first_party:  # it need not ask about scopes, only about those who act
        return bool(named)
    return any(all(covers(each, scope) for scope in asked.scopes) for each in named)


def _could_ask_nobody(client: ClientRecord) -> bool:
    return bool(client.grant_types & _WITHOUT_A_PAGE) and not client.grant_types & _BY_CONSENT


def _key(asked: ActingFor) -> tuple[str, str]:
    return asked.user_id, asked.client.client_id


def _acting_client(client_id: str, audience_id: str | None, *external: Any) -> ActingClient:
    issuer, resource, scopes = external
    if issuer is None:
        return ActingClient(client_id, audience_id or "")
    # Without a resource: told by a version that did not name any, so that none was allowed.
    return ActingClient(client_id, issuer, True, resource or "", tuple(scopes or ()))


def is_told(told: Iterable[ActingClient], acting: Iterable[ActingClient]) -> bool:
    """Whether the user was told of all that these clients may do."""
    told = frozenset(told)
    return all(each in told or any(one.includes(each) for one in told) for each in acting)


class ConsentStore(Statements):
    def includes(self, asked: AllowedAccess) -> bool:
        """Whether all of it was allowed before, with the same redirect URI."""
        row = self._find(asked.user_id, asked.client_id, asked.audience_id)
        redirects = (row.redirects if row else None) or {}
        allowed = redirects.get(without_port(asked.redirect_uri))
        if row is None or allowed is None or not is_told(self.acting(row), asked.acting):
            return False
        has_scopes = all(covers(allowed["scopes"], scope) for scope in asked.scopes)
        return has_scopes and asked.openid_scopes <= set(allowed["openid_scopes"])

    def has_told(self, asked: AllowedAccess) -> bool:
        """Whether nobody was asked, or was told of all who would act and has stopped none."""
        row = self._find(asked.user_id, asked.client_id, asked.audience_id)
        stopped = select(StoppedActorRow.client_id).where(_stops(asked))
        has_told = row is None or is_told(self.acting(row), asked.acting)
        return has_told and self.session.scalars(stopped.limit(1)).first() is None

    def of_user(self, user_id: str) -> Sequence[ConsentRow]:
        """The consents of the user, in order of client and audience."""
        row = ConsentRow
        query = select(row).where(row.user_id == user_id)
        return self.session.scalars(query.order_by(row.client_id, row.audience_id)).all()

    def add(self, allowed: AllowedAccess, now: datetime) -> None:
        """Add to what was allowed before. Callers hold the lock of a change: one at a time.

        What was allowed on pages that told of fewer who act must be asked about again.
        """
        row = self._find(allowed.user_id, allowed.client_id, allowed.audience_id)
        told = frozenset() if row is None else self.acting(row)
        if row is None:
            key = {each: getattr(allowed, each) for each in ("user_id", "client_id", "audience_id")}
            row = ConsentRow(**key, scopes=[], openid_scopes=[])
            self.session.add(row)
        row.scopes = _union(allowed.scopes, row.scopes)
        row.openid_scopes = _union(allowed.openid_scopes, row.openid_scopes)
        before = row.redirects if is_told(told, allowed.acting) else None
        row.redirects = _with(before or {}, allowed)
        row.granted_at = now
        self.session.execute(delete(StoppedActorRow).where(_stops(allowed)))
        self.session.flush()
        if told != allowed.acting:
            self._replace_acting(row, allowed.acting)

    def _replace_acting(self, consent: ConsentRow, acting: Iterable[ActingClient]) -> None:
        actor = ConsentActorRow
        self.session.execute(delete(actor).where(actor.consent_id == consent.id))
        for client in sorted(acting):
            row = actor(consent_id=consent.id, client_id=client.client_id)
            if client.is_external:
                row.external_issuer, row.external_resource = client.audience_id, client.resource
                row.external_scopes = [*client.scopes]
            else:
                row.audience_id = client.audience_id
            self.session.add(row)
        self.session.flush()

    def delete(self, user_id: str, client_id: str) -> bool:
        """Whether there were any to delete."""
        row = ConsentRow
        of_client = delete(row).where(row.user_id == user_id, row.client_id == client_id)
        return rows_changed(self.session, of_client) > 0

    def acting(self, consent: ConsentRow) -> frozenset[ActingClient]:
        """The clients that may act for the user, and where, as the consent page told."""
        actor = ConsentActorRow
        query = select(*_ACTOR).where(actor.consent_id == consent.id)
        return frozenset(_acting_client(*each) for each in self.session.execute(query))

    def acting_of_user(self, user_id: str) -> Mapping[int, frozenset[ActingClient]]:
        """Who may act by the consents of the user, by the id of the consent; one query."""
        row, actor = ConsentRow, ConsentActorRow
        query = select(row.id, *_ACTOR).join(actor, actor.consent_id == row.id)
        found: dict[int, frozenset[ActingClient]] = defaultdict(frozenset)
        for consent_row in self.session.execute(query.where(row.user_id == user_id)):
            found[consent_row.id] |= {_acting_client(*consent_row[1:])}
        return found

    def forget_acting(self, user_id: str, client_id: str) -> bool:
        """Whether the user had allowed the client to act anywhere; now no more."""
        consents = select(ConsentRow.id).where(ConsentRow.user_id == user_id)
        actor = ConsentActorRow
        of_client = delete(actor).where(actor.client_id == client_id)
        return rows_changed(self.session, of_client.where(actor.consent_id.in_(consents))) > 0

    def stop(self, user_id: str, client_id: str) -> None:
        """The client may act for the user only once a page has told of it and was allowed."""
        row, client = StoppedActorRow, ClientRow.client_id
        done = exists().where(row.user_id == user_id, row.client_id == client)
        existing = select(literal(user_id), client).where(client == client_id, ~done)
        self.session.execute(insert(row).from_select(["user_id", "client_id"], existing))

    def _find(self, user_id: str, client_id: str, audience_id: str | None) -> ConsentRow | None:
        row = ConsentRow
        where = row.audience_id.is_not_distinct_from(audience_id)
        return self.one(row, row.user_id == user_id, row.client_id == client_id, where)


def _stops(allowed: AllowedAccess) -> ColumnElement[bool]:
    """Whether it is that the user stopped one of those who would act."""
    acting = {each.client_id for each in allowed.acting}
    row = StoppedActorRow
    return and_(row.user_id == allowed.user_id, row.client_id.in_(acting))


def _with(redirects: Mapping[str, Any], allowed: AllowedAccess) -> dict[str, Any]:
    """The redirect URI that was allowed last is the last; the first ones are forgotten."""
    uri = without_port(allowed.redirect_uri)
    earlier = dict(redirects)
    before = earlier.pop(uri, {"scopes": (), "openid_scopes": ()})
    kept = dict(list(earlier.items())[1 - MAX_REGISTERED :])
    names = ("scopes", "openid_scopes")
    now = {name: _union(getattr(allowed, name), before[name]) for name in names}
    return {**kept, uri: now}


def _union(some: frozenset[str], others: Iterable[str]) -> list[str]:
    return sorted(some.union(others))
