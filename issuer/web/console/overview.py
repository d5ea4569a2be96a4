"""`/console`: what needs attention, the first steps, how much there is, tokens, latest changes."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

from starlette.responses import Response

from issuer.audiences import AUDIENCE
from issuer.audit import AuditEvent
from issuer.clients.client import CLIENT
from issuer.groups import GROUP
from issuer.keys.described import all_described
from issuer.manifest.entries import NAMED_BY
from issuer.operations.commands import DOCTOR
from issuer.resources import ResourceType
from issuer.roles import ROLE, Role
from issuer.scopes import parse
from issuer.status.agent_os import AgentOSState, agent_os_states, of_agent_os
from issuer.status.concerns import ending_soon, odd_scope, unused_secrets
from issuer.status.report import OK, PROBLEM, WARNING, Finding, audit_status, of_audit, of_keys
from issuer.users import USER
from issuer.values import lazy_property
from issuer.web.console import keys
from issuer.web.console.charts import HEIGHT, TokenChart, first_step, token_chart
from issuer.web.console.rights.scope_picker import gone_of
from issuer.web.console.screens.answers import PATH
from issuer.web.console.screens.events import READ, EventInWords, in_words
from issuer.web.console.screens.operator import readable
from issuer.web.console.screens.screen import ConsoleScreen
from issuer.web.console.screens.views import MOST_COUNTED, count_text
from issuer.web.words import ago, page_of

_CHANGES, _LOOKED_AT = 10, 200
_NO_CHANGES = ("session.", "sign_in.")
# By the name of a chart: what it covers, its step, and how many, so that a finger can hit a bar.
_CHARTS = {
    "24h": ("Last 24 hours", timedelta(hours=2), 12),
    "7d": ("Last 7 days", timedelta(days=1), 7),
}
_SHOWN = 5  # of each kind
_CARDS = 12
_MOST_ROLES, _MOST_SCOPES = 100, 100
_LOCKED = "sign_in.locked"
_COUNTED: tuple[ResourceType[Any, Any], ...] = (AUDIENCE, CLIENT, USER, GROUP, ROLE)


def _concern(kind: ResourceType[Any, Any], key: str, text: str, name: str = "") -> Finding:
    return Finding(name or key, WARNING, text, path=page_of(kind, key))


class OverviewScreen(ConsoleScreen):
    """`?tokens=` names the time that the chart covers.

    Chart and changes are for those who may read the audit log.
    """

    PATH = PATH
    LABEL = "Overview"
    PARAMETERS = ("tokens",)

    @lazy_property
    def roles(self) -> list[Role]:
        """The first ones."""
        with self.operator.work(ROLE.read) as work:
            return work.roles.page(None, _MOST_ROLES)

    @lazy_property
    def events(self) -> list[AuditEvent]:
        """The newest ones of changes: also for those who may only read users."""
        operator = self.operator
        with operator.administration.reading(operator.actor, operator.held) as work:
            return work.audit_log.changes(_LOOKED_AT)

    @lazy_property
    def agent_os(self) -> list[AgentOSState]:
        """The first ones; what is exposed first."""
        if not self.operator.holds(AUDIENCE.read):
            return []
        with self.operator.work(AUDIENCE.read) as work:
            return sorted(agent_os_states(work), key=lambda each: not each.exposed)

    def show(self) -> Response:
        reads_audit = self.operator.holds(READ)
        findings = [*self._of_agent_os(), *self._findings(), *self._concerns()]
        return self.answer(
            "overview",
            "Overview",
            commands=(DOCTOR,),
            needing=[each for each in findings if each.verdict != OK],
            well=[each for each in findings if each.verdict == OK],
            agent_os=self.agent_os[:_CARDS],
            more_agent_os=len(self.agent_os) > _CARDS,
            steps=self._first_steps(),
            counts=[*self._counts()],
            chart=self._chart() if reads_audit else None,
            charts={name: chart[0] for name, chart in _CHARTS.items()},
            changes=self._changes() if reads_audit else None,
            height=HEIGHT,
        )

    def _of_agent_os(self) -> Iterator[Finding]:
        for state in self.agent_os:
            path = page_of(AUDIENCE, state.audience.id, "#inspection")
            for each in of_agent_os(state, self.parts.settings, self.parts.clock()):
                yield each._replace(remedy="", path=path)

    def _findings(self) -> Iterator[Finding]:
        yield self._readiness()
        if self.operator.holds(keys.READ):
            yield from self._keys()
        if self.operator.holds(READ):
            audit = audit_status(self.parts.checkpoints)
            for each in of_audit(audit, self.parts.settings, self.parts.clock()):
                yield each._replace(path="/console/audit")

    def _concerns(self) -> Iterator[Finding]:
        """At most a few of each kind."""
        yield from self._ending()
        if self.operator.holds(CLIENT.read):
            yield from self._deliveries()
            yield from self._unused_secrets()
        if self.operator.holds(ROLE.read):
            yield from self._roles()
            yield from self._past_keys()
        if self.operator.holds(USER.read):
            yield from self._users()

    def _deliveries(self) -> Iterator[Finding]:
        with self.operator.work(CLIENT.read) as work:
            failing = work.deliveries.failing(_SHOWN)
        for recipient, state in failing:
            yield _concern(CLIENT, recipient.id, state.problem)

    def _unused_secrets(self) -> Iterator[Finding]:
        now = self.parts.clock()
        with self.operator.work(CLIENT.read) as work:
            unused = unused_secrets(work.clients, now, _SHOWN)
        for client_id, secret in unused:
            used, made = secret.last_used_at, ago(secret.created_at, now)
            text = f"was last used {ago(used, now)}" if used else "was never used"
            yield _concern(CLIENT, client_id, f"A secret {text}, and was made {made}.")

    def _ending(self) -> Iterator[Finding]:
        """Roles of those whom the operator may read; scopes and secrets of clients."""
        now, kinds = self.parts.clock(), readable(self.operator, GROUP)
        if not kinds:
            return
        of_kind = {each.kind: each for each in kinds}
        with self.operator.work(kinds[0].read) as work:
            ending = ending_soon(work.assignments, work.clients, of_kind, now, _SHOWN)
            for each in ending.roles:
                kind, key = of_kind[each.kind], each.principal_id
                named = getattr(work.collection(kind).get(key), NAMED_BY.get(kind.kind, kind.key))
                text = f"The role {each.role} {each.where} ends {ago(each.end, now)}."
                yield _concern(kind, key, text, named)
        for client_id, scope, end in ending.scopes:
            yield _concern(CLIENT, client_id, f"Its scope {scope} ends {ago(end, now)}.")
        for client_id, _, end in ending.secrets:
            yield _concern(CLIENT, client_id, f"A secret expires {ago(end, now)}.")

    def _roles(self) -> Iterator[Finding]:
        shown, scopes = 0, 0
        for role in self.roles:
            scopes += len(role.scopes)
            if scopes > _MOST_SCOPES or shown == _SHOWN:
                return
            if (odd := odd_scope(role)) is not None:
                shown += 1
                yield _concern(ROLE, role.name, odd.message)

    def _past_keys(self) -> Iterator[Finding]:
        """Roles that name agents, teams or workflows that are no longer there."""
        with self.operator.work(ROLE.read) as work:
            gone = gone_of(self.operator, work, self.roles)
        for name, scopes in islice(gone.items(), _SHOWN):
            text = f"The last inspection did not find what {', '.join(scopes[:_SHOWN])} is for."
            yield _concern(ROLE, name, text)

    def _users(self) -> Iterator[Finding]:
        """Users whose sign-in was locked lately, by the newest changes."""
        locked = dict.fromkeys(each.target for each in self.events if each.action == _LOCKED)
        for user_id in list(filter(None, locked))[:_SHOWN]:
            until = self.parts.guard.state_of(user_id).locked_until
            user = self.parts.directory.load_user(user_id)
            if until is not None and user is not None:
                ends = ago(until, self.parts.clock())
                text = f"Sign-in is locked after wrong passwords; the lock ends {ends}."
                yield _concern(USER, user_id, text, user.username)

    def _readiness(self) -> Finding:
        """Whether this server can issue tokens, as `/readyz` answers."""
        if self.parts.readiness.cause() is None:
            return Finding("Tokens", OK, "This server can issue tokens.")
        text = "This server cannot issue tokens now. Its log says why."
        return Finding("Tokens", PROBLEM, text)

    def _keys(self) -> Iterator[Finding]:
        described = all_described(self.parts.administration.keyring.keys, self.parts.clock())
        for each in of_keys(described, self.parts.settings.signing_algorithms):
            yield each._replace(path="/console/keys")

    def _first_steps(self) -> list[tuple[str, str, bool]]:
        """What a new issuer needs, the path where it is done, and whether it is.

        Nothing once all is done, or for who may not do all of it.
        """
        needed = (AUDIENCE.write, ROLE.write, CLIENT.write, USER.write, keys.READ_VERIFIERS)
        if not all(map(self.operator.holds, needed)):
            return []
        own = self.parts.settings.url
        with self.operator.work(AUDIENCE.read) as work:
            audiences = [each for each in work.audiences.page(None, 2) if each.id != own]
            scopes = (scope for role in self.roles for scope in role.scopes)
            gives_rights = any(not parse(scope).is_of_issuer for scope in scopes)
            has_others = max(work.clients.count(2), work.users.count(2)) > 1
            follows = bool(work.verifiers.all())
        steps = [
            ("Add your AgentOS as an audience", "/console/audiences?new=yes", bool(audiences)),
            ("Make a role that says what may be run", "/console/roles?new=yes", gives_rights),
            ("Add a service", "/console/clients?new=service", has_others),
            ("Connect the AgentOS with the verifier", "/console/keys/verifiers", follows),
        ]
        return [] if all(is_done for *_, is_done in steps) else steps

    def _counts(self) -> Iterator[tuple[str, str, str]]:
        """How many resources of each kind there are, in words, their kind and the list of them."""
        for kind in _COUNTED:
            if self.operator.holds(kind.read):
                with self.operator.work(kind.read) as work:
                    number = work.collection(kind).count(MOST_COUNTED)
                name = kind.kind if number == 1 else kind.plural
                yield count_text(number), name, f"/console/{kind.plural}"

    def _chart(self) -> TokenChart:
        now = self.parts.clock()
        name, step, steps = _CHARTS.get(self.visit.query.get("tokens", ""), _CHARTS["24h"])
        counts = self.parts.token_counts.since(first_step(now, step, steps))
        return token_chart(name, counts, now, step, steps)

    def _changes(self) -> list[EventInWords]:
        with self.operator.work(READ) as work:
            changes = (each for each in self.events if not each.action.startswith(_NO_CHANGES))
            return in_words(self.operator, work, islice(changes, _CHANGES))
