"""What a review reads from SQL, beside the resources themselves."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import InstrumentedAttribute

from issuer.database import tables
from issuer.database.store import Statements, in_parts
from issuer.usage.store import OTHERS
from issuer.users.store import LAST_SIGN_IN
from issuer.vocabulary import AuthMethod, RegisteredBy

_NOT_BY_ADMINS = [each for each in RegisteredBy if each is not RegisteredBy.ADMIN]


@dataclass(frozen=True, slots=True)
class UsedScope:
    """How often a scope was needed at an audience within 90 days."""

    audience: str
    scope: str
    allowed: int
    refused: int
    days: int
    last_allowed: datetime | None
    last_refused: datetime | None

    def since(self, day: datetime) -> "UsedScope":
        """Without uses before `day`. If some were later, the numbers include the earlier ones."""
        found = self
        if self.last_allowed is not None and self.last_allowed < day:
            found = replace(found, allowed=0, days=0, last_allowed=None)
        if self.last_refused is not None and self.last_refused < day:
            found = replace(found, refused=0, last_refused=None)
        return found


@dataclass(frozen=True, slots=True)
class GivenAssignment:
    """Since when an assignment exists, by whom, until when, and why; None if unknown or never."""

    given_at: datetime | None
    given_by: str | None
    expires_at: datetime | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """Since when a user is in a group, and who added it; None for what is older than the columns.

    It is certain to exist since `began`: then, since the last change of the group.
    """

    given_at: datetime | None
    given_by: str | None
    began: datetime


@dataclass(frozen=True, slots=True)
class UserOfReview:
    """What a review says about a user."""

    id: str
    username: str
    created_at: datetime
    disabled: bool


@dataclass(frozen=True, slots=True)
class ClientOfReview:
    """What a review says about a client. Of its `scopes` some may have ended."""

    client_id: str
    scopes: list[str]
    created_at: datetime
    updated_at: datetime
    disabled: bool
    token_endpoint_auth_method: AuthMethod
    audiences: list[str]


class ReviewStore(Statements):
    """Within one transaction."""

    def days_with_reports(
        self, since: datetime, audience_id: str = ""
    ) -> dict[str, dict[datetime, int]]:
        """By audience, or of that one, and day: how many requests were counted without a name."""
        row, found = tables.UsedScopeRow, defaultdict[str, dict[datetime, int]](dict)
        query = select(row.audience_id, row.day, row.allowed + row.refused).where(
            row.subject == OTHERS.subject, row.scope == OTHERS.scope, row.day >= since
        )
        query = query.where(row.audience_id == audience_id) if audience_id else query
        for audience, day, unnamed in self.session.execute(query):
            found[audience][day] = unnamed
        return found

    def act_rules(self) -> list[tuple[str, str, str]]:
        """Client, audience of tokens that it may exchange, and audience of those that it gets."""
        row = tables.ClientActRuleRow
        rows = self.session.execute(select(row.client_id, row.from_audience, row.to_audience))
        return [(client, start, end) for client, start, end in rows]

    def users(self, after: str, limit: int) -> list[UserOfReview]:
        """The users whose ids follow `after`, in order."""
        row = tables.UserRow
        query = select(row.id, row.username, row.created_at, row.disabled)
        rows = self.session.execute(query.where(row.id > after).order_by(row.id).limit(limit))
        return [UserOfReview(*each) for each in rows]

    def clients(self, after: str, limit: int) -> list[ClientOfReview]:
        """The clients that administrators made whose ids follow `after`, in order."""
        row, at = tables.ClientRow, tables.ClientAudienceRow
        columns = (row.client_id, row.scopes, row.created_at, row.updated_at, row.disabled)
        query = select(*columns, row.token_endpoint_auth_method).order_by(row.client_id)
        # Not `==`: SQLite would find all of them by that index, and sort them, for each page.
        query = query.where(row.client_id > after, row.registered_by.not_in(_NOT_BY_ADMINS))
        rows = self.session.execute(query.limit(limit)).all()
        audiences = defaultdict[str, list[str]](list)
        named = select(at.client_id, at.audience_id).order_by(at.audience_id)
        named = named.where(at.client_id.in_([each.client_id for each in rows]))
        for client_id, audience in self.session.execute(named):
            audiences[client_id].append(audience)
        return [ClientOfReview(*each, audiences[each[0]]) for each in rows]

    def uses_of_users(
        self, user_ids: Collection[str], through: Collection[str] | None = None
    ) -> dict[str, list[UsedScope]]:
        """By user, what each needed, through any client or these."""
        if through is None:
            return self._read_used(tables.UsedScopeRow.subject, user_ids)
        return self._read_used(
            tables.UsedScopeRow.subject, user_ids, tables.UsedScopeRow.client_id.in_(through)
        )

    def uses_of_clients(self, client_ids: Collection[str]) -> dict[str, list[UsedScope]]:
        """By client, what it needed itself, and what users needed through it."""
        return self._read_used(tables.UsedScopeRow.client_id, client_ids)

    def latest_uses_of_client(
        self, client_id: str, most: int
    ) -> tuple[list[UsedScope], datetime | None]:
        """What a client needed by about its newest `most` rows; their first day if there are more.

        Of a client through which thousands of people sign in.
        """
        row = tables.UsedScopeRow
        newest = select(row.day).where(row.client_id == client_id).order_by(row.day.desc())
        since = self.session.scalar(newest.offset(most).limit(1))
        which = () if since is None else (row.day >= since,)
        return self._read_used(row.client_id, [client_id], *which)[client_id], since

    def _read_used(
        self, by: InstrumentedAttribute[str], ids: Collection[str], *which: ColumnElement[bool]
    ) -> dict[str, list[UsedScope]]:
        row, found = tables.UsedScopeRow, defaultdict[str, list[UsedScope]](list)
        keys = (by, row.audience_id, row.scope)
        query: Any = select(
            *keys,
            func.sum(row.allowed),
            func.sum(row.refused),
            func.count(_day_if(row.allowed > 0).distinct()),
            func.max(_day_if(row.allowed > 0)),
            func.max(_day_if(row.refused > 0)),
        ).group_by(*keys)
        for part in in_parts(ids):
            of_part = query.where(by.in_(part), *which).order_by(*keys)
            for name, audience, scope, allowed, refused, *days in self.session.execute(of_part):
                # PostgreSQL adds integers up to a decimal.
                numbers = int(allowed), int(refused)
                found[name].append(UsedScope(audience, scope, *numbers, *days))
        return found

    def assignments(
        self, folded_ids: Iterable[str]
    ) -> dict[tuple[str, str, str | None], GivenAssignment]:
        """By folded id, role and audience: the assignments of these principals and groups."""
        row = tables.AssignmentRow
        key = (row.folded_id, row.role_name, row.audience_id)
        query: Any = select(*key, row.given_at, row.given_by, row.expires_at, row.reason)
        return {
            (each[0], each[1], each[2]): GivenAssignment(*each[3:])
            for part in in_parts(folded_ids)
            for each in self.session.execute(query.where(row.folded_id.in_(part)))
        }

    def memberships(self, user_ids: Iterable[str]) -> dict[tuple[str, str], Membership]:
        """By group and user, the memberships of these users."""
        row, group = tables.GroupMemberRow, tables.GroupRow
        query = select(row, group.updated_at).join(group, group.id == row.group_id)
        return {
            (each.group_id, each.user_id): Membership(
                each.given_at, each.given_by, each.given_at or changed_at
            )
            for part in in_parts(user_ids)
            for each, changed_at in self.session.execute(query.where(row.user_id.in_(part)))
        }

    def scope_expiries(self, client_ids: Iterable[str]) -> dict[tuple[str, str], datetime]:
        """By client and scope: until when clients have scopes of their own that end."""
        row = tables.ClientScopeExpiryRow
        return {
            (each.client_id, each.scope): each.expires_at
            for part in in_parts(client_ids)
            for each in self.session.scalars(select(row).where(row.client_id.in_(part)))
        }

    def last_sign_ins(self, user_ids: Sequence[str]) -> dict[str, datetime]:
        """When each user last signed in, as far as it is known: for 90 days."""
        query = select(tables.UserRow.id, LAST_SIGN_IN)
        parts = (query.where(tables.UserRow.id.in_(part)) for part in in_parts(user_ids))
        found = (row for part in parts for row in self.session.execute(part))
        return {user_id: at for user_id, at in found if at is not None}


def _day_if(condition: ColumnElement[bool]) -> ColumnElement[datetime]:
    return case((condition, tables.UsedScopeRow.day))
