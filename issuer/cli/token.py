"""`issuer token`: discovery (RFC 8414), then a request to the token endpoint (RFC 6749)."""

from typing import Annotated

import typer

from issuer.cli import completion, output
from issuer.cli.api_client import client_secret_of_caller, requested_token, token_endpoint
from issuer.cli.asking import ask
from issuer.cli.command import new_app
from issuer.cli.options import (
    AsJson,
    AudienceOfToken,
    ClientSecretStdin,
    PasswordStdin,
    Scopes,
    Url,
)
from issuer.cli.token_cache import answer_with, token_from_cache, unverified
from issuer.cli.token_revoke import revoke_token
from issuer.settings import Settings

app = new_app()
app.command("revoke")(revoke_token)


@app.callback(invoke_without_command=True)
def token(
    context: typer.Context,
    client_id: Annotated[
        str | None,
        typer.Option(help="The client that requests the token.", autocompletion=completion.clients),
    ] = None,
    url: Url = None,
    client_secret_stdin: ClientSecretStdin = False,
    audience: AudienceOfToken = None,
    scopes: Scopes = None,
    username: Annotated[
        str | None,
        typer.Option(help="Sign in as this user, by password.", autocompletion=completion.users),
    ] = None,
    password_stdin: PasswordStdin = False,
    cache: Annotated[
        bool, typer.Option("--cache", help="Use a token again while it is valid; keep it on disk.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Show header and claims instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Get a token from a running server, as a client would, and print only the token.

    The secret comes from CLIENT_SECRET in the environment, from standard input, or is asked
    for. With --username, the password follows it on the next line. With --cache, it is needed
    only for a new token.

    Examples:

      issuer token --client-id ci-bot --audience my-os
      curl --oauth2-bearer "$(issuer token --client-id ci --cache)" localhost:7777
      issuer token --client-id ci-bot --scope agents:web:run --show
      issuer token --client-id web --username alice --json
    """
    if context.invoked_subcommand is not None:
        return
    if client_id is None:
        raise typer.BadParameter("name the client with --client-id")
    issuer = Settings.from_environment().url if url is None else url
    if cache and username is not None:
        raise typer.BadParameter("--cache or --username, not both: only tokens of clients are kept")

    def secret() -> str:
        return client_secret_of_caller(from_stdin=client_secret_stdin)

    if cache:
        answer = answer_with(token_from_cache(issuer, client_id, audience, scopes, secret))
    else:
        client_secret = secret()
        form = _form(audience, scopes, username, password_stdin=password_stdin)
        answer = requested_token(token_endpoint(issuer), client_id, client_secret, form)
    if show:
        output.print_json(unverified(answer["access_token"]))
    elif as_json:
        output.print_json(answer)
    else:
        output.print_text(answer["access_token"])


def _form(
    audience: str | None, scopes: list[str] | None, username: str | None, *, password_stdin: bool
) -> dict[str, str | None]:
    scope = None if scopes is None else " ".join(scopes)
    form = {"grant_type": "client_credentials", "audience": audience, "scope": scope}
    if username is None:
        return form
    password = ask("password", from_stdin=password_stdin, otherwise="--password-stdin")
    return form | {"grant_type": "password", "username": username, "password": password}
