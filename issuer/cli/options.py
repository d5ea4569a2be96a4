"""Options of more than one command, named like the members of the admin API, and completion.

Completion reads names from the database within two seconds, or has none.
"""

import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuer.cli.command import Complete, argument, flag, option
from issuer.fields.times import instant_from

if TYPE_CHECKING:
    from issuer.composition import UnitOfWork

_MAX_NAMES = 100
_SECONDS = 2.0


def _completing(names: "Callable[[UnitOfWork, str], list[str]]") -> Complete:
    """The names that begin with what was typed; none, without output, if reading fails."""

    def complete(incomplete: str) -> list[str]:
        from issuer.cli.opening import reading  # noqa: PLC0415 - 45 MB

        results: list[str] = []

        def read() -> None:
            with suppress(Exception), reading() as work:
                results.extend(names(work, incomplete))

        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            thread = Thread(target=read, daemon=True)
            thread.start()
            thread.join(_SECONDS)
        return [name for name in results if name.startswith(incomplete)]

    return complete


def _keys(attribute: str) -> Complete:
    def read(work: "UnitOfWork", first: str) -> list[str]:
        resources = getattr(work, attribute)
        key_of = resources.resource_type.key_of
        following = map(key_of, resources.page(first or None, _MAX_NAMES))
        return [*([first] if resources.exists(first) else []), *following]

    return _completing(read)


known_audiences = _keys("audiences")
known_roles = _keys("roles")
known_clients = _keys("clients")
known_trusted_issuers = _keys("trusted_issuers")
known_users = _completing(lambda work, incomplete: work.users.usernames(incomplete, _MAX_NAMES))
known_groups = _completing(lambda work, incomplete: work.groups.names(incomplete, _MAX_NAMES))
COMPLETIONS = {
    "audience": known_audiences,
    "role": known_roles,
    "client": known_clients,
    "trusted issuer": known_trusted_issuers,
}


def known_clients_and_users(incomplete: str) -> list[str]:
    """Ids of clients, then names of users."""
    return [*known_clients(incomplete), *known_users(incomplete)]


def instant(text: str, *, after: bool = False) -> datetime:
    """An instant in UTC, or a duration before now (`after` now): 2026-11-01, 1h."""
    try:
        return instant_from(text, datetime.now(UTC), after=after)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


ClientId = Annotated[str, argument("CLIENT", "The id of the client.", known_clients)]
UserName = Annotated[str, argument("USER", "The id or the name of the user.", known_users)]
GroupName = Annotated[str, argument("GROUP", "The id or the name of the group.", known_groups)]
RoleName = Annotated[str, argument("ROLE", "The name of the role.", known_roles)]
Limit = Annotated[int | None, option("COUNT", "Show at most this many.", min=1)]
Cascade = Annotated[bool, flag("--cascade", "Also remove it from all that use it.")]
Scopes = Annotated[
    list[str] | None,
    option("SCOPE", "A scope, such as agents:web:run. Repeatable; '' for none.", "--scope"),
]


def _not_empty(scopes: list[str] | None) -> list[str] | None:
    """A parameter without a value is as one that was left out (RFC 6749 §3.1)."""
    if scopes and not all(each.strip() for each in scopes):
        raise typer.BadParameter("a token request cannot ask for no scope: name one at least")
    return scopes


AskedScopes = Annotated[
    list[str] | None,
    option(
        "SCOPE",
        "A scope, such as agents:web:run. Repeatable. Default: all that are allowed.",
        "--scope",
        callback=_not_empty,
    ),
]
AllowUnknownScopes = Annotated[
    bool, flag("--allow-unknown-scopes", "Allow scopes that look misspelled.")
]
KeepCredentials = Annotated[
    list[str] | None,
    option(
        "ID",
        "Keep this credential of a client that gets rights at the issuer, although it was given"
        " without issuer:admin. Repeatable, or with commas.",
    ),
]
KeepMembers = Annotated[
    list[str] | None,
    option(
        "ID",
        "Keep this user in a group that gets rights at the issuer, although somebody without"
        " issuer:admin added them. Repeatable, or with commas.",
    ),
]
# By what gives rights: a role gives them to clients and to groups.
KEEPS: dict[str, dict[str, Any]] = {
    "client": {"keep_credentials": KeepCredentials},
    "group": {"keep_members": KeepMembers},
    "role": {"keep_credentials": KeepCredentials, "keep_members": KeepMembers},
}
AudienceOfToken = Annotated[
    str | None,
    option("ID", "The AgentOS. Not needed if the client has only one.", complete=known_audiences),
]
AgnoVersion = Annotated[str | None, option("VERSION", "The version of agno, such as 3.1.")]
Url = Annotated[str | None, option("URL", "Base URL of the server. Default: ISSUER_URL.")]
Host = Annotated[str, option("ADDRESS", "Address to listen on; 0.0.0.0 for all of IPv4.")]
ClientSecretStdin = Annotated[
    bool, flag("--client-secret-stdin", "Read the secret from a line of standard input.")
]
PasswordStdin = Annotated[
    bool, flag("--password-stdin", "Read the password from a line of standard input.")
]
