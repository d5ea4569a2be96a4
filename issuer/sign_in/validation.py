"""Validating an authorization request (RFC 6749 §4.1.1, RFC 7636, RFC 8707, OpenID Connect Core
§3.1.2.1)."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from issuer.clock import Clock
from issuer.directory import ClientRecord
from issuer.redirect_uris import is_registered
from issuer.scopes import OPENID_SCOPES, InvalidScope, parse
from issuer.sign_in.authorization_request import (
    AuthorizationRequest,
    AuthorizationRequests,
    RequestTooLarge,
)
from issuer.sign_in.outcomes import Redirection, RequestProblem, with_parameters
from issuer.vocabulary import AuthorizationErrorCode, GrantType

ErrorCode = AuthorizationErrorCode
FindClient: TypeAlias = Callable[[str], ClientRecord | None]

NONE, LOGIN, CONSENT, SELECT_ACCOUNT = "none", "login", "consent", "select_account"
_PROMPTS = {NONE, LOGIN, CONSENT, SELECT_ACCOUNT}
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # a SHA-256 digest, base64url: RFC 7636 §4.2
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
_MAX_SHOWN = 500


class _Invalid(Exception):
    def __init__(self, error: AuthorizationErrorCode, description: str, parameter: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.parameter = parameter


class Validation:
    """Decides whether a request can be served, before anybody has signed in. Writes nothing."""

    def __init__(
        self,
        issuer: str,
        clock: Clock,
        requests: AuthorizationRequests,
        find_client: FindClient,
    ) -> None:
        self._issuer = issuer
        self._clock = clock
        self._requests = requests
        self._find_client = find_client

    def validated(
        self, parameters: Sequence[tuple[str, str]]
    ) -> tuple[AuthorizationRequest, str] | Redirection | RequestProblem:
        """The request and its sealed form.

        A `RequestProblem` where client or redirect URI are wrong, and for clients that registered
        themselves: until a person has acted, their redirect URIs are not trusted.
        """
        names = Counter(name for name, _ in parameters)
        given = {name: value for name, value in parameters if value}
        client = self._client(names, given)
        if isinstance(client, RequestProblem):
            return client
        redirect_uri = given["redirect_uri"]
        try:
            _require_single(names)
            request = self._request(client, redirect_uri, given)
            return request, self._requests.seal(request)
        except _Invalid as invalid:
            return self._refused(client, redirect_uri, given, invalid)
        except RequestTooLarge:
            too_large = _Invalid(ErrorCode.INVALID_REQUEST, "The parameters are too long.", "")
            return self._refused(client, redirect_uri, given, too_large)

    def _client(
        self, names: Mapping[str, int], given: Mapping[str, str]
    ) -> ClientRecord | RequestProblem:
        for name in ("client_id", "redirect_uri"):
            if names[name] > 1:
                return _problem(f"The parameter {name} is repeated.", name, "RFC 6749 §3.1")
            if name not in given:
                return _problem(f"The parameter {name} is missing.", name, "RFC 6749 §4.1.1")
        client_id, redirect_uri = given["client_id"], given["redirect_uri"]
        client = self._find_client(client_id)
        if client is None or client.disabled:
            return _problem(
                "The application is not known here.", "client_id", "RFC 6749 §4.1.2.1", client_id
            )
        return redirect_problem(client, redirect_uri) or client

    def _request(
        self, client: ClientRecord, redirect_uri: str, given: Mapping[str, str]
    ) -> AuthorizationRequest:
        _require_supported(client, given)
        audience_id = _audience_id(client, given)
        openid_scopes, scopes = _scopes(given)
        if audience_id is None and scopes and any(parse(each).is_of_issuer for each in scopes):
            raise _Invalid(
                ErrorCode.INVALID_TARGET, "Name the issuer itself as the audience.", "audience"
            )
        return AuthorizationRequest(
            id=self._requests.new_id(),
            client_id=client.client_id,
            redirect_uri=redirect_uri,
            audience_id=audience_id,
            scopes=scopes,
            openid_scopes=openid_scopes,
            state=given.get("state"),
            nonce=given.get("nonce"),
            prompt=_prompt(given),
            max_age=_max_age(given),
            login_hint=given.get("login_hint"),
            code_challenge=_code_challenge(given),
            created_at=self._clock(),
        )

    def _refused(
        self,
        client: ClientRecord,
        redirect_uri: str,
        given: Mapping[str, str],
        invalid: _Invalid,
    ) -> Redirection | RequestProblem:
        url = error_url(
            self._issuer, redirect_uri, given.get("state"), invalid.error, invalid.description
        )
        if not client.is_self_registered or given.get("prompt") == NONE:
            return Redirection(url, invalid.error)
        return RequestProblem(
            invalid.error,
            invalid.description,
            invalid.parameter,
            _shown(given.get(invalid.parameter)),
            section="RFC 6749 §4.1.2.1",
            return_to=url,
        )


def redirect_problem(client: ClientRecord, redirect_uri: str) -> RequestProblem | None:
    """Not None if the client has not registered that redirect URI."""
    if is_registered(redirect_uri, client.redirect_uris):
        return None
    return _problem(
        "The application asked to be answered at an address that is not registered for it.",
        "redirect_uri",
        "RFC 6749 §3.1.2.4",
        redirect_uri,
        client.redirect_uris,
    )


def error_url(
    issuer: str,
    redirect_uri: str,
    state: str | None,
    error: AuthorizationErrorCode,
    description: str,
) -> str:
    """RFC 6749 §4.1.2.1, with `iss` (RFC 9207 §2)."""
    described = {"error": error.value, "error_description": description}
    return with_parameters(redirect_uri, {**described, "state": state, "iss": issuer})


def _problem(
    sentence: str,
    parameter: str,
    section: str,
    given: str | None = None,
    registered: Sequence[str] = (),
) -> RequestProblem:
    return RequestProblem(
        ErrorCode.INVALID_REQUEST,
        sentence,
        parameter,
        _shown(given),
        tuple(registered),
        section,
    )


def _shown(given: str | None) -> str | None:
    return None if given is None else given[:_MAX_SHOWN]


def _require_single(names: Mapping[str, int]) -> None:
    for name, times in names.items():
        if times > 1:
            what = name if name.isidentifier() and name.isascii() else "of another name"
            raise _Invalid(
                ErrorCode.INVALID_REQUEST, f"The parameter {what[:50]} is repeated.", name
            )


def _require_supported(client: ClientRecord, given: Mapping[str, str]) -> None:
    if "request" in given:
        raise _Invalid(ErrorCode.REQUEST_NOT_SUPPORTED, "Send plain parameters.", "request")
    if "request_uri" in given:
        raise _Invalid(ErrorCode.REQUEST_URI_NOT_SUPPORTED, "Send plain parameters.", "request_uri")
    if given.get("response_mode", "query") != "query":
        raise _Invalid(ErrorCode.INVALID_REQUEST, "response_mode must be query.", "response_mode")
    if "response_type" not in given:
        raise _Invalid(ErrorCode.INVALID_REQUEST, "response_type is missing.", "response_type")
    if given["response_type"] != "code":
        raise _Invalid(
            ErrorCode.UNSUPPORTED_RESPONSE_TYPE, "response_type must be code.", "response_type"
        )
    if GrantType.AUTHORIZATION_CODE not in client.grant_types:
        raise _Invalid(
            ErrorCode.UNAUTHORIZED_CLIENT,
            "The client may not use the grant authorization_code.",
            "client_id",
        )


def _code_challenge(given: Mapping[str, str]) -> str:
    """Required of every client, and only with S256 (RFC 9700 §2.1.1)."""
    if given.get("code_challenge_method") != "S256":
        raise _Invalid(
            ErrorCode.INVALID_REQUEST,
            "code_challenge_method must be S256.",
            "code_challenge_method",
        )
    challenge = given.get("code_challenge", "")
    if not _CHALLENGE.fullmatch(challenge):
        raise _Invalid(
            ErrorCode.INVALID_REQUEST,
            "code_challenge must be a SHA-256 digest as base64url.",
            "code_challenge",
        )
    return challenge


def _audience_id(client: ClientRecord, given: Mapping[str, str]) -> str | None:
    """RFC 8707 §2, with one audience per token. None: the token is only for user info."""
    named = {name: given[name] for name in ("audience", "resource") if name in given}
    if not named:
        permitted = list(client.audiences.values())
        return permitted[0].id if len(permitted) == 1 and not permitted[0].is_own else None
    found = set()
    for parameter, name in named.items():
        audience = client.audience_named(name)
        if audience is None:
            raise _Invalid(
                ErrorCode.INVALID_TARGET,
                "The client may not have tokens for this audience.",
                parameter,
            )
        found.add(audience.id)
    if len(found) > 1:
        raise _Invalid(ErrorCode.INVALID_TARGET, "A token is for one audience.", "resource")
    return found.pop()


def _scopes(given: Mapping[str, str]) -> tuple[frozenset[str], tuple[str, ...] | None]:
    """The scopes of OpenID Connect, and the others; None if there are no others."""
    asked = list(dict.fromkeys(given.get("scope", "").split()))
    others = tuple(scope for scope in asked if scope not in OPENID_SCOPES)
    try:
        for scope in others:
            parse(scope)
    except InvalidScope:
        raise _Invalid(
            ErrorCode.INVALID_SCOPE, "The scope has a malformed value.", "scope"
        ) from None
    return frozenset(asked).intersection(OPENID_SCOPES), others or None


def _prompt(given: Mapping[str, str]) -> frozenset[str]:
    prompt = frozenset(given.get("prompt", "").split())
    if not prompt <= _PROMPTS:
        raise _Invalid(
            ErrorCode.INVALID_REQUEST, "prompt must be none, login or consent.", "prompt"
        )
    if NONE in prompt and len(prompt) > 1:
        raise _Invalid(ErrorCode.INVALID_REQUEST, "prompt has none with another value.", "prompt")
    return prompt


def _max_age(given: Mapping[str, str]) -> int | None:
    if (text := given.get("max_age")) is None:
        return None
    if not _SECONDS.fullmatch(text):
        raise _Invalid(ErrorCode.INVALID_REQUEST, "max_age must be seconds.", "max_age")
    return int(text)
