"""Options of more than one command, named like the members of the admin API, and completion.

Completion reads names from the database within two seconds, or has none.
"""

import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime
from threading import Thread
from typing import Annotated, Any, TypeAlias

import typer

from issuer.audiences import AUDIENCE
from issuer.cli.opening import reading
from issuer.clients import CLIENT
from issuer.composition import UnitOfWork
from issuer.fields.times import duration
from issuer.resources import ResourceType
from issuer.roles import ROLE
from issuer.trusted_issuers import TRUSTED_ISSUER

Complete: TypeAlias = Callable[[str], list[str]]

_MAX_NAMES = 100
_SECONDS = 2.0


def known_audiences(incomplete: str) -> list[str]:
    """Ids of audiences."""
    return _keys(AUDIENCE, incomplete)


def known_roles(incomplete: str) -> list[str]:
    """Names of roles."""
    return _keys(ROLE, incomplete)


def known_clients(incomplete: str) -> list[str]:
    """Ids of clients."""
    return _keys(CLIENT, incomplete)


def known_trusted_issuers(incomplete: str) -> list[str]:
    """Ids of trusted issuers."""
    return _keys(TRUSTED_ISSUER, incomplete)


def known_users(incomplete: str) -> list[str]:
    """Names of users."""
    return _completed(incomplete, lambda work: work.users.usernames(incomplete, _MAX_NAMES))


def known_clients_and_users(incomplete: str) -> list[str]:
    """Ids of clients, then names of users."""
    return [*known_clients(incomplete), *known_users(incomplete)]


COMPLETIONS: dict[str, Complete] = {
    "audience": known_audiences,
    "role": known_roles,
    "client": known_clients,
}


def _keys(resource_type: ResourceType[Any, Any], first: str) -> list[str]:
    def read(work: UnitOfWork) -> list[str]:
        resources = work.collection(resource_type)
        following = map(resource_type.key_of, resources.page(first or None, _MAX_NAMES))
        return [*([first] if resources.exists(first) else []), *following]

    return _completed(first, read)


def _completed(incomplete: str, names: Callable[[UnitOfWork], list[str]]) -> list[str]:
    """The names that begin with `incomplete`; none, without output, if reading fails."""
    results: list[str] = []

    def read() -> None:
        with suppress(Exception), reading() as work:
            results.extend(names(work))

    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        thread = Thread(target=read, daemon=True)
        thread.start()
        thread.join(_SECONDS)
    return [name for name in results if name.startswith(incomplete)]


def instant(text: str, *, after: bool = False) -> datetime:
    """An instant in UTC, or a duration before now (`after` now): 2026-11-01, 1h."""
    try:
        distance = duration(text)
    except ValueError:
        try:
            parsed = datetime.fromisoformat(text)
            return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise typer.BadParameter(
                "must be like 2026-11-01, 2026-11-01T12:00:00Z or 1h"
            ) from None
    return datetime.now(UTC) + (distance if after else -distance)


ClientId = Annotated[
    str,
    typer.Argument(metavar="CLIENT", help="The id of the client.", autocompletion=known_clients),
]
UserName = Annotated[
    str,
    typer.Argument(
        metavar="USER", help="The id or the name of the user.", autocompletion=known_users
    ),
]
RoleName = Annotated[
    str,
    typer.Argument(metavar="ROLE", help="The name of the role.", autocompletion=known_roles),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON, and nothing else on standard output.")
]
Limit = Annotated[int | None, typer.Option(min=1, metavar="COUNT", help="Show at most this many.")]
Cascade = Annotated[bool, typer.Option("--cascade", help="Also remove it from all that use it.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", metavar="SCOPE", help="A scope, such as agents:web:run. Repeatable; '' for none."
    ),
]


def _not_empty(scopes: list[str] | None) -> list[str] | None:
    """A parameter without a value is as one that was left out (RFC 6749 §3.1)."""
    if scopes and not all(each.strip() for each in scopes):
        raise typer.BadParameter("a token request cannot ask for no scope: name one at least")
    return scopes


AskedScopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="SCOPE",
        callback=_not_empty,
        help="A scope, such as agents:web:run. Repeatable. Default: all that may be had.",
    ),
]
AllowUnknownScopes = Annotated[
    bool,
    typer.Option("--allow-unknown-scopes", help="Allow scopes that look misspelled."),
]
KeepCredentials = Annotated[
    list[str] | None,
    typer.Option(
        "--keep-credentials",
        metavar="ID",
        help="Keep this credential of a client that gets rights at the issuer, although it was"
        " given without issuer:admin. Repeatable, or with commas.",
    ),
]
AudienceOfToken = Annotated[
    str | None,
    typer.Option(
        "--audience",
        metavar="ID",
        help="The AgentOS. Not needed if the client has only one.",
        autocompletion=known_audiences,
    ),
]
AgnoVersion = Annotated[
    str | None,
    typer.Option("--agno", metavar="VERSION", help="The version of agno, such as 3.1."),
]
Url = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Base URL of the server. Default: ISSUER_URL."),
]
Host = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for all of IPv4.")
]
ClientSecretStdin = Annotated[
    bool,
    typer.Option("--client-secret-stdin", help="Read the secret from a line of standard input."),
]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from a line of standard input.")
]
