"""Requests to a running server: discovery (RFC 8414), tokens (RFC 6749), the admin API."""

import os
import re
from collections.abc import Mapping
from shlex import quote as quote_word
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from issuer.cli.confirming import ask
from issuer.errors import IssuerError, Unavailable
from issuer.settings import is_loopback

_SECONDS = 30
_ERROR_NUMBER = re.compile(r"\[Errno -?\d+\] ")
_CORRECT_URL = "correct its URL, which ISSUER_URL or an option names."
# What to do, by what the cause contains.
_CURES = {
    "CERTIFICATE_VERIFY_FAILED": (
        "If a private authority signed it, set SSL_CERT_FILE to the file with its certificate."
    ),
    "refused": f"Start the server with `issuer serve`, or {_CORRECT_URL}",
    "timed out": f"Check the network, or {_CORRECT_URL}",
    "not known": f"Check DNS, or {_CORRECT_URL}",
    "name resolution": f"Check DNS, or {_CORRECT_URL}",
}


def client_secret_of_caller(*, from_stdin: bool) -> str:
    """From a line of standard input, CLIENT_SECRET in the environment, or the terminal."""
    if not from_stdin and (secret := os.environ.get("CLIENT_SECRET")):
        return secret
    return ask(
        "client secret",
        from_stdin=from_stdin,
        otherwise="--client-secret-stdin or CLIENT_SECRET in the environment",
    )


class ServerRefusal(IssuerError):
    """The server refuses a request; `error` is the code of the protocol (RFC 6749 §5.2)."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(f"The server refuses: {_refusal(body)}")
        self.error = body.get("error")


def cure_of(error: str, client_id: str, form: Mapping[str, str | None]) -> str:
    """A sentence about what an administrator does, for an error of the token endpoint."""
    client, audience = quote_word(client_id), quote_word(form.get("audience") or "ID")
    match error:
        case "invalid_client":
            return (
                f" Check id and secret: `issuer client show {client}` says whether it is disabled,"
                f" `issuer client secret create {client}` makes another secret."
            )
        case "invalid_scope":
            return (
                f" `issuer preview {client} --audience {audience}` shows what it may have,"
                f" `issuer client role assign {client} ROLE --audience {audience}` gives it more."
            )
        case "invalid_target":
            return f" Allow it with `issuer client update {client} --add-audience {audience}`."
        case "unauthorized_client":
            grant = form.get("grant_type")
            return f" Allow it with `issuer client update {client} --add-grant-type {grant}`."
    return ""


def token_endpoint(issuer: str, at: str | None = None) -> str:
    """From the metadata of this issuer; `at` as in `metadata_of`."""
    return endpoint_of(metadata_of(issuer, at), "token_endpoint", at)


def endpoint_of(metadata: Mapping[str, Any], name: str, at: str | None = None) -> str:
    """The URL of an endpoint that the metadata name; `at` as in `metadata_of`."""
    if name not in metadata:
        raise IssuerError(f"{metadata['issuer']} has no {name}.")
    return reached(str(metadata[name]), metadata["issuer"], at)


def metadata_of(issuer: str, at: str | None = None) -> dict[str, Any]:
    """The metadata of this issuer; that of another issuer is refused (RFC 8414 §3.3).

    `at` is the base URL at which this machine reaches the server, if that is another one.
    """
    base = private(at or issuer)
    metadata = metadata_at(base)
    if (name := metadata.get("issuer")) != issuer:
        raise IssuerError(f"The server at {base} has the issuer URL {name}: use that.")
    return metadata


def metadata_at(base: str, seconds: float = _SECONDS) -> dict[str, Any]:
    """The metadata of the issuer whose base URL is reached as `base` (RFC 8414 §3.1)."""
    parts = urlsplit(base)
    path = "/.well-known/oauth-authorization-server" + parts.path.rstrip("/")
    return sent("GET", f"{parts.scheme}://{parts.netloc}{path}", seconds)


def reached(url: str, issuer: str, at: str | None) -> str:
    """The URL of the issuer, below `at` if that is given."""
    path = url.removeprefix(issuer.rstrip("/"))
    return private(url if at is None else at.rstrip("/") + path)


def private(url: str) -> str:
    """The URL, if a secret may be sent there."""
    parts = urlsplit(url)
    if not parts.netloc:
        raise IssuerError(
            f"{url!r} is not a URL, and neither https:// nor loopback: begin it with https://, or"
            " on this machine with http://."
        )
    if parts.scheme != "https" and not (
        parts.scheme == "http" and is_loopback(parts.hostname or "")
    ):
        raise IssuerError(f"A secret is not sent to {url}, which is neither https:// nor loopback.")
    return url


def requested_token(
    endpoint: str, client_id: str, secret: str, form: Mapping[str, str | None]
) -> dict[str, Any]:
    """The token response (RFC 6749 §5.1)."""
    # Form-encoded before Basic (RFC 6749 §2.3.1).
    authentication = (quote(client_id, safe=""), quote(secret, safe=""))
    data = {name: value for name, value in form.items() if value is not None}
    try:
        return sent("POST", endpoint, data=data, auth=authentication)
    except ServerRefusal as refusal:
        refusal.args = (f"{refusal}.{cure_of(str(refusal.error), client_id, form)}",)
        raise


def posted(
    metadata: Mapping[str, Any], endpoint: str, form: Mapping[str, str], at: str | None = None
) -> dict[str, Any]:
    """The response of an endpoint of the metadata to a public client (RFC 6749 §3.2.1)."""
    return sent("POST", endpoint_of(metadata, endpoint, at), data=form)


def sent(method: str, url: str, seconds: float = _SECONDS, **request: Any) -> dict[str, Any]:
    """The JSON of a successful response; an `IssuerError` with the cause for any other."""
    authorities = httpx.create_ssl_context()  # also those of SSL_CERT_FILE; proxies are not used
    try:
        answer = httpx.request(
            method, url, timeout=seconds, verify=authorities, trust_env=False, **request
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise not_answering(url, error) from None
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        kind = Unavailable if answer.is_server_error else IssuerError  # such as 502 of a proxy
        raise kind(f"{url} answers {answer.status_code}, but not with JSON.")
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        raise unable(url)
    if not answer.is_success:
        raise ServerRefusal(body)
    return body


def unable(url: str) -> Unavailable:
    """For the status 503."""
    return Unavailable(
        f"{url} answers 503: the server runs, but cannot do this now. Its log says why;"
        " on its machine, `issuer doctor` checks the database."
    )


def not_answering(url: str, error: Exception) -> Unavailable:
    """With the cause in the words of the system, and what to do."""
    cause = _ERROR_NUMBER.sub("", str(error)) or type(error).__name__
    cure = next((f" {cure}" for words, cure in _CURES.items() if words in cause), "")
    return Unavailable(f"{url} does not answer: {cause}.{cure}")


def _refusal(body: dict[str, Any]) -> str:
    """The error of the protocol (RFC 6749 §5.2), or of the admin API (RFC 9457), in words."""
    kind, reason = body.get("error", body.get("title")), body.get("error_description")
    reason = str(reason or body.get("detail", "")).rstrip(".")
    return f"{kind} ({reason})" if reason else str(kind)
