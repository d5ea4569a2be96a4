"""The scope algebra of AgentOS (CONTRACT §4): pure functions over scope strings.

The rule is agno's own: `agents:run` and `agents:*:run` are one thing and cover
`agents:web:run`; actions must be equal; `agent_os:admin` covers everything at its audience.
The names of this issuer's own admin API, `issuer:…`, are a closed list that nothing of
AgentOS covers and that covers nothing of AgentOS.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from issuer.errors import IssuerError

AGENT_OS_ADMIN = "agent_os:admin"
ISSUER_ADMIN = "issuer:admin"
ISSUER_INTROSPECT = "issuer:introspect"
ISSUER_RESOURCES = ("audiences", "roles", "clients", "users", "keys", "audit")
ISSUER_SCOPES = frozenset(
    {ISSUER_ADMIN, ISSUER_INTROSPECT}
    | {f"issuer:{name}:{action}" for name in ISSUER_RESOURCES for action in ("read", "write")}
)

MAX_SCOPE = 255
# RFC 6749 §3.3 scope-token, in one to three non-empty parts. agno reads `agents::run` as
# `agents:run` and ignores four parts or more: neither may be granted.
_GRAMMAR = re.compile(r"(?:[!#-9;-\[\]-~]+)(?::[!#-9;-\[\]-~]+){0,2}")
_OLD_NAMES = {"system": "config"}


class InvalidScope(IssuerError):
    """Not a scope by the grammar; `scope` is what was given."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"{scope!r} is not a scope.")
        self.scope = scope


class ScopeNotCovered(IssuerError):
    """Asked for and not held; `scope` is the first one."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"The scope {scope} is not held.")
        self.scope = scope


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope: as written, in canonical form, and what would cover it.

    Two scopes of equal `canonical` form are the same right. `covered_by` lists the canonical
    forms of every scope that covers this one, itself included.
    """

    text: str
    canonical: str
    covered_by: frozenset[str]

    @property
    def is_of_issuer(self) -> bool:
        """Whether it speaks of this issuer's admin API rather than of an AgentOS."""
        return self.text in ISSUER_SCOPES


@lru_cache(maxsize=16384)
def parse(text: str) -> Scope:
    """The scope written as `text`; `InvalidScope` if the grammar or the closed list forbids it."""
    if len(text) > MAX_SCOPE or not _GRAMMAR.fullmatch(text):
        raise InvalidScope(text)
    if text == "issuer" or text.startswith("issuer:"):
        return _scope_of_issuer(text)
    parts = text.split(":")
    if text == AGENT_OS_ADMIN or len(parts) == 1:
        return Scope(text, text, frozenset({text, AGENT_OS_ADMIN}))
    resource, resource_id, action = parts[0], (parts[1:-1] or ["*"])[0], parts[-1]
    resource = _OLD_NAMES.get(resource, resource)
    canonical, anywhere = f"{resource}:{resource_id}:{action}", f"{resource}:*:{action}"
    return Scope(text, canonical, frozenset({canonical, anywhere, AGENT_OS_ADMIN}))


def _scope_of_issuer(text: str) -> Scope:
    if text not in ISSUER_SCOPES:
        raise InvalidScope(text)
    writing = text.removesuffix(":read") + ":write" if text.endswith(":read") else text
    return Scope(text, text, frozenset({text, writing, ISSUER_ADMIN}))


def covers(held: Iterable[str], asked: str) -> bool:
    """Whether the holder of `held` may do what `asked` names."""
    wanted = parse(asked).covered_by
    return any(parse(scope).canonical in wanted for scope in held)


def covers_any(held: Iterable[str], asked: Iterable[str]) -> bool:
    """Whether the holder of `held` may do anything of `asked`. Reads each of them once."""
    rights = {parse(scope).canonical for scope in held}
    return any(not rights.isdisjoint(parse(scope).covered_by) for scope in asked)


def narrow(held: Iterable[str], asked: Iterable[str]) -> frozenset[str]:
    """`asked`, as it was asked; `ScopeNotCovered` names the first scope `held` does not cover."""
    rights = {parse(scope).canonical for scope in held}
    narrowed = list(asked)
    for scope in narrowed:
        if rights.isdisjoint(parse(scope).covered_by):
            raise ScopeNotCovered(scope)
    return frozenset(narrowed)


def meet(ours: Iterable[str], theirs: Iterable[str]) -> frozenset[str]:
    """What both may do: of every two scopes where one covers the other, the narrower.

    Where two spell the same right, it is spelled as in `ours`.
    """
    ours, theirs = list(ours), list(theirs)
    our_rights = {parse(scope).canonical for scope in ours}
    their_rights = {parse(scope).canonical for scope in theirs}
    return frozenset(
        [scope for scope in ours if not their_rights.isdisjoint(parse(scope).covered_by)]
        + [
            scope
            for scope in theirs
            if parse(scope).canonical not in our_rights
            and not our_rights.isdisjoint(parse(scope).covered_by)
        ]
    )


def counting_at(scopes: Iterable[str], *, own_audience: bool) -> frozenset[str]:
    """Those of `scopes` that mean something there.

    At the issuer's own audience only `issuer:…` counts, and it counts nowhere else.
    """
    return frozenset(scope for scope in scopes if parse(scope).is_of_issuer == own_audience)
