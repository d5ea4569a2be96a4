"""Which server commands act on, if not on the data directory of this machine."""

import os
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from urllib.parse import urlsplit

import typer

from issuer.errors import IssuerError
from issuer.fields.text import escape

SERVER, CLIENT_ID = "ISSUER_SERVER", "ISSUER_CLIENT_ID"
CLIENT_SECRET = "ISSUER_CLIENT_SECRET"  # noqa: S105 - the name of a variable
_OF_THE_HOST = ("ISSUER_DATA_DIR", "ISSUER_DATABASE_URL", "ISSUER_DATABASE_URL_FILE")
_DATA_DIR = Path("issuer-data")

_option: ContextVar[str | None] = ContextVar("server", default=None)


def with_server_first(arguments: Sequence[str]) -> list[str]:
    """`arguments` with `--server URL`, wherever it stands, before the command.

    `typer.BadParameter` without a URL: the next word would be taken for it.
    """
    words, server = list(arguments), []
    end = words.index("--") if "--" in words else len(words)
    for place, word in enumerate(words[:end]):
        if word == "--server" or word.startswith("--server="):
            server = words[place : place + (2 if word == "--server" else 1)]
            if "://" not in server[-1]:
                raise typer.BadParameter("--server needs a URL, such as https://id.example")
            del words[place : place + len(server)]
            break
    return [*server, *words]


def choose_server(url: str | None) -> None:
    """The server that the option `--server` of this command line names."""
    _option.set(url)


def named_server() -> str | None:
    """The server that `--server` or `ISSUER_SERVER` names."""
    named = _option.get() or os.environ.get(SERVER)
    if not named:
        return None
    parts = urlsplit(named)
    if parts.username is not None or parts.query or parts.fragment:
        raise IssuerError("A server is named by its URL, without user, password, query, fragment.")
    return named.rstrip("/")


def client_at(server: str) -> str | None:
    """The client of the environment if its secret is for this server; None for the login there.

    It is for `ISSUER_SERVER` where that is set, else for what `--server` names.
    """
    own = os.environ.get(SERVER) or _option.get() or ""
    return os.environ.get(CLIENT_ID) or None if own.rstrip("/") == server else None


def chosen_server() -> str | None:
    """The server that commands about resources act on; None for the data of this machine.

    It is said on standard error if nobody named it.
    """
    has_data = any(name in os.environ for name in _OF_THE_HOST) or _DATA_DIR.is_dir()
    if (named := named_server()) is not None or has_data:
        return named
    from issuer.cli.running.stored_login import last_login  # noqa: PLC0415 - 16 MB

    if (login := last_login()) is None:
        return None
    typer.echo(escape(f"On {login.issuer}, where you signed in last."), err=True)
    return login.issuer


def require_host() -> None:
    """`IssuerError` if a server is named: the command needs the data of the issuer itself."""
    if (named := named_server()) is not None:
        raise needs_host(named)


def needs_host(server: str) -> IssuerError:
    """For a command that does not work over the admin API."""
    return IssuerError(
        f"This command works on the host of the issuer, not over {server}: run it there, without"
        f" --server and {SERVER}."
    )


def issuer_url(url: str | None) -> str:
    """The URL of the issuer to sign in at or to ask: `url`, the named server, else ISSUER_URL.

    Without any of them that of the last login, if this machine has no data directory.
    """
    if url is not None:
        return url
    if named := named_server():
        return named
    from issuer.settings import Settings  # noqa: PLC0415 - 7.7 MB

    has_url = "ISSUER_URL" in os.environ
    return (None if has_url else chosen_server()) or Settings.from_environment().url
