"""`issuer token`: discovery (RFC 8414), then a request to the token endpoint (RFC 6749)."""

import os
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import httpx
import typer

from issuer.cli import completion, output
from issuer.cli.asking import ask
from issuer.cli.command import new_app
from issuer.cli.options import AsJson, AudienceOfToken, PasswordStdin, Scopes, Url
from issuer.cli.token_cache import answer_with, token_from_cache, unverified
from issuer.cli.token_revoke import revoke_token
from issuer.errors import IssuerError, Unavailable
from issuer.settings import Settings, is_loopback

app = new_app()
app.command("revoke")(revoke_token)

_SECONDS = 30
_WELL_KNOWN = "/.well-known/oauth-authorization-server"


@app.callback(invoke_without_command=True)
def token(
    context: typer.Context,
    client_id: Annotated[
        str | None,
        typer.Option(help="The client that requests the token.", autocompletion=completion.clients),
    ] = None,
    url: Url = None,
    client_secret_stdin: Annotated[
        bool,
        typer.Option(
            "--client-secret-stdin", help="Read the secret from a line of standard input."
        ),
    ] = False,
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
        return _client_secret(from_stdin=client_secret_stdin)

    if cache:
        answer = answer_with(token_from_cache(issuer, client_id, audience, scopes, secret))
    else:
        client_secret = secret()
        form = _form(audience, scopes, username, password_stdin=password_stdin)
        answer = _asked(_token_endpoint(issuer), client_id, client_secret, form)
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


def _client_secret(*, from_stdin: bool) -> str:
    if not from_stdin and (secret := os.environ.get("CLIENT_SECRET")):
        return secret
    return ask(
        "client secret",
        from_stdin=from_stdin,
        otherwise="--client-secret-stdin or CLIENT_SECRET in the environment",
    )


def _token_endpoint(issuer: str) -> str:
    """From the metadata of this issuer; that of another issuer is refused (RFC 8414 §3.3)."""
    parts = urlsplit(_private(issuer))
    well_known = f"{parts.scheme}://{parts.netloc}{_WELL_KNOWN}{parts.path.rstrip('/')}"
    metadata = _sent("GET", well_known)
    if metadata.get("issuer") != issuer:
        name = metadata.get("issuer")
        raise IssuerError(f"The server at {issuer} has the issuer URL {name}: use that.")
    return _private(str(metadata.get("token_endpoint")))


def _private(url: str) -> str:
    """The URL, if a secret may be sent there."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (
        parts.scheme == "http" and is_loopback(parts.hostname or "")
    ):
        raise IssuerError(f"A secret is not sent to {url}, which is neither https:// nor loopback.")
    return url


def _asked(
    endpoint: str, client_id: str, secret: str, form: dict[str, str | None]
) -> dict[str, Any]:
    # Form-encoded before Basic (RFC 6749 §2.3.1).
    authentication = (quote(client_id, safe=""), quote(secret, safe=""))
    data = {name: value for name, value in form.items() if value is not None}
    return _sent("POST", endpoint, data=data, auth=authentication)


def _sent(method: str, url: str, **request: Any) -> dict[str, Any]:
    """The JSON of a successful response; an `IssuerError` with the cause for any other."""
    try:
        answer = httpx.request(method, url, timeout=_SECONDS, trust_env=False, **request)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(f"{url} does not answer: {error}.") from None
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise IssuerError(f"{url} answers {answer.status_code}, but not with JSON.")
    if not answer.is_success:
        description = f" ({body['error_description']})" if "error_description" in body else ""
        raise IssuerError(f"The server refuses: {body.get('error')}{description}")
    return body
