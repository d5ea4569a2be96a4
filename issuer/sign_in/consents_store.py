"""Consents in SQL."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, select, tuple_

from issuer.database import Connection
from issuer.database.store import Statements, rows_changed
from issuer.database.tables import ConsentActorRow, ConsentRow
from issuer.directory import ActingClient, ClientRecord
from issuer.fields.redirect_uris import MAX_REGISTERED, without_port
from issuer.scopes import covers
from issuer.vocabulary import GrantType


@dataclass(frozen=True, slots=True)
class AllowedAccess:
    """What a user allows a client that is answered at `redirect_uri`.

    `acting`: which clients may act for the user with the token that the client gets, and where.
    """

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

    These are of the token that the user got, with which a chain of exchanges begins.
    """

    user_id: str
    client: ClientRecord
    audience_id: str
    acting: ActingClient


_ACTOR = (
    ConsentActorRow.client_id,
    ConsentActorRow.audience_id,
    ConsentActorRow.external_issuer,
)


def allowed_to_act(connection: Connection, asked: Sequence[ActingFor]) -> list[bool]:
    """Whether the user allowed each, or need not be asked; one query.

    Nobody is asked for clients of the first party, nor by the password grant: by the others, no
    client has a token of a user without a consent.
    """
    row, actor = ConsentRow, ConsentActorRow
    key = (row.user_id, row.client_id, row.audience_id)
    keys = {_key(each) for each in asked if not each.client.first_party}
    if not keys:
        return [True] * len(asked)
    asked_about = actor.client_id.in_({each.acting.client_id for each in asked})
    query = select(*key, *_ACTOR).outerjoin(actor, and_(actor.consent_id == row.id, asked_about))
    allowed: dict[tuple[str, ...], set[ActingClient]] = {}
    for user_id, client_id, audience_id, acting, at, external in connection.execute(
        query.where(tuple_(*key).in_(keys))
    ):
        actors = allowed.setdefault((user_id, client_id, audience_id or ""), set())
        if acting is not None:
            actors.add(_acting_client(acting, at, external))
    return [_is_allowed(each, allowed.get(_key(each))) for each in asked]


def _is_allowed(asked: ActingFor, allowed: Collection[ActingClient] | None) -> bool:
    """`allowed` is None without a consent."""
    if asked.client.first_party:
        return True
    if allowed is None:
        return GrantType.PASSWORD in asked.client.grant_types
    return asked.acting in allowed


def _key(asked: ActingFor) -> tuple[str, ...]:
    return asked.user_id, asked.client.client_id, asked.audience_id


def _acting_client(
    client_id: str, audience_id: str | None, external_issuer: str | None
) -> ActingClient:
    at = audience_id or external_issuer or ""
    return ActingClient(client_id, at, is_external=external_issuer is not None)


class ConsentStore(Statements):
    """The consents, within one transaction."""

    def includes(self, asked: AllowedAccess) -> bool:
        """Whether all of it was allowed before, with the same redirect URI."""
        row = self._find(asked.user_id, asked.client_id, asked.audience_id)
        if row is None:
            return False
        allowed = (row.redirects or {}).get(without_port(asked.redirect_uri))
        return (
            allowed is not None
            and asked.acting <= self.acting(row)
            and asked.openid_scopes <= set(allowed["openid_scopes"])
            and all(covers(allowed["scopes"], scope) for scope in asked.scopes)
        )

    def of_user(self, user_id: str) -> Sequence[ConsentRow]:
        """The consents of the user, in order of client and audience."""
        row = ConsentRow
        query = select(row).where(row.user_id == user_id)
        return self.session.scalars(query.order_by(row.client_id, row.audience_id)).all()

    def add(self, allowed: AllowedAccess, now: datetime) -> None:
        """Add to what was allowed before. Callers hold the lock of a change: one at a time."""
        row = self._find(allowed.user_id, allowed.client_id, allowed.audience_id)
        if row is None:
            row = ConsentRow(
                user_id=allowed.user_id,
                client_id=allowed.client_id,
                audience_id=allowed.audience_id,
                scopes=[],
                openid_scopes=[],
            )
            self.session.add(row)
        row.scopes = _union(allowed.scopes, row.scopes)
        row.openid_scopes = _union(allowed.openid_scopes, row.openid_scopes)
        row.redirects = _with(row.redirects or {}, allowed)
        row.granted_at = now
        self.session.flush()
        for each in sorted(allowed.acting - self.acting(row)):
            at = {"external_issuer" if each.is_external else "audience_id": each.audience_id}
            self.session.add(ConsentActorRow(consent_id=row.id, client_id=each.client_id, **at))
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
        """The same of all consents of the user, by their ids; one query."""
        row, actor = ConsentRow, ConsentActorRow
        query = select(row.id, *_ACTOR).join(actor, actor.consent_id == row.id)
        found: dict[int, set[ActingClient]] = defaultdict(set)
        of_user = query.where(row.user_id == user_id)
        for consent_id, client_id, at, external in self.session.execute(of_user):
            found[consent_id].add(_acting_client(client_id, at, external))
        return {consent_id: frozenset(acting) for consent_id, acting in found.items()}

    def _find(self, user_id: str, client_id: str, audience_id: str | None) -> ConsentRow | None:
        row = ConsentRow
        return self.session.scalars(
            select(row).where(
                row.user_id == user_id,
                row.client_id == client_id,
                row.audience_id.is_not_distinct_from(audience_id),
            )
        ).one_or_none()


def _with(redirects: dict[str, Any], allowed: AllowedAccess) -> dict[str, Any]:
    """The redirect URI that was allowed last is the last; the first ones are forgotten."""
    uri = without_port(allowed.redirect_uri)
    earlier = dict(redirects)
    before = earlier.pop(uri, {"scopes": (), "openid_scopes": ()})
    kept = list(earlier.items())[1 - MAX_REGISTERED :]
    return {
        **dict(kept),
        uri: {
            "scopes": _union(allowed.scopes, before["scopes"]),
            "openid_scopes": _union(allowed.openid_scopes, before["openid_scopes"]),
        },
    }


def _union(some: frozenset[str], others: Iterable[str]) -> list[str]:
    return sorted(some.union(others))
