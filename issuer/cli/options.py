"""Options of more than one command, named like the members of the admin API."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from issuer.cli import completion
from issuer.fields.times import duration


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
    typer.Argument(
        metavar="CLIENT", help="The id of the client.", autocompletion=completion.clients
    ),
]
UserName = Annotated[
    str,
    typer.Argument(
        metavar="USER", help="The id or the name of the user.", autocompletion=completion.users
    ),
]
RoleName = Annotated[
    str,
    typer.Argument(metavar="ROLE", help="The name of the role.", autocompletion=completion.roles),
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
        autocompletion=completion.audiences,
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
