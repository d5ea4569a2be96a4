"""Authentication of callers by an access token of this issuer for itself (RFC 6750)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from issuer.admin.problems import ProblemRaised
from issuer.audit import Actor
from issuer.catalogue import counts_here
from issuer.composition import Administration, UnitOfWork
from issuer.errors import Forbidden, InvalidCredentials
from issuer.http import caller
from issuer.logs import note_client
from issuer.scopes import covers

_bearer = HTTPBearer(auto_error=False, scheme_name="access_token", bearerFormat="JWT")


@dataclass(frozen=True)
class Access:
    """The authenticated caller, its scopes, and units of work in its name."""

    administration: Administration
    actor: Actor
    held: frozenset[str]

    def holds(self, scope: str) -> bool:
        """Whether the caller holds a scope that covers this one."""
        return covers(self.held, scope)

    def require(self, scope: str) -> None:
        """`Forbidden` unless the caller holds a scope that covers this one."""
        if not self.holds(scope):
            raise Forbidden(scope)

    def require_any(self, alternatives: Sequence[tuple[str, ...]]) -> None:
        """`Forbidden` unless every scope of one alternative is covered; (): any scope will do."""
        if counts_here(self.held) and any(
            all(self.holds(each) for each in needs) for needs in alternatives
        ):
            return
        raise Forbidden(next((each for each in alternatives[0] if not self.holds(each)), None))

    @contextmanager
    def work(self, scope: str) -> Iterator[UnitOfWork]:
        """The domain objects in the transaction of this request; `Forbidden` without `scope`."""
        reads = scope.endswith(":read")
        transaction = self.administration.reading if reads else self.administration.changing
        with transaction(self.actor, self.held) as work:
            work.authority.require(scope)
            yield work


def authenticate(request: Request) -> Access:
    """The caller's access, also stored for the operation. Rights removed since do not count."""
    access = _access(request)
    request.state.access = access
    return access


async def _authenticated(request: Request, _: Annotated[object, Depends(_bearer)] = None) -> Access:
    access: Access = request.state.access
    return access


def _access(request: Request) -> Access:
    administration: Administration = request.app.state.administration
    administration.require_current()
    try:
        token = administration.read_own_token(_presented(request))
        note_client(token.subject)
        held = administration.still_held(token)
    except InvalidCredentials as error:
        raise ProblemRaised(
            "unauthenticated",
            "The access token is missing, expired, or not for this issuer.",
            {"WWW-Authenticate": _challenge(request)},
        ) from error
    return Access(administration, caller(request, token.subject), held)


Caller = Annotated[Access, Depends(_authenticated)]


def _presented(request: Request) -> str:
    headers = request.headers.getlist("authorization")
    scheme, _, token = (headers[0] if len(headers) == 1 else "").partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidCredentials("no access token")
    return token.strip()


def _challenge(request: Request) -> str:
    """RFC 6750 §3.1: no error code for a request without authentication."""
    error = ', error="invalid_token"' if "authorization" in request.headers else ""
    return f'Bearer realm="issuer"{error}'
