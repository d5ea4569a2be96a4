"""Requests to the admin API of a server, and its refusals as the errors of the domain."""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from issuer.cli.api_client import not_answering, private, unable
from issuer.cli.confirming import ChangedMeanwhile
from issuer.cli.remote.target import CLIENT_ID, CLIENT_SECRET, client_at
from issuer.cli.running.stored_login import token_of_login
from issuer.cli.running.token_cache import token_from_cache
from issuer.errors import (
    Forbidden,
    InUse,
    InvalidField,
    IssuerError,
    NotAllowed,
    NotFound,
    UnknownReference,
)
from issuer.files import read_trusted
from issuer.manifest import InvalidManifest
from issuer.manifest.problems import ManifestProblem
from issuer.vocabulary import ADMIN_API

_SECONDS = 300  # a plan of a large manifest takes long
_PAGE = 500
JSON, YAML = "application/json", "application/yaml"
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL)
DRY_RUN = "dry_run"
_UNKNOWN_PARAMETER = "is not a query parameter of this operation"
_FORMS: dict[type, Callable[[Any], object]] = {
    SecretStr: SecretStr.get_secret_value,
    datetime: datetime.isoformat,
    timedelta: lambda duration: int(duration.total_seconds()),
    frozenset: sorted,
    set: sorted,
}
_SCOPE = re.compile(r'scope="([^"]+)"')


class AdminApiClient:
    """The admin API of an issuer, for one command."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self._base = f"{private(issuer).rstrip('/')}{ADMIN_API}"
        self._client_id = client_at(issuer)

    def close(self) -> None:
        if "_http" in vars(self):
            self._http.close()

    def send(
        self,
        method: str,
        path: Sequence[str],
        params: Mapping[str, Any] | None = None,
        body: object = None,
        *,
        if_match: str | None = None,
        accept: str = JSON,
    ) -> httpx.Response:
        """A successful response, in JSON if it has a body; an `IssuerError` for any other."""
        if dots := {".", ".."}.intersection(path):  # HTTP clients and proxies would resolve them
            raise IssuerError(f"{dots.pop()!r} cannot be an id.")
        url = "/".join([self._base, *(quote(part, safe="") for part in path)])
        headers = {"Accept": accept} | ({"If-Match": if_match} if if_match else {})
        data = None
        if body is not None:
            is_text = isinstance(body, bytes)  # a manifest
            data = body if is_text else json.dumps(body, default=_plain)
            headers["Content-Type"] = YAML if is_text else JSON
        known = {name: value for name, value in (params or {}).items() if value is not None}
        request: dict[str, Any] = {"params": known, "content": data, "headers": headers}
        try:
            answer = self._http.request(method, url, **request)
            if answer.status_code == httpx.codes.UNAUTHORIZED and self._client_id:
                self._token = self._read_token(refused=self._token)  # revoked since it was cached
                answer = self._http.request(method, url, **request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure = not_answering(self.issuer, error)
            if method != "GET" and DRY_RUN not in known and not isinstance(error, _NOT_SENT):
                failure.args = (f"{failure} It may have been done: look before you try again.",)
            raise failure from None
        if not answer.is_success:
            raise self._refusal(answer)
        if answer.content and not answer.headers.get("Content-Type", "").startswith(accept):
            raise _no_issuer(answer)
        return answer

    def page(
        self, path: Sequence[str], params: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Items of a list, and the cursor of those that follow."""
        answer = self.send("GET", path, params)
        try:
            return answer.json()["items"], answer.json()["next_cursor"]
        except (KeyError, TypeError):
            raise _no_issuer(answer) from None

    def items(self, path: Sequence[str]) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page."""
        cursor: str | None = None
        while True:
            items, cursor = self.page(path, {"limit": _PAGE, "cursor": cursor})
            yield from items
            if cursor is None:
                return

    @cached_property
    def _http(self) -> httpx.Client:
        authorities = httpx.create_ssl_context()  # also those of SSL_CERT_FILE
        return httpx.Client(
            timeout=_SECONDS, verify=authorities, trust_env=False, auth=self._authorize
        )

    def _authorize(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    @cached_property
    def _token(self) -> str:
        return self._read_token()

    def _read_token(self, refused: str | None = None) -> str:
        """A token for the admin API: of the client or of the login, but not the one `refused`."""
        if self._client_id:
            of_client = self.issuer, self._client_id, self.issuer
            return token_from_cache(*of_client, None, _client_secret, refused=refused)
        if (token := token_of_login(self.issuer, self.issuer)) is None:
            raise IssuerError(
                f"You are not signed in at {self.issuer}: use `issuer login {self.issuer}`, or set"
                f" {CLIENT_ID} and {CLIENT_SECRET}."
            )
        return token

    def _refusal(self, answer: httpx.Response) -> IssuerError:  # noqa: PLR0911 - one for each
        """The error of the domain for a problem (RFC 9457)."""
        try:
            problem = answer.json()
            detail = str(problem["detail"])
        except (ValueError, KeyError, TypeError):
            return _no_issuer(answer)
        kind = str(problem.get("type", "")).rpartition(":")[2]
        match kind:
            case "unauthenticated" | "forbidden":
                return self._no_access(kind, answer, detail)
            case "temporarily-unavailable":
                return unable(str(answer.url))
            case "precondition-failed":
                return ChangedMeanwhile()
            case "not-found" if missing := problem.get("missing"):
                return NotFound(missing["kind"], missing["name"])
            case "in-use":
                in_use = InUse("", "", problem.get("used_by", []))
                in_use.args = (detail,)
                return in_use
            case "invalid-fields" if problem.get("errors"):
                return self._invalid(problem)
        return (NotAllowed if answer.status_code == httpx.codes.CONFLICT else IssuerError)(detail)

    def _invalid(self, problem: Mapping[str, Any]) -> IssuerError:
        errors, missing = problem["errors"], problem.get("missing")
        if "line" in errors[0]:
            return InvalidManifest("", map(_of_manifest, errors), problem.get("more_errors", 0))
        first, *more = [(each["field"], each["message"]) for each in errors]
        if first[1] == _UNKNOWN_PARAMETER:
            return IssuerError(
                f"{self.issuer} has an older version of the issuer, which cannot do this: use the"
                " command line of that version. Nothing was changed."
            )
        if missing:
            return UnknownReference(first[0], missing["kind"], missing["name"])
        return InvalidField(*first, *more)

    def _no_access(self, kind: str, answer: httpx.Response, detail: str) -> IssuerError:
        client, login = self._client_id, f"`issuer login {self.issuer}`"
        if kind == "unauthenticated" and client:
            return IssuerError(f"{self.issuer} refuses the token of {client}. {detail}")
        if kind == "unauthenticated":
            return IssuerError(
                f"Your login at {self.issuer} has expired or was revoked: use {login}."
            )
        scope = _SCOPE.search(answer.headers.get("WWW-Authenticate", ""))
        error = Forbidden(scope and scope[1])
        lack = f"{client} lacks" if client else "you lack"
        again = "" if client else f" If you hold it now, sign in again with {login}."
        error.args = (f"{detail.rstrip('.')}, which {lack} at {self.issuer}.{again}",)
        return error


def _of_manifest(error: Mapping[str, Any]) -> ManifestProblem:
    where = "" if error["field"] == "body" else f"{error['field']}: "
    return ManifestProblem(error["line"], (), f"{where}{error['message']}")


def _no_issuer(answer: httpx.Response) -> IssuerError:
    where = answer.url.copy_with(query=None)
    return IssuerError(f"{where} answers {answer.status_code}, but not as an issuer.")


def _client_secret() -> str:
    if secret := os.environ.get(CLIENT_SECRET):
        return secret
    if file := os.environ.get(f"{CLIENT_SECRET}_FILE"):
        return read_trusted(Path(file), private=True).decode().strip()
    raise IssuerError(f"{CLIENT_SECRET} is not set: the secret of {os.environ[CLIENT_ID]}.")


def _plain(value: object) -> object:
    """What has no form of its own in JSON."""
    return next(form(value) for kind, form in _FORMS.items() if isinstance(value, kind))
