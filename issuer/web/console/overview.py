"""`/console`: is everything well, what to look at, tokens issued and refused, latest changes."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice

from starlette.responses import Response

from issuer.audit import AuditEvent
from issuer.catalogue import NEWEST, lint
from issuer.catalogue.lint import Code, ScopeFinding
from issuer.clients import CLIENT
from issuer.keys.described import all_described
from issuer.keys.schedule import KeyState
from issuer.roles import ROLE
from issuer.status.attention import OK, PROBLEM, WARNING, Finding
from issuer.users import USER
from issuer.web.console import keys
from issuer.web.console.charts import HEIGHT, TokenChart, first_step, token_chart
from issuer.web.console.screens import recent_events
from issuer.web.console.screens.answers import PATH
from issuer.web.console.screens.screen import ConsoleScreen
from issuer.web.words import ago, segment

_CHANGES, _LOOKED_AT = 10, 200
_NO_CHANGES = ("session.", "sign_in.")
_HOUR, _HOURS = timedelta(hours=1), 24
_DAY, _DAYS = timedelta(days=1), 7
_SHOWN = 5  # of each kind
_EXPIRES_WITHIN = timedelta(days=14)
_UNUSED_FOR = timedelta(days=90)
_MOST_ROLES, _MOST_SCOPES = 100, 100
_MOST_CHANGES = 200
_LOCKED = "sign_in.locked"
_ODD = {Code.NOT_A_SCOPE, Code.PER_RESOURCE_MEANS_NOTHING, Code.COVERED_BY_ANOTHER}


def _of_client(client_id: str, text: str) -> Finding:
    return Finding(client_id, WARNING, text, path=f"/console/clients/{segment(client_id)}")


def _is_odd(finding: ScopeFinding) -> bool:
    is_typo = finding.code is Code.UNKNOWN_SCOPE and finding.suggestion is not None
    return is_typo or finding.code in _ODD


class OverviewScreen(ConsoleScreen):
    PATH = PATH
    LABEL = "Overview"

    def show(self) -> Response:
        """Charts and changes are for those who may read the audit log."""
        reads_audit = self.operator.holds(recent_events.READ)
        return self.answer(
            "overview",
            "Overview",
            commands=(self.commands.command(("doctor",)),),
            findings=list(self._findings()),
            concerns=list(self._concerns()),
            charts=self._charts() if reads_audit else (),
            changes=self._changes() if reads_audit else None,
            height=HEIGHT,
        )

    def _findings(self) -> Iterator[Finding]:
        yield self._readiness()
        if self.operator.holds(keys.READ):
            yield from self._keys()
        if self.operator.holds(recent_events.READ):
            yield self._audit()

    def _concerns(self) -> Iterator[Finding]:
        """At most a few of each kind."""
        if self.operator.holds(CLIENT.read):
            yield from self._secrets()
        if self.operator.holds(ROLE.read):
            yield from self._roles()
        if self.operator.holds(USER.read):
            yield from self._users()

    def _secrets(self) -> Iterator[Finding]:
        now = self.parts.clock()
        with self.operator.work(CLIENT.read) as work:
            expiring = work.clients.expiring_secrets(now + _EXPIRES_WITHIN, _SHOWN)
            unused = work.clients.unused_secrets(now - _UNUSED_FOR, _SHOWN)
        for client_id, secret in expiring:
            if secret.expires_at is not None:
                yield _of_client(client_id, f"A secret expires {ago(secret.expires_at, now)}.")
        for client_id, secret in unused:
            used, made = secret.last_used_at, ago(secret.created_at, now)
            text = f"was last used {ago(used, now)}" if used else "was never used"
            yield _of_client(client_id, f"A secret {text}, and was made {made}.")

    def _roles(self) -> Iterator[Finding]:
        with self.operator.work(ROLE.read) as work:
            roles = work.roles.page(None, _MOST_ROLES)
        shown, scopes = 0, 0
        for role in roles:
            scopes += len(role.scopes)
            if scopes > _MOST_SCOPES or shown == _SHOWN:
                return
            odd = next(filter(_is_odd, lint(role.scopes, [NEWEST])), None)
            if odd is not None:
                shown += 1
                path = f"/console/roles/{segment(role.name)}"
                yield Finding(role.name, WARNING, odd.message, path=path)

    def _users(self) -> Iterator[Finding]:
        """Users whose sign-in was locked lately, by the newest changes."""
        with self.operator.work(USER.read) as work:
            changes = work.audit_log.changes(_MOST_CHANGES)
        locked = dict.fromkeys(each.target for each in changes if each.action == _LOCKED)
        for user_id in list(filter(None, locked))[:_SHOWN]:
            until = self.parts.sign_in.guard.state_of(user_id).locked_until
            user = self.parts.directory.load_user(user_id)
            if until is not None and user is not None:
                ends = ago(until, self.parts.clock())
                text = f"Sign-in is locked after wrong passwords; the lock ends {ends}."
                path = f"/console/users/{segment(user_id)}"
                yield Finding(user.username, WARNING, text, path=path)

    def _readiness(self) -> Finding:
        """As `/readyz` answers."""
        if self.parts.readiness.cause() is None:
            return Finding("Tokens", OK, "This server can issue tokens.")
        text = "This server cannot issue tokens now. Its log says why."
        return Finding("Tokens", PROBLEM, text)

    def _keys(self) -> Iterator[Finding]:
        described = all_described(self.parts.administration.keyring.keys, self.parts.clock())
        for alg in self.parts.settings.signing_algorithms:
            states = {key.state: key for key in described if key.alg == alg}
            active = states.get(KeyState.ACTIVE)
            is_well = active is not None and KeyState.ANNOUNCED in states
            text = f"The active key {active.summary}." if active else "There is no active key."
            verdict = OK if is_well else PROBLEM
            yield Finding(f"{alg} keys", verdict, text, path="/console/keys")

    def _audit(self) -> Finding:
        coverage = self.parts.audit.checkpoints.coverage()
        text = f"{coverage.uncovered:,} events are newer than the last checkpoint."
        if coverage.uncovered == 1:
            text = "1 event is newer than the last checkpoint."
        verdict = OK
        if not coverage.is_intact:
            verdict = PROBLEM
            text = "Events are missing that a checkpoint covers. Run issuer audit verify."
        return Finding("Audit log", verdict, text, path="/console/audit")

    def _charts(self) -> tuple[TokenChart, ...]:
        now = self.parts.clock()
        counts = self.parts.audit.token_counts.since(first_step(now, _DAY, _DAYS))
        return (
            token_chart("Last 24 hours", counts, now, _HOUR, _HOURS),
            token_chart("Last 7 days", counts, now, _DAY, _DAYS),
        )

    def _changes(self) -> tuple[AuditEvent, ...]:
        with self.operator.work(recent_events.READ) as work:
            events = work.audit_log.changes(_LOOKED_AT)
        changes = (each for each in events if not each.action.startswith(_NO_CHANGES))
        return tuple(islice(changes, _CHANGES))
