"""The program: its commands, and how errors are printed."""

import gc
import json
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from issuer import __version__
from issuer.cli.command import CommandGroup, new_app, wants_json
from issuer.cli.remote.target import choose_server, with_server_first
from issuer.errors import IssuerError
from issuer.fields.text import escape
from issuer.files import reason_of

# More than the imports of any command make, none of which are garbage.
_OBJECTS_BETWEEN_COLLECTIONS = 500_000
# By panel of the help: the module of each command, and its summary.
_COMMANDS = {
    "Getting started": {
        "quickstart": ("running.quickstart", "Create a demo configuration and serve it."),
        "init": (
            "running.setup",
            "Create what is missing: data directory, keys, schema, admin client.",
        ),
        "serve": ("running.serve", "Serve tokens, keys and metadata."),
    },
    "Resources": {
        "audience": ("resources", "Manage audiences: the AgentOS deployments that tokens are for."),
        "role": ("resources", "Manage roles: named sets of scopes."),
        "client": (
            "clients.client",
            "Manage clients: services and applications that request tokens.",
        ),
        "trusted-issuer": (
            "trusted_issuers",
            "Manage trusted issuers, of workloads or people.",
        ),
        "user": ("users.user", "Manage users: people who sign in."),
        "group": ("users.group", "Manage groups of users, who hold the roles of the group."),
        "key": ("keys.key", "List, rotate and revoke signing keys."),
    },
    "Configuration": {
        "plan": ("manifest", "Show what a manifest would change."),
        "apply": ("manifest", "Apply a manifest."),
        "export": ("manifest", "Print the configuration as a manifest."),
    },
    "Inspection": {
        "explain": ("rights.explain", "Explain whether an AgentOS would allow a request."),
        "preview": ("rights.explain", "Show the claims that a token would have."),
        "scope": ("rights.scope", "List and check the scopes of AgentOS."),
        "review": ("rights.review", "Show which rights nobody uses, and what would be enough."),
        "audit": ("audit.audit", "List, export, follow and verify audit events."),
        "verifier": ("keys.key", "List the AgentOS that poll, and the keys they hold."),
    },
    "Operations": {
        "connect": ("running.connect", "Print how an MCP client connects to an AgentOS."),
        "login": (
            "running.login",
            "Sign in to a running server, with a browser on any machine.",
        ),
        "logout": ("running.login", "Sign out, and revoke its tokens."),
        "token": ("running.token", "Get a token from a running server, or revoke one."),
        "jwks": ("keys.jwks", "Keep the key set of an issuer in a file."),
        "doctor": ("running.doctor", "Check settings, files, database and keys."),
        "mail": ("running.mail", "Test the mail server."),
        "status": ("running.status", "Ask a running server how it is."),
        "health": ("running.status", "Check whether a server responds."),
        "backup": ("running.backup", "Write the whole database to one file, while servers run."),
        "restore": ("running.backup", "Fill an empty database from a backup."),
        "migrate": ("running.setup", "Upgrade the database to the newest schema."),
        "admin": (
            "running.setup",
            "Invite an administrator, recover the admin client, or change the URL.",
        ),
    },
}


class _Lazy(CommandGroup):
    """Imports a command when it is called: SQLAlchemy alone takes half a second to import."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, stub, rest = super().resolve_command(ctx, args)
        return name, stub and imported(str(stub.name)), rest


def imported(name: str) -> Any:
    """The command of that name, or group of commands."""
    module = next(commands[name][0] for commands in _COMMANDS.values() if name in commands)
    found = typer.main.get_command(import_module(f"issuer.cli.{module}").app)
    return getattr(found, "commands", {}).get(name, found)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(__version__)
        raise typer.Exit


app = new_app(cls=_Lazy, add_completion=True)


@app.callback()
def issuer(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Act on this server, over its admin API, instead of the data directory of this"
            " machine. Default: ISSUER_SERVER.",
        ),
    ] = None,
) -> None:
    """The token issuer for AgentOS. Settings come from the environment, each named ISSUER_….

    Every command has --help, and prints JSON with --json. --server may follow the command, too.

    Examples:

      issuer quickstart
      issuer init
      issuer audience create my-os
      issuer role create web-runner --scope agents:web:run
      issuer client create ci-bot --audience my-os --role web-runner
      issuer serve
    """
    choose_server(server)


for panel, commands in _COMMANDS.items():
    for name, (_, summary) in commands.items():
        app.command(name, help=summary, rich_help_panel=panel)(lambda: None)  # see _Lazy


def main() -> None:
    """The console script."""
    os.umask(0o077)  # files are created for this user alone
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    if not _has_streams():
        sys.exit(1)
    status = _written(run(sys.argv[1:]))
    gc.freeze()  # or the interpreter looks for garbage, several times, before it ends
    sys.exit(status)


def _written(status: int) -> int:
    """`status`, or 1 if output could not be written. A closed pipe is not reported."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python tries again at exit
        if not status and not isinstance(error, BrokenPipeError):
            _print_error(_failed(error))
        return status or 1
    return status


def _failed(error: OSError) -> str:
    """Names the file, if there is one, and no number."""
    which = f"Cannot use {error.filename}" if error.filename else "Reading or writing failed"
    return f"{which}: {reason_of(error)}"


def _has_streams() -> bool:
    """Whether standard output is open: otherwise a new secret would be lost.

    The other two may be closed; they are opened here, so that no other file gets their number.
    """
    has_output = sys.stdout is not None
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004
        pass
    os.close(descriptor)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    if not has_output:
        _print_error("Standard output is closed: nothing was done.")
    return has_output


def run(arguments: Sequence[str]) -> int:
    """Run a command line; returns its exit status. An error is one sentence on standard error.

    With `--json` it is the member `error` of an object there.
    """
    wants_json.set("--json" in arguments)
    choose_server(None)
    try:
        ended = app(with_server_first(arguments), prog_name="issuer", standalone_mode=False)
        return ended if isinstance(ended, int) else 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except typer.Abort:
        _print_error("Aborted.")
    except TyperException as error:
        _print_wrong_usage(error)
        return error.exit_code
    except IssuerError as error:
        _print_error(str(error))
    except OSError as error:
        _print_error(_failed(error))
    except Exception as error:
        if os.environ.get("ISSUER_LOG_LEVEL") == "debug":
            traceback.print_exc()
        kind = type(error).__name__
        _print_error(f"Unexpected error ({kind}). Set ISSUER_LOG_LEVEL=debug for details.")
    return 1


def _print_wrong_usage(error: TyperException) -> None:
    """Without any argument, the help was printed instead."""
    if type(error).__name__ != "NoArgsIsHelpError":
        context = getattr(error, "ctx", None)
        see = f" See `{context.command_path} --help`." if context else ""
        message = error.format_message().replace("Value error, ", "")  # of Pydantic
        _print_error(message + ("" if message.endswith((".", "?")) else ".") + see)


def _print_error(text: str) -> None:
    """Print an error on one line, even if it comes from a library with line breaks."""
    sentence = escape(" ".join(text.split())).rstrip(".")
    sentence = sentence if sentence.endswith("?") else f"{sentence}."
    typer.echo(json.dumps({"error": sentence}) if wants_json.get() else sentence, err=True)
