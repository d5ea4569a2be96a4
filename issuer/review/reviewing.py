"""Reviewing: what nobody uses, and what was refused."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, groupby
from typing import Any, Self, TypeAlias

from pydantic import BaseModel

from issuer.clients.client import CLIENT
from issuer.resources import ResourceType
from issuer.review.evidence import (
    UNUSED_FOR,
    FindingKind,
    Principal,
    ReportCoverage,
    Reviewable,
    ReviewedPrincipal,
    ReviewedScope,
    ReviewFinding,
    Rows,
    UsageEvidence,
)
from issuer.review.exchanges import smallest
from issuer.review.store import ClientOfReview
from issuer.scopes import counting_at, covers
from issuer.users import USER

MOST_FINDINGS = 1_000  # of each kind
MOST_REFUSALS = 10  # of a client or user
MOST_PRINCIPALS = 10_000  # of each kind, in a review; in a part of the access review
_NAMED = 5  # scopes in a sentence
_OF_ROW = ("principal", "audience", "scope", "through", "last_used", "days", "requests")


Findings: TypeAlias = Iterator[ReviewFinding]


@dataclass(frozen=True, slots=True)
class AccessReviewPlace:
    """A place in the access review: after so many rows of the client or user with this id."""

    kind: str
    id: str
    rows: int


@dataclass(frozen=True, slots=True)
class AccessReviewPart:
    """Rows of the access review, and where the next part begins; None after the last one.

    `coverage` of the audiences in the rows.
    """

    rows: list[ReviewedScope]
    next: AccessReviewPlace | None
    coverage: list[ReportCoverage]


@dataclass(frozen=True, slots=True)
class HolderAtAudience:
    """What a client or user holds at one AgentOS, when it used any of that, and what is enough.

    So many requests were allowed there. What is not judged yet is enough as it is.
    """

    principal: Principal
    audience: str
    holds: list[str]
    enough: list[str]
    last_used: datetime | None
    requests: int
    is_judged: bool

    @classmethod
    def of(cls, rows: Sequence[ReviewedScope], requests: int, *, is_known: bool) -> Self:
        """What the rows of one holder at one audience say; `is_known`: also what is not used."""
        scopes = {row.scope for row in rows}
        needed = {each for row in rows for each in _needed(row)}
        return cls(
            principal=rows[0].principal,
            audience=rows[0].audience,
            holds=sorted(smallest(scopes, scopes)),
            enough=sorted(smallest(scopes, needed)),
            last_used=max(filter(None, (row.last_used for row in rows)), default=None),
            requests=requests,
            is_judged=is_known and all(row.verdict != "unknown" for row in rows),
        )

    @property
    def verdict(self) -> str:
        """`unused`, `too much`, `enough`, or `unknown`."""
        if {*self.enough} != {*self.holds}:
            return "too much" if self.enough else "unused"
        return "enough" if self.is_judged else "unknown"


class Review(BaseModel, frozen=True):
    """The findings by kind, and for which audiences the reports are complete.

    `is_complete`: all clients and users were looked at, and every finding is listed, but for
    refusals of one of them beyond the ten most frequent.
    """

    since: datetime
    coverage: list[ReportCoverage]
    findings: list[ReviewFinding]
    is_complete: bool


def access_review(
    work: Reviewable, now: datetime, unused_for: timedelta = UNUSED_FOR
) -> Iterator[ReviewedScope]:
    """Who holds what at which AgentOS, through what, since when, and when it was last used.

    All clients and users that administrators made. `Forbidden` without the right to read them.
    """
    for _, rows in _holdings(UsageEvidence(work, now, unused_for)):
        yield from rows


def access_review_part(
    work: Reviewable, now: datetime, after: AccessReviewPlace | None, most: int
) -> AccessReviewPart:
    """The rows of `access_review` that follow `after`: at most so many.

    The rows of one client or user are in one part, unless they are more than that. A part that
    looked at `MOST_PRINCIPALS` of them may have few rows, or none.
    """
    evidence, found = UsageEvidence(work, now, UNUSED_FOR), list[ReviewedScope]()
    begin, following = {(after.kind, after.id): after.rows} if after else {}, None
    # The one that `after` names was looked at before, and is number 0.
    for number, (holder, rows) in enumerate(_holdings(evidence, after), start=0 if after else 1):
        kind, name = holder.principal.kind, holder.principal.id
        shown = begin.get((kind, name), 0)
        left, free = rows[shown:], most - len(found)
        if found and len(left) > free:
            free = 0
        found += left[:free]
        if len(left) > free or number == MOST_PRINCIPALS:
            following = AccessReviewPlace(kind, name, shown + min(free, len(left)))
            break
    audiences = dict.fromkeys(each.audience for each in found)
    return AccessReviewPart(found, following, [evidence.coverage[each] for each in audiences])


def _holdings(
    evidence: UsageEvidence, after: AccessReviewPlace | None = None
) -> Iterator[tuple[ReviewedPrincipal, Rows]]:
    """What each client, then each user, holds; beginning with the one that `after` names."""
    first = {after.kind: after.id} if after else {}
    kinds: list[ResourceType[Any, Any]] = [USER] if USER.kind in first else [CLIENT, USER]
    for kind in kinds:
        name, collection = first.get(kind.kind), evidence.work.collection(kind)
        if name is not None and collection.exists(name):
            yield from evidence.rows([evidence.holder(collection.get(name))])
        for batch in evidence.every(kind, name):
            yield from evidence.rows(batch)


def review(work: Reviewable, now: datetime, unused_for: timedelta = UNUSED_FOR) -> Review:
    """What is not used, what is used rarely, and what was refused, within `unused_for`.

    Nothing is said about audiences of which the reports are not complete. `Forbidden` without
    the right to read audiences, roles, clients and users.
    """
    return review_of_holders(work, now, unused_for)[0]


def review_of_holders(
    work: Reviewable, now: datetime, unused_for: timedelta = UNUSED_FOR, most: int = 0
) -> tuple[Review, list[HolderAtAudience]]:
    """The review, and what each holds at each AgentOS.

    While no report tells what is not used, only of those who used something. It looks at the first
    `most` clients and as many users, `MOST_PRINCIPALS` by default.
    """
    holders: list[HolderAtAudience] = []
    evidence = UsageEvidence(work, now, unused_for)
    found: dict[FindingKind, list[ReviewFinding]] = {kind: [] for kind in FindingKind}
    is_complete = True
    for finding in _findings(evidence, holders, most or MOST_PRINCIPALS):
        of_kind = found[finding.kind]
        if len(of_kind) < MOST_FINDINGS:
            of_kind.append(finding)
        else:
            is_complete = False
    reviewed = Review(
        since=evidence.since,
        coverage=list(evidence.coverage.values()),
        findings=[*chain.from_iterable(found.values())],
        is_complete=is_complete and evidence.has_read_all,
    )
    return reviewed, holders


def _findings(evidence: UsageEvidence, holders: list[HolderAtAudience], most: int) -> Findings:
    """All of them; what each client and user holds is added to `holders`."""
    verdicts: dict[str, set[str]] = {}
    for kind, absences in ((CLIENT, _unused_clients), (USER, _not_signed_in)):
        for batch in evidence.first(kind, most):
            reported = batch if evidence.judges else [each for each in batch if each.used]
            for holder, rows in evidence.rows(reported):
                holders += _at_audiences(evidence, holder, rows)
                for row in rows:
                    if row.role is not None:
                        verdicts.setdefault(row.role, set()).add(row.verdict)
                yield from _of_rows(rows)
                yield from _refusals(evidence, holder, rows)
            yield from absences(evidence, batch)
    yield from _of_roles(evidence, verdicts)
    yield from _unused_secrets(evidence)


def _at_audiences(
    evidence: UsageEvidence, holder: ReviewedPrincipal, rows: Rows
) -> Iterator[HolderAtAudience]:
    for audience, there in groupby(rows, lambda row: row.audience):
        requests = sum(use.allowed for use in holder.uses_at(audience))
        is_known = evidence.coverage[audience].is_known
        yield HolderAtAudience.of([*there], requests, is_known=is_known)


def _of_rows(rows: Iterable[ReviewedScope]) -> Findings:
    for row in rows:
        if row.verdict == "unused":
            kind, use = FindingKind.UNUSED, "never used it, as far as reports go back"
        elif row.verdict == "rarely used":
            kind = FindingKind.RARELY_USED
            use = f"last used it on {row.last_used:%Y-%m-%d}, on {row.days} days in all"
        elif row.verdict == "used" and row.enough:
            kind, use = FindingKind.PARTLY_USED, f"used only {_some(row.enough)} of it"
        else:
            continue
        held = f"{row.principal} holds {row.scope} at {row.audience} through {row.through}"
        same = {name: getattr(row, name) for name in _OF_ROW}
        yield ReviewFinding(kind=kind, sentence=f"{held}, and {use}.", **same)


def _needed(row: ReviewedScope) -> Collection[str]:
    """What of the scope is enough, as far as that is known."""
    return () if row.verdict == "unused" else row.enough or [row.scope]


def _some(scopes: Collection[str]) -> str:
    more = len(scopes) - _NAMED
    return ", ".join(sorted(scopes)[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _refusals(evidence: UsageEvidence, holder: ReviewedPrincipal, rows: Rows) -> Findings:
    """The most frequent ones: callers can invent ids, and must not hide refusals of others."""
    found = sorted(_lacking(evidence, holder, rows), key=lambda each: -each.requests)
    yield from found[:MOST_REFUSALS]


def _lacking(evidence: UsageEvidence, holder: ReviewedPrincipal, rows: Rows) -> Findings:
    for used in holder.used:
        if not used.refused or used.last_refused is None or used.last_refused < evidence.since:
            continue
        held = [row.scope for row in rows if row.audience == used.audience]
        # Of a client, refusals may be those of users through it.
        if covers(held, used.scope):
            continue
        yield ReviewFinding(
            kind=FindingKind.REFUSED,
            sentence=f"{holder.principal} was refused {used.refused} times at {used.audience} for"
            f" lack of {used.scope}, last on {used.last_refused:%Y-%m-%d}.",
            principal=holder.principal,
            audience=used.audience,
            scope=used.scope,
            last_used=used.last_refused,
            requests=used.refused,
        )


def _of_roles(evidence: UsageEvidence, verdicts: Mapping[str, set[str]]) -> Findings:
    known = evidence.roles.items()
    roles = [name for name, role in known if counting_at(role.scopes, own_audience=False)]
    held = evidence.work.assignments.with_holders(roles)
    for name in roles:
        if name not in held:
            kind, why = FindingKind.ROLE_WITHOUT_HOLDERS, "nobody holds it"
        elif verdicts.get(name) == {"unused"}:
            kind, why = FindingKind.UNUSED_ROLE, "none of its holders has used it"
        else:
            continue
        yield ReviewFinding(kind=kind, sentence=f"role {name}: {why}.", through=f"the role {name}")


def _unused_clients(evidence: UsageEvidence, batch: Iterable[ReviewedPrincipal]) -> Findings:
    """Clients whose secrets nobody used, and that no verifier has seen."""
    clients = {each.principal.id: each for each in batch if _tells_by_secrets(evidence, each)}
    last_uses = evidence.work.clients.last_uses(list(clients))
    for client_id, holder in clients.items():
        days = [each.last_allowed for each in holder.used if each.last_allowed]
        last = max((*days, *filter(None, [last_uses.get(client_id)])), default=None)
        if last is not None and last >= evidence.since:
            continue
        when = f"was last used on {last:%Y-%m-%d}" if last else "was never used"
        sentence = f"{holder.principal} {when}."
        yield _about(holder.principal, FindingKind.UNUSED_CLIENT, sentence, last)


def _tells_by_secrets(evidence: UsageEvidence, holder: ReviewedPrincipal) -> bool:
    """Whether the use of its secrets tells whether it is used."""
    client = holder.resource
    assert isinstance(client, ClientOfReview)
    has_secrets = client.token_endpoint_auth_method.has_secret
    return has_secrets and not client.disabled and client.created_at < evidence.since


def _unused_secrets(evidence: UsageEvidence) -> Findings:
    clients = evidence.work.clients
    for client_id, secret in clients.unused_secrets(evidence.since, MOST_FINDINGS + 1):
        principal = Principal(kind=CLIENT.kind, id=client_id, name="")
        last = secret.last_used_at
        use = f"was last used on {last:%Y-%m-%d}" if last else "was never used"
        sentence = f"The secret {secret.label or secret.id} of {principal} {use}."
        yield _about(principal, FindingKind.UNUSED_SECRET, sentence, last)


def _not_signed_in(evidence: UsageEvidence, batch: Sequence[ReviewedPrincipal]) -> Findings:
    last = evidence.work.reviewed.last_sign_ins([each.principal.id for each in batch])
    for holder in batch:
        at, user = last.get(holder.principal.id), holder.resource
        if user.disabled or user.created_at >= evidence.since:
            continue
        if at is not None and at >= evidence.since:
            continue
        kind = FindingKind.NOT_SIGNED_IN if at else FindingKind.NEVER_SIGNED_IN
        when = f"last signed in on {at:%Y-%m-%d}" if at else "has not signed in for 90 days"
        yield _about(holder.principal, kind, f"{holder.principal} {when}.", at)


def _about(
    principal: Principal, kind: FindingKind, sentence: str, last: datetime | None
) -> ReviewFinding:
    return ReviewFinding(kind=kind, sentence=sentence, principal=principal, last_used=last)
