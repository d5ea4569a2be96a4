"""`issuer login` and `issuer logout`: the device grant for people at a terminal (RFC 8628)."""

import io
import os
import shlex
import sys
import time
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from segno import make

from issuer.cli import output
from issuer.cli.api_client import ServerRefusal, endpoint_of, metadata_of, posted, sent
from issuer.cli.command import argument, flag, new_app, option, wants_json
from issuer.cli.options import AskedScopes, Url, known_audiences, known_clients
from issuer.cli.remote.target import issuer_url
from issuer.cli.running.stored_login import (
    CLIENT,
    Login,
    changing_logins,
    login_files,
    stored_logins,
)
from issuer.cli.running.token_cache import unverified
from issuer.errors import IssuerError, Unavailable
from issuer.fields.text import escape
from issuer.vocabulary import GrantType

app = new_app()

# For a name to show, and a refresh token that outlasts the session of the browser.
_SCOPES = ("openid", "profile", "offline_access")
_SLOWER_BY = 5  # seconds (RFC 8628 §3.5)
_MAX_PAUSE = 60  # seconds
_BORDER = 2  # modules around a QR code: enough for phones

_Audience = Annotated[
    str | None,
    option("ID", "The AgentOS that the tokens are for.", complete=known_audiences),
]


@app.command()
def login(
    server: Annotated[str | None, argument("URL", "Base URL of the server.")] = None,
    client_id: Annotated[
        str, option("TEXT", "A public client with the device grant.", complete=known_clients)
    ] = CLIENT,
    url: Url = None,
    audience: _Audience = None,
    scopes: AskedScopes = None,
    no_browser: bool = flag("--no-browser", "Open no browser on this machine."),
) -> None:
    """Sign in to a running server, with a browser on any machine.

    It prints an address and a code, and waits until somebody enters the code there and signs in.
    On a terminal it opens a browser if this machine has one, and shows the address as a QR code
    for a phone. Without --audience, the tokens are for the issuer itself: to administer it from
    here, as with --server. They are kept in a file that only you can read, below $XDG_STATE_HOME
    or ~/.local/state, and `issuer token` and `issuer status` use them, too.

    Examples:

      issuer login https://id.example
      issuer login https://id.example --audience my-os
      issuer login https://id.example --no-browser
      issuer login --audience my-os --scope agents:web:run
    """
    if server is not None and url is not None:
        raise typer.BadParameter("name the server once: URL or --url")
    issuer = issuer_url(server or url)

    waiting = ExitStack()

    def show(device: dict[str, Any]) -> None:
        _show_code(device, opens_browser=not no_browser)
        waiting.enter_context(output.working("Waiting…"))

    changing = changing_logins()  # a folder that others may use is refused before anybody signs in
    with waiting:
        new = sign_in(issuer, client_id, audience or issuer, scopes, show, time.sleep)
    with changing:
        replaced = stored_logins(issuer, new.audience)
        new.store()
    for each in replaced:
        with suppress(IssuerError):  # its owner sees it at /account
            each.revoke()
    claims = unverified(new.access_token)["claims"]
    members = {
        "issuer": issuer,
        "audience": new.audience,
        "username": _username(new) or claims["sub"],
        "scope": claims["scope"],
        "expires_at": f"{datetime.fromtimestamp(claims['exp'], UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    output.say(
        f"Signed in at {issuer} as {members['username']}. The token for {new.audience} expires at"
        f" {members['expires_at']}{' and is renewed when it is used' * bool(new.refresh_token)}.",
        members,
    )


def _show_code(device: dict[str, Any], *, opens_browser: bool) -> None:
    """Where to enter the code; on a terminal also as a QR code, and in a browser here."""
    lines = [f"Open {device['verification_uri']} and enter the code {device['user_code']}."]
    if complete := str(device.get("verification_uri_complete", "")):
        lines.append(f"Or open {complete} and compare the code.")
    for line in lines:
        typer.echo(escape(line), err=wants_json.get())
    stream = sys.stderr if wants_json.get() else sys.stdout
    if not stream.isatty() or not complete.startswith(("https://", "http://")):
        return
    with suppress(UnicodeError, ValueError):  # a terminal without block elements, or a long URL
        print(_qr_code(complete), file=stream, flush=True)
    if opens_browser and _has_browser():
        webbrowser.open(complete)


def _qr_code(text: str) -> str:
    """Two rows of modules on a line. `ValueError` if there is no code for so long a text."""
    lines = io.StringIO()
    make(text, error="l", micro=False).terminal(lines, border=_BORDER, compact=True)
    return lines.getvalue()


def _has_browser() -> bool:
    """Whether there is one with a window: not on a host that one reaches over SSH.

    A browser in text mode would take the terminal.
    """
    environment = os.environ.keys()
    has_windows = sys.platform == "darwin" or {"DISPLAY", "WAYLAND_DISPLAY"} & environment
    return "BROWSER" in environment or bool(has_windows and "SSH_CONNECTION" not in environment)


@app.command()
def logout(url: Url = None, audience: _Audience = None) -> None:
    """Revoke the tokens that `issuer login` stored for an issuer, and delete them.

    Without --audience, for all audiences. They are deleted even if the server does not answer.

    Examples:

      issuer logout
      issuer logout --url https://id.example --audience my-os
    """
    issuer = issuer_url(url)
    problem = None
    with changing_logins():
        found = stored_logins(issuer, audience)
        for each in found:
            try:
                each.revoke()
            except IssuerError as error:
                problem = error
        for file in login_files(issuer, audience):
            file.unlink()
    audiences = [each.audience for each in found]
    if not found:
        where = f"{issuer} for {audience}" if audience else issuer
        raise IssuerError(f"You are not signed in at {where}.")
    if problem is not None:
        raise IssuerError(
            "The tokens are deleted from this machine, but not revoked: end the access at"
            f" {issuer.rstrip('/')}/account. {problem}"
        )
    members = {"issuer": issuer, "audiences": audiences}
    output.say(f"Signed out at {issuer} for {', '.join(audiences)}.", members)


def sign_in(
    issuer: str,
    client_id: str,
    audience: str,
    scopes: list[str] | None,
    show: Callable[[dict[str, Any]], None],
    wait: Callable[[float], None],
) -> Login:
    """The tokens of whoever enters the code that `show` gets, in the response of RFC 8628 §3.2.

    `wait` gets the seconds before each poll. `IssuerError` if it is denied, or not in time.
    """
    metadata = metadata_of(issuer)
    command = ["issuer", "client", "create", client_id, "--public", "--device"]
    command += ["--audience", audience, "--user-rights", "all"]
    creating = f"An administrator creates the client: `{shlex.join(command)}`."
    if (endpoint := "device_authorization_endpoint") not in metadata:
        raise IssuerError(f"{issuer} has no {endpoint}. {creating}")
    client = {"client_id": client_id}
    asked = {"audience": audience, "scope": " ".join(filter(None, [*_SCOPES, *(scopes or ())]))}
    try:
        device = posted(metadata, endpoint, client | asked)
    except ServerRefusal as refusal:
        if refusal.error not in {"invalid_client", "unauthorized_client"}:
            raise
        raise IssuerError(f"{refusal}. {creating}") from None
    show(device)
    form = client | {
        "grant_type": GrantType.DEVICE_CODE.value,
        "device_code": device["device_code"],
    }
    answer = _polled(lambda: posted(metadata, "token_endpoint", form), device, wait)
    tokens = answer["access_token"], answer.get("refresh_token", "")
    return Login(issuer, audience, client_id, *tokens, signed_in_at=time.time())


def _polled(
    poll: Callable[[], dict[str, Any]], device: dict[str, Any], wait: Callable[[float], None]
) -> dict[str, Any]:
    """The token response, once there is one (RFC 8628 §3.5)."""
    left, interval = device["expires_in"], device.get("interval", _SLOWER_BY)
    pause = interval
    while left > 0:
        wait(pause)
        left -= pause
        try:
            return poll()
        except Unavailable:
            pause = min(2 * pause, _MAX_PAUSE)
            continue
        except ServerRefusal as refusal:
            if refusal.error == "access_denied":
                raise IssuerError("The sign-in was denied in the browser.") from None
            if refusal.error == "expired_token":
                break
            if refusal.error in {"slow_down", "temporarily_unavailable"}:
                interval += _SLOWER_BY
            elif refusal.error != "authorization_pending":
                raise
        pause = interval
    raise IssuerError("The code has expired: run `issuer login` again.")


def _username(login: Login) -> str | None:
    """From user info (OpenID Connect Core §5.3); None if the server does not tell."""
    with suppress(IssuerError):
        url = endpoint_of(metadata_of(login.issuer), "userinfo_endpoint")
        answer = sent("GET", url, headers={"Authorization": f"Bearer {login.access_token}"})
        return answer.get("preferred_username")
    return None
