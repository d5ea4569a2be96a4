"""What is held, and the evidence of whether it is used."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import islice
from typing import Any, Protocol, TypeAlias

from pydantic import BaseModel

from issuer.audiences import AUDIENCE
from issuer.clients.client import CLIENT, Client
from issuer.fields.ids import fold_id
from issuer.fields.text import escape
from issuer.fields.times import has_ended
from issuer.manifest import current
from issuer.resources import ResourceType
from issuer.review.exchanges import Exchanges, has_lists, smallest, without_lists
from issuer.review.store import (
    ClientOfReview,
    GivenAssignment,
    Membership,
    ReviewStore,
    UsedScope,
    UserOfReview,
)
from issuer.roles import ROLE, HeldRole, Role
from issuer.scopes import counting_at, covers, meet
from issuer.usage import KEPT_FOR
from issuer.usage.usage import day_of
from issuer.users import USER, User

UNUSED_FOR = timedelta(days=30)
READS = (AUDIENCE, ROLE, CLIENT, USER)
_BATCH = 1_000
_DAY = timedelta(days=1)
_OWN = "its own scopes"


def may_read_usage(holds: Callable[[str], bool]) -> bool:
    """Whether somebody who holds these scopes may see what clients and users use."""
    return all(holds(each.read) for each in READS)


class FindingKind(StrEnum):
    """Kinds of findings, in the order in which they are listed."""

    UNUSED = "unused"
    PARTLY_USED = "partly used"
    RARELY_USED = "rarely used"
    ROLE_WITHOUT_HOLDERS = "role without holders"
    UNUSED_ROLE = "unused role"
    UNUSED_CLIENT = "unused client"
    UNUSED_SECRET = "unused secret"  # noqa: S105
    NEVER_SIGNED_IN = "never signed in"
    NOT_SIGNED_IN = "not signed in"
    REFUSED = "refused"


class Principal(BaseModel, frozen=True):
    """A client or a user. The name of a user is the user name."""

    kind: str
    id: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name or self.id}"

    @property
    def sort_key(self) -> tuple[str, str]:
        """For lists by name."""
        return (self.name or self.id).casefold(), self.id


class ReviewFinding(BaseModel, frozen=True):
    """One finding, with its evidence.

    `last_used`: the day of the last use within 90 days, or when a secret was used or a person
    signed in. `days`: on how many days it was used; `requests`: how many there were.
    """

    kind: FindingKind
    sentence: str
    principal: Principal | None = None
    audience: str | None = None
    scope: str | None = None
    through: str | None = None
    last_used: datetime | None = None
    days: int = 0
    requests: int = 0


class ReportCoverage(BaseModel, frozen=True):
    """Whether the reports about an audience tell what was not used: nothing else is unknown.

    `is_known`: since the beginning of the review, reports came on every day, and named everything.
    If that is not so, it will be from the day `known_from` on, unless more is missing by then; null
    where nobody reports.
    """

    audience: str
    is_known: bool
    reason: str
    first_report: date | None
    last_report: date | None
    known_from: date | None = None


def coverage_of(
    audience: str,
    unnamed: Mapping[datetime, int],
    now: datetime,
    unused_for: timedelta = UNUSED_FOR,
) -> ReportCoverage:
    """Coverage by the days with reports, and how many requests were counted without a name."""
    since = day_of(now - unused_for)
    number = (day_of(now) - since) // _DAY
    days = [since + n * _DAY for n in range(number)]
    gaps = [day for day in days if day not in unnamed]
    unclear = [day for day in days if unnamed.get(day, 1)]
    if not unnamed:
        reason = "no verifier reports what is used"
    elif gaps:
        reason = f"no reports on {len(gaps)} of {number} days, such as {gaps[-1]:%Y-%m-%d}"
    elif unclear:
        reason = "more was used than could be counted by name"
    else:
        reason = ""
    return ReportCoverage(
        audience=audience,
        is_known=not reason,
        reason=reason,
        first_report=min(unnamed).date() if unnamed else None,
        last_report=max(unnamed).date() if unnamed else None,
        known_from=(unclear[-1] + (number + 1) * _DAY).date() if unnamed and unclear else None,
    )


Kind: TypeAlias = ResourceType[Any, Any]
Resource: TypeAlias = Client | User | ClientOfReview | UserOfReview


class Reviewable(current.Configuration, Protocol):
    """What a review reads, all in one transaction."""

    @property
    def reviewed(self) -> ReviewStore: ...


class ReviewedScope(BaseModel, frozen=True):
    """A scope that a client or user holds at an audience: a row of the access review.

    `verdict` is `used`, `rarely used`, `unused` or `unknown`; `last_used` the day. `enough` are
    narrower scopes that cover what was used, if there are any, and as far as reports tell.
    """

    principal: Principal
    audience: str
    scope: str
    through: str
    role: str | None
    given_at: datetime | None
    given_by: str | None
    expires_at: datetime | None
    last_used: datetime | None
    days: int
    requests: int
    verdict: str
    enough: frozenset[str]


@dataclass(frozen=True, slots=True)
class ReviewedPrincipal:
    """A client or a user with what it holds and what it used, at the `audiences` that it has.

    `exchanged` has, by audience, the scopes that exchanges of its tokens may have needed there.
    """

    principal: Principal
    resource: Resource
    audiences: tuple[str, ...]
    roles: list[HeldRole] = field(default_factory=list)
    used: list[UsedScope] = field(default_factory=list)
    exchanged: Mapping[str, set[str]] = field(default_factory=dict)

    @property
    def direct(self) -> frozenset[str]:
        """The scopes of a client itself that count at an AgentOS."""
        own = () if isinstance(self.resource, User | UserOfReview) else self.resource.scopes
        return counting_at(own, own_audience=False)

    @property
    def group_ids(self) -> set[str]:
        """The groups through which it holds roles."""
        return {role.via.group_id for role in self.roles if role.via and role.via.group_id}

    def uses_at(self, audience: str) -> Iterator[UsedScope]:
        return (each for each in self.used if each.allowed and each.audience == audience)

    def needs_at(self, audience: str) -> set[str]:
        """The scopes that it used there, or may have needed there for exchanges."""
        used = {each.scope for each in self.uses_at(audience)}
        return used.union(self.exchanged.get(audience, ()))


Rows: TypeAlias = list[ReviewedScope]


@dataclass
class UsageEvidence:
    """What verifiers reported, compared with what clients and users hold. Reads all audiences.

    `has_read_all`: no client or user was left out by `first`.
    """

    work: Reviewable
    now: datetime
    unused_for: timedelta
    since: datetime = field(init=False)
    coverage: dict[str, ReportCoverage] = field(init=False)
    roles: dict[str, Role] = field(init=False)
    exchanges: Exchanges = field(init=False)
    has_read_all: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        for each in READS:
            self.work.authority.require(each.read)
        self.since = day_of(self.now - self.unused_for)
        reported = self.work.reviewed.days_with_reports(day_of(self.now - KEPT_FOR))
        own = self.work.audiences.own_id
        ids = [each.id for each in current.resources(self.work, AUDIENCE) if each.id != own]
        self.exchanges = Exchanges(self.work.reviewed.act_rules())
        known = {
            each: coverage_of(each, reported.get(each, {}), self.now, self.unused_for)
            for each in ids
        }
        self.coverage = {each: self._with_exchanges(known, each) for each in ids}
        self.roles = {each.name: each for each in current.resources(self.work, ROLE)}

    def _with_exchanges(self, known: Mapping[str, ReportCoverage], audience: str) -> ReportCoverage:
        """Coverage, unknown as well if that of an audience is for which tokens may be exchanged."""
        coverage = known[audience]
        unknown = (known[end] for end in self.exchanges.ends_of(audience))
        if coverage.is_known and (end := next((e for e in unknown if not e.is_known), None)):
            reason = f"its tokens may be exchanged for tokens for {end.audience}, and {end.reason}"
            changed = {"is_known": False, "reason": reason, "known_from": end.known_from}
            return coverage.model_copy(update=changed)
        return coverage

    @cached_property
    def _exchanged_by_clients(self) -> dict[str, set[str]]:
        """By audience, the scopes that exchanges by any client may have needed there."""
        used = self.work.reviewed.uses_of_clients(self.exchanges.clients)
        got = (each for name, some in used.items() for each in self.exchanges.uses_by(name, some))
        return self.exchanges.needs_by_audience(got)

    @cached_property
    def judges(self) -> bool:
        """Whether the reports about some audience tell what is not used there."""
        return any(each.is_known for each in self.coverage.values())

    def every(self, kind: Kind, after: str | None = None) -> Iterator[list[ReviewedPrincipal]]:
        """All clients or users that administrators made, in order of their ids, after that one."""
        found = current.resources(self.work, kind, after)
        while batch := list(islice(found, _BATCH)):
            yield self._holders(kind, batch, lambda _: True)

    def first(self, kind: Kind, most: int) -> Iterator[list[ReviewedPrincipal]]:
        """The first `most` holders, with what a review says of them, and nothing else.

        Their roles are read where something can be said about those.
        """
        read: Callable[[str, int], Sequence[Any]] = self.work.reviewed.clients
        if kind is USER:
            read = self.work.reviewed.users
        after, left = "", most
        while left and (some := read(after, min(left, _BATCH))):
            yield self._holders(kind, some, lambda used: self.judges or bool(used))
            after, left = kind.key_of(some[-1]), left - len(some)
        self.has_read_all = self.has_read_all and not read(after, 1)

    def holder(self, resource: Client | User) -> ReviewedPrincipal:
        """One client or user."""
        kind: Kind = USER if isinstance(resource, User) else CLIENT
        (holder,) = self._holders(kind, [resource], lambda _: True)
        return holder

    def _holders(
        self, kind: Kind, batch: Sequence[Any], has_roles: Callable[[list[UsedScope]], bool]
    ) -> list[ReviewedPrincipal]:
        """`has_roles`: whether the roles of one that used this are read."""
        store, acting = self.work.reviewed, self.exchanges.clients
        ids = [kind.key_of(each) for each in batch]
        if kind is USER:
            used = store.uses_of_users(ids)
            by_user = store.uses_of_users(ids, through=acting) if acting else {}
            exchanged = [self.exchanges.needs_by_audience(by_user.get(each, ())) for each in ids]
        else:
            used, exchanged = store.uses_of_clients(ids), [self._exchanged_by_clients] * len(ids)
        held = [each for each in ids if has_roles(used.get(each, []))]
        roles = self.work.assignments.roles_of_all(held) if held else {}
        holder = self._user if kind is USER else self._client
        return [
            self._with_use(holder(each), roles.get(id_, []), used.get(id_, []), more)
            for each, id_, more in zip(batch, ids, exchanged, strict=True)
        ]

    def _user(self, user: User | UserOfReview) -> ReviewedPrincipal:
        principal = Principal(kind=USER.kind, id=user.id, name=user.username)
        return ReviewedPrincipal(principal, user, tuple(self.coverage))

    def _client(self, client: Client | ClientOfReview) -> ReviewedPrincipal:
        principal = Principal(kind=CLIENT.kind, id=client.client_id, name="")
        audiences = tuple(each for each in client.audiences if each in self.coverage)
        return ReviewedPrincipal(principal, client, audiences)

    def _with_use(
        self,
        holder: ReviewedPrincipal,
        roles: list[HeldRole],
        used: list[UsedScope],
        exchanged: Mapping[str, set[str]],
    ) -> ReviewedPrincipal:
        if not (roles or used or exchanged):
            return holder
        # Reports do not count if it gets no tokens for the audience: verifiers may report anything.
        # Nor do those from before it was created: they are about another one that had its id.
        began = day_of(holder.resource.created_at)
        there = [each.since(began) for each in used if each.audience in holder.audiences]
        holder = replace(holder, roles=roles, used=there, exchanged=exchanged)
        return self._without_lists(holder) if has_lists(there) else holder

    def _without_lists(self, holder: ReviewedPrincipal) -> ReviewedPrincipal:
        used: list[UsedScope] = []
        held = [*self._holdings(holder)]
        for audience in holder.audiences:
            scopes = {scope for at, scope, _ in held if at == audience}
            used += without_lists(scopes, [u for u in holder.used if u.audience == audience])
        return replace(holder, used=used)

    def _holdings(self, holder: ReviewedPrincipal) -> Iterator[tuple[str, str, HeldRole | None]]:
        """Audience, scope, and the role that gives it; None for scopes of the client."""
        direct = sorted(holder.direct)
        for audience in holder.audiences:
            yield from ((audience, scope, None) for scope in direct)
            for role in holder.roles:
                if role.audience in {None, audience}:
                    scopes = counting_at(self.roles[role.role].scopes, own_audience=False)
                    yield from ((audience, scope, role) for scope in sorted(scopes))

    def rows(self, batch: Sequence[ReviewedPrincipal]) -> Iterator[tuple[ReviewedPrincipal, Rows]]:
        """What each holds now, with the evidence."""
        groups = {group_id for holder in batch for group_id in holder.group_ids}
        ids = [holder.principal.id for holder in batch]
        grants = self.work.reviewed.assignments(map(fold_id, (*ids, *groups)))
        expiries = self.work.reviewed.scope_expiries(ids)
        memberships = self.work.reviewed.memberships(ids if groups else ())
        for holder in batch:
            rows = []
            for audience, scope, role in self._holdings(holder):
                if role is None:
                    joined, end = None, expiries.get((holder.principal.id, scope))
                    grant = GivenAssignment(None, None, end)
                else:
                    key = holder.principal.id
                    joined = memberships.get((_owner(key, role), key))
                    grant = _grant_of(key, role, grants, joined)
                if not has_ended(grant.expires_at, self.now):
                    held_since = self._held_since(holder, role, grant, joined)
                    rows.append(self._row(holder, audience, scope, role, grant, held_since))
            yield holder, rows

    def _row(
        self,
        holder: ReviewedPrincipal,
        audience: str,
        scope: str,
        role: HeldRole | None,
        grant: GivenAssignment,
        held_since: datetime,
    ) -> ReviewedScope:
        through, name = (_OWN, None) if role is None else (escape(f"the role {role}"), role.role)
        uses = [use for use in holder.uses_at(audience) if meet([scope], [use.scope])]
        last = max(filter(None, (use.last_allowed for use in uses)), default=None)
        exchanged = holder.exchanged.get(audience, ())
        is_judged = self.coverage[audience].is_known and held_since < self.since
        return ReviewedScope(
            principal=holder.principal,
            audience=audience,
            scope=scope,
            through=through,
            role=name,
            given_at=grant.given_at,
            given_by=grant.given_by,
            expires_at=grant.expires_at,
            last_used=last,
            days=max((use.days for use in uses), default=0),
            requests=sum(use.allowed for use in uses),
            verdict=self._verdict(last, is_judged=is_judged and not meet([scope], exchanged)),
            enough=_narrower(scope, holder.needs_at(audience)) if is_judged else frozenset(),
        )

    def _held_since(
        self,
        holder: ReviewedPrincipal,
        role: HeldRole | None,
        grant: GivenAssignment,
        joined: Membership | None,
    ) -> datetime:
        """Since when the scope is held for certain: whatever gives it may have been changed.

        Changes of a group at a trusted issuer are not known at all.
        """
        changed = [holder.resource.created_at, *filter(None, [grant.given_at])]
        if isinstance(holder.resource, Client | ClientOfReview):
            changed.append(holder.resource.updated_at)
        if role is not None:
            changed.append(self.roles[role.role].updated_at)
            if role.via is not None:
                changed.append(joined.began if joined else self.now)
        return max(changed)

    def _verdict(self, last: datetime | None, *, is_judged: bool) -> str:
        if last is not None and last >= self.since:
            return "used"
        if not is_judged:
            return "unknown"
        return "unused" if last is None else "rarely used"


def _narrower(scope: str, needed: Iterable[str]) -> frozenset[str]:
    """What of the scope was needed, unless it is all of it."""
    enough = smallest([scope], needed)
    return frozenset() if covers(enough, scope) else enough


def _owner(holder_id: str, role: HeldRole) -> str:
    """The id of the client, user or group to which the role is assigned; "" for one elsewhere."""
    return holder_id if role.via is None else role.via.group_id or ""


def grants_of(
    store: ReviewStore, holder_id: str, held: Sequence[HeldRole]
) -> list[GivenAssignment]:
    """Who gave each role that a client, user or group holds, when, why, and until when."""
    groups = {role.via.group_id for role in held if role.via and role.via.group_id}
    grants = store.assignments(map(fold_id, {holder_id, *groups}))
    memberships = store.memberships([holder_id] if groups else [])
    joined = (memberships.get((_owner(holder_id, role), holder_id)) for role in held)
    return [
        _grant_of(holder_id, role, grants, since) for role, since in zip(held, joined, strict=True)
    ]


def _grant_of(
    holder_id: str,
    role: HeldRole,
    grants: Mapping[tuple[str, str, str | None], GivenAssignment],
    joined: Membership | None,
) -> GivenAssignment:
    """Who gave the role when: the role or the membership in the group, whichever came last."""
    key = fold_id(_owner(holder_id, role)), role.role, role.audience
    found = grants.get(key, GivenAssignment(None, None, None))
    if joined is None or joined.given_at is None:
        return found
    if found.given_at is not None and found.given_at >= joined.given_at:
        return found
    return GivenAssignment(joined.given_at, joined.given_by, found.expires_at)


COLUMNS = (
    *("kind", "id", "name", "audience", "scope", "through"),
    *("given_at", "given_by", "expires_at", "last_used", "requests", "verdict"),
)


def as_rows(reviewed: Iterable[ReviewedScope]) -> Iterator[dict[str, object]]:
    """The values of the columns, for each."""
    return ({**dict(each), **dict(each.principal)} for each in reviewed)
