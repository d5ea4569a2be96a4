"""Clients and their secrets in SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, selectinload

from issuer.clients.act_rules import ActRule
from issuer.database.store import Store, begins_with, kept_or_new
from issuer.database.tables import (
    ClientActRuleRow,
    ClientAudienceRow,
    ClientRow,
    ClientScopeExpiryRow,
    ClientSecretRow,
    DeviceCodeRow,
)
from issuer.deliveries.logouts_store import EndedSessions
from issuer.vocabulary import RegisteredBy

_LOOKED_AT = 10_000
_UNUSED_FOR = timedelta(days=90)
_ENDS = ("from_audience", "to_audience")


def _has_unused_secrets(now: datetime) -> ColumnElement[bool]:
    """Whether it was made that long ago and no secret of it was used since."""
    secret, since = ClientSecretRow, now - _UNUSED_FOR
    of_client = exists().where(secret.client_id == ClientRow.client_id)
    return (
        (ClientRow.created_at < since) & of_client & ~of_client.where(secret.last_used_at >= since)
    )


class ClientStore(Store[ClientRow]):
    kind = "client"
    row = ClientRow
    searched = (ClientRow.folded_id,)
    sorted_by = {
        "client_id": ClientRow.folded_id,
        "name": func.lower(ClientRow.name),
        "created_at": ClientRow.created_at,
    }
    also_searched = (ClientRow.name,)
    filters = {
        "disabled": lambda _: ClientRow.disabled.is_(True),
        "secret unused for 90 days": _has_unused_secrets,
        "registered itself": lambda _: ClientRow.registered_by != RegisteredBy.ADMIN,
    }
    with_page = (
        selectinload(ClientRow.audiences),
        selectinload(ClientRow.act_rules),
        selectinload(ClientRow.scope_expiries),
    )

    def find_by_name(self, name: str) -> ClientRow | None:
        """The only client of that name, which has no index: None if there are too many clients."""
        if not name.isprintable() or self.count(_LOOKED_AT) == _LOOKED_AT:
            return None
        found = self.session.scalars(select(ClientRow).where(ClientRow.name == name).limit(2)).all()
        return found[0] if len(found) == 1 else None

    def delete(self, row: ClientRow) -> None:
        """With what has no foreign key, since another client may get its id.

        That is its device codes, and which ended sessions it is told of.
        """
        code = DeviceCodeRow
        self.session.execute(delete(code).where(code.client_id == row.client_id))
        EndedSessions(self.session).forget_client(row.client_id)
        super().delete(row)

    def set_audiences(self, row: ClientRow, audience_ids: list[str]) -> None:
        """Allow the client to request tokens for exactly these."""
        ids = ((each,) for each in audience_ids)
        row.audiences = kept_or_new(row.audiences, ClientAudienceRow, ids, "audience_id")

    def act_rules(self, row: ClientRow) -> list[ClientActRuleRow]:
        """In order of the audiences."""
        return sorted(row.act_rules, key=attrgetter(*_ENDS))

    def set_act_rules(self, row: ClientRow, rules: Sequence[ActRule]) -> None:
        """Allow the client to act for people by exactly these."""
        ends = map(attrgetter(*_ENDS), rules)
        row.act_rules = kept_or_new(row.act_rules, ClientActRuleRow, ends, *_ENDS)

    def set_scope_expiries(self, row: ClientRow, ends: Mapping[str, datetime]) -> None:
        """Replace the ends of the client's own scopes; scopes that are not named last."""
        scopes = ((each,) for each in ends)
        rows = kept_or_new(row.scope_expiries, ClientScopeExpiryRow, scopes, "scope")
        row.scope_expiries = rows
        for each in row.scope_expiries:
            each.expires_at = ends[each.scope]

    def ending_scopes(
        self, now: datetime, until: datetime, limit: int
    ) -> Sequence[ClientScopeExpiryRow]:
        """Scopes that end first, after `now` and before `until`."""
        row = ClientScopeExpiryRow
        query = select(row).where(row.expires_at > now, row.expires_at < until)
        return self.session.scalars(query.order_by(row.expires_at).limit(limit)).all()

    def with_expired_scopes(self, now: datetime, limit: int) -> Sequence[ClientRow]:
        """Some clients with scopes of their own that have ended."""
        expired = ClientScopeExpiryRow.expires_at <= now
        ids = select(ClientScopeExpiryRow.client_id).distinct().where(expired).limit(limit)
        return self.session.scalars(select(ClientRow).where(ClientRow.client_id.in_(ids))).all()

    def ids_at(self, audience_id: str, after: str, limit: int) -> Sequence[str]:
        """Ids of clients that may request tokens for the audience, after that one, in order."""
        at = ClientAudienceRow
        query = select(at.client_id).where(at.audience_id == audience_id, at.client_id > after)
        return self.session.scalars(query.order_by(at.client_id).limit(limit)).all()

    def ids_found_at(self, audience_id: str, prefix: str, limit: int) -> Sequence[str]:
        """Clients whose folded id begins so, among the first `_LOOKED_AT` that do."""
        at, begins = ClientAudienceRow, begins_with(ClientRow.folded_id, prefix)
        some = select(ClientRow.client_id).where(begins).order_by(ClientRow.folded_id)
        some_ids = some.limit(_LOOKED_AT).subquery()
        query = select(at.client_id).join(some_ids, some_ids.c.client_id == at.client_id)
        query = query.where(at.audience_id == audience_id).order_by(at.client_id)
        return self.session.scalars(query.limit(limit)).all()

    def count_at(self, audience_id: str, most: int) -> int:
        some = select(1).where(ClientAudienceRow.audience_id == audience_id).limit(most)
        return self.session.scalar(select(func.count()).select_from(some.subquery())) or 0

    def note_uses(
        self, secrets: Mapping[str, tuple[datetime, str | None]], clients: Mapping[str, datetime]
    ) -> None:
        """Uses by id; an older one never replaces a newer. The directory ignores them.

        In the order of the ids: processes that write the same rows would wait for each other.
        """
        secret, client = ClientSecretRow, ClientRow
        for secret_id, (at, address) in sorted(secrets.items()):
            older = update(secret).where(
                secret.id == secret_id, _is_before(secret.last_used_at, at)
            )
            self.session.execute(older.values(last_used_at=at, last_used_address=address))
        for client_id, at in sorted(clients.items()):
            used = update(client).where(client.client_id == client_id)
            is_older = _is_before(client.last_used_at, at)
            self.session.execute(used.where(is_older).values(last_used_at=at))

    def document(self, client_id: str) -> tuple[str | None, datetime | None, datetime] | None:
        """What its metadata document said last and when it was read, and when the row changed."""
        row = ClientRow
        query = select(row.document, row.document_read_at, row.updated_at)
        found = self.session.execute(query.where(row.client_id == client_id)).one_or_none()
        return None if found is None else (found[0], found[1], found[2])

    def note_document(self, client_id: str, document: str | None, read_at: datetime) -> None:
        """An older one never replaces a newer. The directory ignores it."""
        row = ClientRow
        is_older = _is_before(row.document_read_at, read_at)
        older = update(row).where(row.client_id == client_id, is_older)
        self.session.execute(older.values(document=document, document_read_at=read_at))

    def last_uses(self, client_ids: Sequence[str]) -> dict[str, datetime]:
        """When a secret of each was last used, by client id, without those that never were."""
        last = func.max(ClientSecretRow.last_used_at)
        query = select(ClientSecretRow.client_id, last).group_by(ClientSecretRow.client_id)
        found = self.session.execute(query.where(ClientSecretRow.client_id.in_(client_ids)))
        return {client_id: at for client_id, at in found if at is not None}

    def count_registered(self) -> int:
        """How many clients have registered themselves."""
        query = select(func.count()).where(ClientRow.registered_by == RegisteredBy.REGISTRATION)
        return self.session.scalar(query) or 0

    def never_used(self, before: datetime, limit: int) -> list[str]:
        """The oldest that have registered themselves before then, and were never used."""
        query = select(ClientRow.client_id).where(
            ClientRow.registered_by == RegisteredBy.REGISTRATION,
            ClientRow.last_used_at.is_(None),
            ClientRow.created_at < before,
        )
        return list(self.session.scalars(query.order_by(ClientRow.created_at).limit(limit)))

    def unused_since(self, instant: datetime, limit: int) -> list[str]:
        """Clients that no administrator made or keeps, and that were last used before then."""
        query = select(ClientRow.client_id).where(
            ClientRow.registered_by != RegisteredBy.ADMIN,
            ClientRow.pinned.is_(False),
            func.coalesce(ClientRow.last_used_at, ClientRow.created_at) < instant,
        )
        return list(self.session.scalars(query.limit(limit)))

    def expiring_secrets(
        self, now: datetime, until: datetime, limit: int
    ) -> Sequence[ClientSecretRow]:
        """Secrets that expire first, after `now` and before `until`."""
        expires_at = ClientSecretRow.expires_at
        query = select(ClientSecretRow).where(expires_at > now, expires_at < until)
        return self.session.scalars(query.order_by(expires_at).limit(limit)).all()

    def unused_secrets(self, instant: datetime, limit: int) -> Sequence[ClientSecretRow]:
        """Secrets last used before then; then secrets made before then, and never used."""
        used_at, created_at = ClientSecretRow.last_used_at, ClientSecretRow.created_at
        used = select(ClientSecretRow).where(used_at < instant).order_by(used_at).limit(limit)
        rows = self.session.scalars(used).all()
        never = select(ClientSecretRow).where(used_at.is_(None), created_at < instant)
        never = never.order_by(created_at).limit(limit - len(rows))
        return [*rows, *self.session.scalars(never).all()]

    def secrets_of(self, client_id: str) -> Sequence[ClientSecretRow]:
        """The client's secrets, oldest first."""
        query = select(ClientSecretRow).where(ClientSecretRow.client_id == client_id)
        by_age = query.order_by(ClientSecretRow.created_at, ClientSecretRow.id)
        return self.session.scalars(by_age).all()


def _is_before(column: InstrumentedAttribute[datetime | None], at: datetime) -> ColumnElement[bool]:
    return or_(column.is_(None), column < at)
