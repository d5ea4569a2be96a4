"""Options of more than one command, named like the members of the admin API."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from issuer.cli import completion
from issuer.cli.command import NOTHING
from issuer.cli.input_files import content_of
from issuer.errors import IssuerError
from issuer.fields.times import duration, in_seconds
from issuer.settings import Duration


def _lifetime(text: str) -> object:
    if text == "none":
        return NOTHING
    try:
        return in_seconds(TypeAdapter(Duration).validate_python(text))
    except ValidationError:
        raise typer.BadParameter("must be like 900s, 15m or 24h, or none") from None


def _claims(text: str) -> object:
    return json_object(text, '{"tenant": "a"}')


def _jwks(text: str) -> object:
    return json_object(text, '{"keys": [...]}') if text else NOTHING


def json_object(text: str, example: str) -> object:
    try:
        members = json.loads(content_of(text[1:]) if text.startswith("@") else text)
    except IssuerError as error:
        raise typer.BadParameter(str(error)) from None
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise typer.BadParameter(f"must be a JSON object, such as {example}")
    return members


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


def text_or_nothing(text: str) -> object:
    return text or NOTHING


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
Name = Annotated[str | None, typer.Option(help="Display name.")]
Disabled = Annotated[
    bool | None, typer.Option("--disabled/--enabled", help="Refuse it, or accept it again.")
]
Lifetime = Annotated[
    Any,
    typer.Option(
        "--access-token-ttl",
        parser=_lifetime,
        metavar="TIME",
        help="Lifetime of its access tokens, such as 900s, 15m or 24h; none for the default.",
    ),
]
Claims = Annotated[
    Any,
    typer.Option(
        parser=_claims,
        metavar="JSON",
        help="Custom claims for its tokens: an object, or @FILE. An update merges them; null"
        " removes one.",
    ),
]
Jwks = Annotated[
    Any,
    typer.Option(
        parser=_jwks,
        metavar="JSON",
        help="Its public keys: a JWK Set (RFC 7517), or @FILE; '' for none.",
    ),
]
Email = Annotated[
    Any,
    typer.Option(parser=text_or_nothing, metavar="NAME@HOST", help="Email address; '' for none."),
]
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
