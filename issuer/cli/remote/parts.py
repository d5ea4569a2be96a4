"""What a unit of work has beside resources and declared operations, over the admin API."""

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

from pydantic import TypeAdapter

from issuer.audit import AuditEvent, EventFilter
from issuer.cli.remote.transaction import ServerTransaction, parsed
from issuer.cli.running.token_cache import unverified
from issuer.errors import Forbidden, NotFound
from issuer.inspection.components import Components
from issuer.roles import Assignment, HeldRole
from issuer.roles.operations import assign_command
from issuer.verifiers.known_verifiers import DescribedVerifier, LeftOutVerifiers
from issuer.vocabulary import SigningAlgorithm

_COMPONENTS = TypeAdapter(Components)


class _PartOfWork:
    def __init__(self, work: ServerTransaction) -> None:
        self._work = work


class ServerAssignments(_PartOfWork):
    """The roles of clients, users and groups; each was read before, so that its kind is known."""

    def roles_of(self, principal_id: str) -> list[HeldRole]:
        path = self._work.kinds[principal_id].plural, principal_id, "roles"
        return [parsed(HeldRole, each) for each in self._work.api.items(path)]

    of = roles_of

    def assign(self, principal_id: str, assignment: Assignment, reason: str = "") -> None:
        owner = self._work.kinds[principal_id]
        request = assign_command(owner, principal_id, assignment, reason)
        body = {**(request.body or {}), **self._work.kept} or None
        self._work.change(request.method, *request.path, body=body, **request.query)


class ServerTokenRevocations(_PartOfWork):
    """Revoking single tokens."""

    def revoke(self, token: str) -> SimpleNamespace:
        """Returns the `jti` of the token, which the server has verified."""
        self._work.change("POST", "tokens", "revoke", body={"token": token})
        return SimpleNamespace(jti=unverified(token)["claims"]["jti"])

    def revoke_unverified(self, jti: str) -> None:
        self._work.change("POST", "tokens", "revoke", body={"jti": jti})


class ServerVerifiers(_PartOfWork):
    """Verifiers of the last day, and the keys that they need to know."""

    def all(self) -> list[DescribedVerifier]:
        return [parsed(DescribedVerifier, each) for each in self._work.api.items(("verifiers",))]

    def rotate_keys(self, alg: SigningAlgorithm | None, *, force: bool = False) -> None:
        self._work.change("POST", "keys", "rotate", alg=alg, force=str(force).lower())

    def left_out(self) -> LeftOutVerifiers | None:
        left_out = self._work.api.send("GET", ("verifiers",)).json()["left_out"]
        return left_out and parsed(LeftOutVerifiers, left_out)


class ServerAuditLog(_PartOfWork):
    """Audit events, newest first."""

    def __init__(self, work: ServerTransaction) -> None:
        super().__init__(work)
        self._cursors: dict[str | None, str | None] = {None: None}

    def page(self, wanted: EventFilter, before: str | None, limit: int) -> list[AuditEvent]:
        """At most `limit` events before that one, which was the last of the page before."""
        cursor = self._cursors[before]
        if before is not None and cursor is None:
            return []
        params = {**wanted.model_dump(mode="json"), "limit": limit, "cursor": cursor}
        found, next_cursor = self._work.api.page(("audit-events",), params)
        events = [parsed(AuditEvent, each) for each in found]
        if events:
            self._cursors[str(events[-1].id)] = next_cursor
        return events

    def names(self, ids: Collection[str], kinds: Collection[str]) -> dict[str, str]:
        """The names of the users and groups with these ids that the caller may read."""
        work: Any = self._work
        users, groups = work.users.named(ids), work.groups.named(ids)
        names = {user.id: user.username for user in users}
        return names | {it.id: f"{it.name} ({it.id})" for it in groups if it.id != it.name}


class ServerInspections(_PartOfWork):
    """What AgentOS consist of."""

    def components_of(self, audience_id: str) -> Components | None:
        try:
            report = self._work.read("audiences", audience_id, "inspection")
        except (NotFound, Forbidden):
            return None
        shown = {**report["components"], **report, "audience_id": audience_id}
        return _COMPONENTS.validate_python(shown)
