"""A valid authorization request, and its sealed form, which the browser or the client keeps.

It is not stored, so that nobody can fill the database; its cookie ties it to the browser.
"""

import hmac
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any, TypeAlias
from urllib.parse import urlencode

from issuer.clock import Clock
from issuer.database.store import new_id
from issuer.directory import ActingClient, AudienceRecord, ClientRecord, UserRecord
from issuer.keys.sealing import SealedTexts
from issuer.vocabulary import AuthorizationErrorCode, GrantType

VALID_FOR = timedelta(minutes=10)
PUSHED_VALID_FOR = timedelta(seconds=90)  # until a browser comes with it
MAX_STATE = 4_096
MAX_BYTES = 2_500  # as JSON, without `state`
MAX_IN_COOKIE = 3_700  # with its name: browsers keep cookies of 4,096 bytes
_MAX_SEALED = 7_800  # in a URL: many servers and proxies accept request lines of 8 KB
_DIGEST_COOKIE = re.compile(r"(\d{1,12})\.([A-Za-z0-9_-]{43})", re.ASCII)
_SETS = ("openid_scopes", "prompt")
_UI_LOCALE = "ui_locale="
_PUSHED = "urn:ietf:params:oauth:request_uri:"  # RFC 9126 §2.2


@dataclass(frozen=True, slots=True)
class Device:
    """A device that asked (RFC 8628): its code's hex digest, what it shows, from where."""

    hex_digest: str = field(repr=False)
    user_code: str = field(repr=False)
    address: str | None

    @property
    def digest(self) -> bytes:
        return bytes.fromhex(self.hex_digest)


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """The parameters of RFC 6749 §4.1.1, RFC 7636, RFC 8707 and OpenID Connect Core §3.1.2.1.

    `audience_id` None: the token is only for user info. `scopes` None: all that the user holds.
    `expected_user_id`: the user of the `id_token_hint`; nobody else may complete the request.
    `ui_locale` is the first of `ui_locales` that the pages have; None if there is none.
    `code_challenge` is by S256. It is empty where a `device` asks, which has the device code, and
    for clients that need none.
    `dpop_jkt` is the thumbprint of the key to which the code is bound (RFC 9449 §10).
    """

    id: str
    client_id: str
    redirect_uri: str
    audience_id: str | None
    scopes: tuple[str, ...] | None
    openid_scopes: frozenset[str]
    code_challenge: str
    created_at: datetime
    state: str | None = field(default=None, repr=False)
    nonce: str | None = field(default=None, repr=False)
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    login_hint: str | None = None
    expected_user_id: str | None = None
    device: Device | None = None
    ui_locale: str | None = None
    dpop_jkt: str | None = None

    @property
    def grant_type(self) -> GrantType:
        """The grant by which the client will get the token."""
        return GrantType.DEVICE_CODE if self.device else GrantType.AUTHORIZATION_CODE


class RequestTooLarge(Exception):
    """The parameters are too long to be kept by the browser."""


@dataclass(frozen=True, slots=True)
class RequestDigest:
    """What a cookie holds of a request that does not fit into it: the digest of the sealed text."""

    created_at: datetime
    digest: str


class AuthorizationRequests:
    """Seals requests, and opens them.

    A cookie named by its id keeps a request; or the digest of a large one, which travels whole.
    What a client `pushed` (RFC 9126) is sealed under another key: neither passes for the other.
    """

    def __init__(
        self, texts: SealedTexts, pushed: SealedTexts, clock: Clock, random: Random
    ) -> None:
        self._texts = texts
        self._pushed = pushed
        self._clock = clock
        self._random = random

    def new_id(self) -> str:
        return new_id("", self._random)

    def seal(self, request: AuthorizationRequest) -> str:
        """The sealed text; `RequestTooLarge`."""
        return self._seal(request, self._texts)

    def push(self, request: AuthorizationRequest) -> str:
        """A `request_uri` that holds it (RFC 9126 §2.2); `RequestTooLarge`."""
        return _PUSHED + self._seal(request, self._pushed)

    def open_pushed(self, uri: str, client_id: str) -> AuthorizationRequest | None:
        """What that client pushed, as if it came now, so that a sign-in before is no answer to it.

        None if it expired, or if it is of another client.
        """
        members = json.loads(self._pushed.open(uri.removeprefix(_PUSHED)) or "null")
        if members is None or members["client_id"] != client_id:
            return None
        now = self._clock()
        if now >= datetime.fromtimestamp(members["created_at"], UTC) + PUSHED_VALID_FOR:
            return None
        return _read(members | {"created_at": now})

    def _seal(self, request: AuthorizationRequest, texts: SealedTexts) -> str:
        members = asdict(request) | {name: sorted(getattr(request, name)) for name in _SETS}
        members |= {"created_at": request.created_at.timestamp(), "state": None}
        for name in ("device", "dpop_jkt"):
            if members[name] is None:
                del members[name]  # earlier versions, which may run beside this one, know neither
        if locale := members.pop("ui_locale"):
            # They refuse this member, but ignore values of `prompt` that they do not know.
            members["prompt"].append(_UI_LOCALE + locale)
        if len(_json(members)) > MAX_BYTES:
            raise RequestTooLarge
        sealed = texts.seal(_json(members | {"state": request.state}))
        if len(sealed) > _MAX_SEALED:
            raise RequestTooLarge
        return sealed

    def keep(self, request: AuthorizationRequest, sealed: str) -> tuple[str, str]:
        """What pages name the request by, and the text for its cookie."""
        if len(sealed) <= MAX_IN_COOKIE:
            return request.id, sealed
        cookie = f"{int(request.created_at.timestamp())}.{_digest(sealed)}"
        return f"{request.id}.{sealed}", cookie

    def open_kept(
        self, name: str, cookie_of: Callable[[str], str | None]
    ) -> AuthorizationRequest | None:
        """The request that a page names; None if this browser, by its cookies, did not begin it."""
        request_id, _, sealed = name.partition(".")
        cookie = cookie_of(request_id)
        if cookie is None:
            return None
        if sealed:
            kept = self.digest_in(cookie)
            if kept is None or not hmac.compare_digest(kept.digest, _digest(sealed)):
                return None
        request = self.open(sealed or cookie)
        return request if request and request.id == request_id else None

    def digest_in(self, cookie: str) -> RequestDigest | None:
        """The digest in a cookie; None if there is none, or it expired."""
        if (match := _DIGEST_COOKIE.fullmatch(cookie)) is None:
            return None
        kept = RequestDigest(datetime.fromtimestamp(int(match[1]), UTC), match[2])
        return kept if self._clock() < kept.created_at + VALID_FOR else None

    def open(self, sealed: str) -> AuthorizationRequest | None:
        """The request; None if it expired or was not sealed here."""
        members = unless_expired(self._texts.open(sealed), self._clock())
        return _read(members) if members else None


def is_pushed(uri: str) -> bool:
    """Whether it is of the form that `push` gives."""
    return uri.startswith(_PUSHED)


def _json(members: Mapping[str, Any]) -> str:
    return json.dumps(members, separators=(",", ":"))


def _digest(sealed: str) -> str:
    return urlsafe_b64encode(sha256(sealed.encode()).digest()).decode().rstrip("=")


def unless_expired(text: str | None, now: datetime) -> dict[str, Any] | None:
    """The members of a request that was unsealed; None if it expired or was not sealed here."""
    if text is None:
        return None
    members = json.loads(text)
    created_at = datetime.fromtimestamp(members["created_at"], UTC)
    return members | {"created_at": created_at} if now < created_at + VALID_FOR else None


def _read(members: Mapping[str, Any]) -> AuthorizationRequest:
    scopes, prompt = members["scopes"], members["prompt"]
    locales = [each for each in prompt if each.startswith(_UI_LOCALE)]
    return AuthorizationRequest(
        **{
            **members,
            "scopes": None if scopes is None else tuple(scopes),
            "openid_scopes": frozenset(members["openid_scopes"]),
            "prompt": frozenset(prompt).difference(locales),
            "device": Device(**members["device"]) if "device" in members else None,
            "ui_locale": locales[0].removeprefix(_UI_LOCALE) if locales else None,
        }
    )


@dataclass(frozen=True, slots=True)
class RequestProblem:
    """An error for a page: no redirect can be trusted to bring it to the client.

    `sentence` is for everybody. `return_to`: where it would have been sent (RFC 9700 §4.11.2).
    """

    error: str
    sentence: str
    parameter: str = ""
    given: str | None = None
    registered: tuple[str, ...] = ()
    section: str = ""
    status: int = 400
    return_to: str | None = field(default=None, repr=False)


def excerpt(given: str | None, longest: int = 500) -> str | None:
    """What was sent as an error page shows it."""
    if given is None or len(given) <= longest:
        return given
    return f"{given[:longest]}… ({len(given):,} characters)"


def invalid_request(
    sentence: str,
    parameter: str,
    given: str | None = None,
    *,
    section: str,
    registered: Sequence[str] = (),
    longest: int = 500,
) -> RequestProblem:
    """The error `invalid_request`, with what was sent, cut to the `longest` that a page shows."""
    sent, error = excerpt(given, longest), AuthorizationErrorCode.INVALID_REQUEST
    return RequestProblem(error, sentence, parameter, sent, tuple(registered), section)


@dataclass(frozen=True, slots=True)
class Redirection:
    """A redirect to the client, with a code or an error. `error` is empty for a code."""

    url: str = field(repr=False)
    error: str = ""


@dataclass(frozen=True, slots=True)
class SignInNeeded:
    """The user must sign in, perhaps again."""

    request: AuthorizationRequest


@dataclass(frozen=True, slots=True)
class ConsentNeeded:
    """The user must be asked whether the client may have `scopes` and `openid_scopes`.

    `audience` is None where the client only learns who the user is. `not_granted`: what the user
    holds there, and the client would not get. `acting`: which clients may act for the user with
    the token, and where.
    """

    request: AuthorizationRequest
    client: ClientRecord
    user: UserRecord
    audience: AudienceRecord | None
    scopes: tuple[str, ...]
    openid_scopes: tuple[str, ...]
    not_granted: tuple[str, ...]
    acting: tuple[ActingClient, ...] = ()

    @property
    def allowing(self) -> tuple[object, ...]:
        """What the user allows, by whom it is allowed and where it applies."""
        where = self.request.audience_id
        return self.user.id, where, self.scopes, self.openid_scopes, self.acting


NextStep: TypeAlias = SignInNeeded | ConsentNeeded | Redirection | RequestProblem


def with_parameters(redirect_uri: str, parameters: dict[str, str | None]) -> str:
    """The URI with further query parameters (RFC 6749 §4.1.2), without those that are None."""
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}"
