"""Whose token the present request has, for calls on behalf of that user (RFC 8693).

asyncio copies a context variable into tasks, and `asyncio.to_thread` into threads. So the agents,
teams, workflows and tools that a request runs find its token, also after the request.
"""

import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from issuer.agentos.dpop import RequestProof
from issuer.agentos.errors import InvalidConfiguration, InvalidProof, NoSubjectToken
from issuer.agentos.usage import Decisions

_SCOPE_KEY = "agentos_issuer.request"


@dataclass(frozen=True, slots=True)
class AcceptedToken:
    """A token that was accepted, and its claims."""

    token: str = field(repr=False)
    claims: Mapping[str, Any]


@dataclass(slots=True)
class Newest:
    """The token that was accepted last on a socket, whichever task it was in.

    From `authenticating` on `earlier` is the one before it. It counts until another is accepted,
    and again if AgentOS refuses that one after all: `refused`, else `authenticated`.
    """

    accepted: str | None = field(default=None, repr=False)
    earlier: str | None = field(default=None, repr=False)

    @property
    def token(self) -> str | None:
        """None if nobody has authenticated, or somebody by something that is no such token."""
        return self.earlier if self.accepted is None else self.accepted

    def authenticating(self) -> None:
        self.earlier, self.accepted = self.token, None

    def authenticated(self) -> None:
        self.earlier = None

    def refused(self) -> None:
        self.accepted = None


@dataclass(slots=True)
class Request:
    """A request, or a WebSocket until somebody else authenticates on it.

    `proof` is the proof of possession that came with it, `refusal` what was wrong with that or with
    the token, and `is_of_dpop` whether the token came under the scheme DPoP. `newest` is of the
    whole socket.
    """

    path: str
    caller: AcceptedToken | None = None
    decisions: Decisions | None = None
    is_of_dpop: bool = False
    proof: RequestProof | None = None
    is_proof_used: bool = False
    refusal: InvalidProof | None = None
    newest: Newest = field(default_factory=Newest)


_request: ContextVar[Request | None] = ContextVar("agentos_issuer_request", default=None)


@contextmanager
def in_request(
    scope: MutableMapping[str, Any], decisions: Decisions | None = None
) -> Iterator[None]:
    """What runs within has this request, even where the context is that of another request."""
    scope[_SCOPE_KEY] = request = Request(scope["path"], decisions=decisions)
    before = _request.set(request)
    try:
        yield
    finally:
        _request.reset(before)
        if decisions is not None:
            decisions.decide(allowed=False)


def present_request() -> Request | None:
    """What `in_request` runs, for the request itself; not for what an MCP session does in it."""
    return _request.get()


def request_of(scope: Mapping[str, Any]) -> Request | None:
    """What `in_request` has run for this ASGI scope."""
    request: Request | None = scope.get(_SCOPE_KEY)
    return request


def newest_of(scope: Mapping[str, Any]) -> Newest:
    """The token that was accepted last in this ASGI scope."""
    request = request_of(scope)
    return request.newest if request else Newest()


def accept(token: str, claims: Mapping[str, Any]) -> None:
    """The present request has this token. What runs with an earlier one of the socket keeps it."""
    request = _request.get()
    if request is None:
        return
    request.newest.accepted = token
    if request.caller is None:
        request.caller = AcceptedToken(token, claims)
    elif request.caller.token != token:
        _request.set(replace(request, caller=AcceptedToken(token, claims)))


def forget() -> None:
    """Somebody authenticates again on this socket. What runs already keeps the user it has."""
    request = _request.get()
    if request is not None:
        request.newest.authenticating()
        _request.set(replace(request, caller=None))


def current_decisions() -> tuple[Decisions, Mapping[str, Any]] | None:
    """What counts decisions about the present request, and the claims of its token."""
    request = _present()
    if request is None or request.decisions is None or request.caller is None:
        return None
    return request.decisions, request.caller.claims


def subject_token(issuer: str, now: float) -> str:
    """The token of the user whose request this is; `NoSubjectToken` if none is of `issuer`."""
    request = _present()
    if request is None or request.caller is None:
        raise NoSubjectToken(
            "No user's request is at hand: this runs at the start, on a schedule, from a queue or"
            " in a thread of its own."
        )
    claims = request.caller.claims
    if claims.get("iss") != issuer:
        raise NoSubjectToken(f"The caller's token is not one of {issuer}: it cannot be exchanged.")
    if claims["sub"] == claims.get("client_id"):
        raise NoSubjectToken(
            f"The caller is the client {claims['sub']!r} itself: there is no user to act for."
        )
    if now >= claims["exp"]:
        raise NoSubjectToken(
            "The access token of the user has expired while this was running: work that goes on in"
            " the background can act for a user only until then."
        )
    return request.caller.token


def _present() -> Request | None:
    request = _request.get()
    # Version 1 of the MCP SDK runs all requests of a session in the context of the first one.
    server = sys.modules.get("mcp.server.lowlevel.server")
    running: ContextVar[Any] | None = getattr(server, "request_ctx", None)
    if request is None or running is None:
        return request
    with suppress(LookupError, AttributeError, KeyError):
        of_mcp: Request = running.get().request.scope[_SCOPE_KEY]
        return of_mcp if of_mcp.path == request.path else request
    return request


def require_separate_contexts(flags: Any = sys.flags) -> None:
    """`InvalidConfiguration` if the threads of pools begin in the context of some request."""
    if getattr(flags, "thread_inherit_context", False):
        raise InvalidConfiguration(
            "With -X thread_inherit_context=1, the default without GIL, threads of pools would act"
            " for the user whose request started them. Set PYTHON_THREAD_INHERIT_CONTEXT=0."
        )
