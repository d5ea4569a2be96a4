"""The scope algebra of AgentOS: pure functions over scope strings.

The rules are those of agno: `agents:run` and `agents:*:run` are equal and cover `agents:web:run`;
actions must be equal; `agent_os:admin` covers everything at its audience. The scopes of this
issuer's admin API, `issuer:…`, are a closed list; no scope of AgentOS covers them, and they cover
none of AgentOS.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from issuer.errors import IssuerError

AGENT_OS_ADMIN = "agent_os:admin"
ISSUER_ADMIN = "issuer:admin"
ISSUER_INTROSPECT = "issuer:introspect"
ISSUER_STATUS = "issuer:status:read"
ISSUER_REGISTER = "issuer:clients:register"  # for an initial access token (RFC 7591 §3)
ISSUER_SCIM = "issuer:scim"  # for a provisioning client (RFC 7644)
ISSUER_USAGE = "issuer:usage:report"  # for the verifier of an AgentOS
ISSUER_RESOURCES = tuple(
    "audiences roles groups clients users keys audit trusted-issuers verifiers".split()  # noqa: SIM905
)
ISSUER_SCOPES = frozenset(
    {ISSUER_ADMIN, ISSUER_INTROSPECT, ISSUER_REGISTER, ISSUER_SCIM, ISSUER_STATUS, ISSUER_USAGE}
    | {f"issuer:{name}:{action}" for name in ISSUER_RESOURCES for action in ("read", "write")}
)

# OpenID Connect Core §5.4 and §11: in the `scope` of a token, and no right at any audience.
OPENID = "openid"
PROFILE = "profile"
EMAIL = "email"
OFFLINE_ACCESS = "offline_access"
OPENID_SCOPES = (OPENID, PROFILE, EMAIL, OFFLINE_ACCESS)

MAX_SCOPE = 255
# RFC 6749 §3.3 scope-token, in one to three non-empty parts. agno reads `agents::run` as
# `agents:run` and ignores four parts or more: neither may be granted.
_GRAMMAR = re.compile(r"(?:[!#-9;-\[\]-~]+)(?::[!#-9;-\[\]-~]+){0,2}")
OLD_NAMES = {"system": "config"}  # of resources, which agno still understands


class InvalidScope(IssuerError):
    """The text `scope` is no scope by the grammar."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"{scope!r} is not a scope.")
        self.scope = scope


class ScopeNotCovered(IssuerError):
    """A scope was requested that is not held; `scope` is the first one."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"The scope {scope} is not held.")
        self.scope = scope


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope: as written, in canonical form, and by which scopes it is covered.

    Two scopes of equal `canonical` form are the same right. `covered_by` lists the canonical
    forms of every scope that covers this one, itself included.
    """

    text: str
    canonical: str
    covered_by: frozenset[str]

    @property
    def is_of_issuer(self) -> bool:
        """Whether it is a scope of this issuer's admin API rather than of an AgentOS."""
        return self.text in ISSUER_SCOPES


@lru_cache(maxsize=16384)
def parse(text: str) -> Scope:
    """The scope written as `text`; `InvalidScope` if the grammar or the closed list forbids it."""
    if len(text) > MAX_SCOPE or not _GRAMMAR.fullmatch(text) or text in OPENID_SCOPES:
        raise InvalidScope(text)
    if text == "issuer" or text.startswith("issuer:"):
        if text not in ISSUER_SCOPES:
            raise InvalidScope(text)
        writing = text.removesuffix(":read") + ":write" if text.endswith(":read") else text
        return Scope(text, text, frozenset({text, writing, ISSUER_ADMIN}))
    parts = text.split(":")
    if text == AGENT_OS_ADMIN or len(parts) == 1:
        return Scope(text, text, frozenset({text, AGENT_OS_ADMIN}))
    resource, resource_id, action = parts[0], (parts[1:-1] or ["*"])[0], parts[-1]
    resource = OLD_NAMES.get(resource, resource)
    canonical, anywhere = f"{resource}:{resource_id}:{action}", f"{resource}:*:{action}"
    return Scope(text, canonical, frozenset({canonical, anywhere, AGENT_OS_ADMIN}))


def covers(held: Iterable[str], asked: str) -> bool:
    """Whether `held` covers the scope `asked`."""
    wanted = parse(asked).covered_by
    return any(parse(scope).canonical in wanted for scope in held)


def covered(held: Iterable[str], asked: Iterable[str]) -> frozenset[str]:
    """The scopes of `asked` that `held` covers. Reads each of them once."""
    rights = {parse(scope).canonical for scope in held}
    return frozenset(s for s in asked if not rights.isdisjoint(parse(s).covered_by))


def narrow(held: Iterable[str], asked: Iterable[str]) -> frozenset[str]:
    """`asked`, unchanged; `ScopeNotCovered` names the first scope that `held` does not cover."""
    rights = {parse(scope).canonical for scope in held}
    narrowed = list(asked)
    for scope in narrowed:
        if rights.isdisjoint(parse(scope).covered_by):
            raise ScopeNotCovered(scope)
    return frozenset(narrowed)


def meet(ours: Iterable[str], theirs: Iterable[str]) -> frozenset[str]:
    """What both cover: of two where one covers the other, the narrower; equal ones as in `ours`."""
    ours, theirs = list(ours), list(theirs)
    our_rights = {parse(scope).canonical for scope in ours}
    narrower = [each for each in covered(ours, theirs) if parse(each).canonical not in our_rights]
    return covered(theirs, ours).union(narrower)


def counting_at(scopes: Iterable[str], *, own_audience: bool) -> frozenset[str]:
    """The `scopes` that apply at an audience: `issuer:…` at the issuer's own, and nowhere else."""
    return frozenset([scope for scope in scopes if parse(scope).is_of_issuer == own_audience])


def live_scopes(
    scopes: Iterable[str], ends: Mapping[str, datetime], now: datetime
) -> tuple[list[str], dict[str, datetime]]:
    """The `scopes` that have not ended; and the ends of those that have one, in their order."""
    live = [scope for scope in scopes if scope not in ends or ends[scope] > now]
    return live, {scope: ends[scope] for scope in sorted(ends.keys() & live)}


def counts_here(held: Iterable[str]) -> bool:
    """Whether any of the scopes allows something in the admin API."""
    return not {ISSUER_REGISTER, ISSUER_SCIM, ISSUER_USAGE}.issuperset(held)
