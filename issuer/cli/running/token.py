"""`issuer token`: discovery (RFC 8414), then a request to the token endpoint (RFC 6749)."""

from functools import partial
from pathlib import Path
from typing import Any

import typer

from issuer.cli import output
from issuer.cli.api_client import client_secret_of_caller, requested_token, token_endpoint
from issuer.cli.command import flag, new_app, option, wants_json
from issuer.cli.confirming import ask
from issuer.cli.options import (
    AskedScopes,
    AudienceOfToken,
    ClientSecretStdin,
    PasswordStdin,
    Url,
    known_clients,
    known_users,
)
from issuer.cli.remote.target import issuer_url
from issuer.cli.running.stored_login import login_command, token_of_login
from issuer.cli.running.token_cache import answer_with, token_from_cache, unverified

app = new_app(no_args_is_help=False)


@app.callback(invoke_without_command=True)
def token(
    context: typer.Context,
    client_id: str | None = option(
        "TEXT",
        "The client that requests the token. Default: what `issuer login` stored.",
        complete=known_clients,
    ),
    url: Url = None,
    client_secret_stdin: ClientSecretStdin = False,
    audience: AudienceOfToken = None,
    scopes: AskedScopes = None,
    username: str | None = option(
        "TEXT", "Sign in as this user, by password.", complete=known_users
    ),
    password_stdin: PasswordStdin = False,
    cache: bool = flag("--cache", "Use a token again while it is valid; keep it on disk."),
    dpop: Path | None = option(
        "FILE", "Bind the token to the private key in this file (DPoP). Made if there is none."
    ),
    request: str | None = option(
        '"METHOD URL"', "With --dpop: print the headers of this one request instead."
    ),
    show: bool = flag("--show", "Show header and claims instead."),
) -> None:
    """Get a token from a running server, and print only the token.

    Without --client-id it is that of `issuer login`, renewed if it expires soon. --audience is
    needed if you are signed in for several.

    With --client-id, the secret comes from CLIENT_SECRET in the environment, from standard input,
    or is asked for. With --username, the password follows it on the next line. With --cache, it is
    needed only for a new token.

    With --dpop, whoever has the token alone can do nothing with it: each request also needs a proof
    by the key, which --request makes, for that method and URL and once.

    Examples:

      curl --oauth2-bearer "$(issuer token)" localhost:7777
      issuer token --client-id ci-bot --audience my-os
      curl --oauth2-bearer "$(issuer token --client-id ci --cache)" localhost:7777
      issuer token --client-id ci-bot --scope agents:web:run --show
      issuer token --client-id web --username alice --json
      issuer token --dpop ci.pem --request "GET https://os.example/agents"
    """
    if context.invoked_subcommand is not None:
        return
    issuer = issuer_url(url)
    _require_possible(client_id, username, dpop, request, cache=cache)
    headers: dict[str, str] = {}
    secret = partial(client_secret_of_caller, from_stdin=client_secret_stdin)
    if client_id is None:
        if cache or username is not None or client_secret_stdin or password_stdin:
            raise typer.BadParameter("name the client with --client-id")
        if (stored := token_of_login(issuer, audience, scopes)) is None:
            signing_in = login_command(issuer, audience)
            raise typer.BadParameter(
                f"sign in with `{signing_in}`, or name the client with --client-id"
            )
        answer = answer_with(stored)
    elif dpop is not None:
        from issuer.cli.running.bound_token import bound_token  # noqa: PLC0415 - with the client

        bound = bound_token(issuer, client_id, audience, scopes, secret, dpop, request)
        answer, headers = {**answer_with(bound[0]), "token_type": "DPoP"}, bound[1]
    elif cache:
        answer = answer_with(token_from_cache(issuer, client_id, audience, scopes, secret))
    else:
        client_secret = secret()
        scope = None if scopes is None else " ".join(scopes)
        form = {"grant_type": "client_credentials", "audience": audience, "scope": scope}
        if username is not None:
            password = ask("password", from_stdin=password_stdin, otherwise="--password-stdin")
            form |= {"grant_type": "password", "username": username, "password": password}
        answer = requested_token(token_endpoint(issuer), client_id, client_secret, form)
    _print(answer, headers, show=show)


def _require_possible(
    client_id: str | None,
    username: str | None,
    dpop: Path | None,
    request: str | None,
    *,
    cache: bool,
) -> None:
    if cache and username is not None:
        raise typer.BadParameter("--cache or --username, not both: only tokens of clients are kept")
    if dpop is not None and (client_id is None or cache or username is not None):
        raise typer.BadParameter("--dpop needs --client-id, without --cache and --username")
    if request is not None and dpop is None:
        raise typer.BadParameter("--request needs --dpop: a bearer token needs no proof")


def _print(answer: dict[str, Any], headers: dict[str, str], *, show: bool) -> None:
    """The token, or the `headers` of a request with it if there are any."""
    if show:
        output.print_json(unverified(answer["access_token"]))
    elif wants_json.get():
        output.print_json({**answer, "headers": headers} if headers else answer)
    elif headers:
        for name, value in headers.items():
            output.print_text(f"{name}: {value}")
    else:
        output.print_text(answer["access_token"])


@app.command("revoke")
def revoke_token(
    jti: str | None = option("JTI", "The id of the token, as in audit list, if the token is lost."),
    token_stdin: bool = flag("--token-stdin", "Read the token from a line of standard input."),
) -> None:
    """Revoke one token; it is refused everywhere within seconds.

    Examples:

      issuer token revoke
      issuer token revoke --token-stdin < token.txt
      issuer token revoke --jti 5f0c8a1f6d3b4e27a90b1c2d3e4f5a6b
    """
    if jti is not None and token_stdin:
        raise typer.BadParameter("--jti or --token-stdin, not both")
    from issuer.cli.opening import managing, operator  # noqa: PLC0415 - 41 MB

    token = ask("token", from_stdin=token_stdin, otherwise="--token-stdin") if jti is None else ""
    with (
        managing(with_keys=True) as administration,
        administration.changing(operator()) as work,
    ):
        if jti is None:
            jti = work.token_revocations.revoke(token).jti
        else:
            work.token_revocations.revoke_unverified(jti)
    output.say(f"Revoked the token {jti}.", {"revoked": jti})
