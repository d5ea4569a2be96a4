"""The parameters of an authorization request, one by one (RFC 6749 §4.1.1, RFC 7636, RFC 8707,
OpenID Connect Core §3.1.2.1)."""

import re
from collections.abc import Mapping

from issuer.directory import AudienceRecord, ClientRecord
from issuer.scopes import OPENID, OPENID_SCOPES, InvalidScope, parse
from issuer.vocabulary import AuthorizationErrorCode as ErrorCode
from issuer.vocabulary import GrantType

NONE, LOGIN, CONSENT, SELECT_ACCOUNT = "none", "login", "consent", "select_account"
_PROMPTS = {NONE, LOGIN, CONSENT, SELECT_ACCOUNT}
_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")  # SHA-256 as base64url: RFC 7636 §4.2, RFC 7638 §3
_S256 = "code_challenge_method=S256"
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
_OF_REQUEST_OBJECTS = {
    "request": ErrorCode.REQUEST_NOT_SUPPORTED,
    "request_uri": ErrorCode.REQUEST_URI_NOT_SUPPORTED,
}


class InvalidParameter(Exception):
    """A parameter that cannot be served, and the error for it."""

    def __init__(
        self, parameter: str, description: str, error: ErrorCode = ErrorCode.INVALID_REQUEST
    ) -> None:
        super().__init__(description)
        self.parameter = parameter
        self.description = description
        self.error = error


def require_single(names: Mapping[str, int]) -> None:
    """RFC 6749 §3.1; `names` with how often each came."""
    for name, times in names.items():
        if times > 1:
            what = name if name.isidentifier() and name.isascii() else "of another name"
            raise InvalidParameter(name, f"The parameter {what[:50]} is repeated.")


def require_supported(client: ClientRecord, given: Mapping[str, str]) -> None:
    """Only codes, answered in the query, and only for clients with the grant."""
    for name, error in _OF_REQUEST_OBJECTS.items():
        if name in given:
            raise InvalidParameter(name, "Send plain parameters.", error)
    if given.get("response_mode", "query") != "query":
        raise InvalidParameter("response_mode", "response_mode must be query.")
    if (kind := given.get("response_type")) is None:
        raise InvalidParameter("response_type", "response_type is missing.")
    if kind != "code":
        error = ErrorCode.UNSUPPORTED_RESPONSE_TYPE
        raise InvalidParameter("response_type", "response_type must be code.", error)
    require_grant(client, GrantType.AUTHORIZATION_CODE)


def require_grant(client: ClientRecord, grant: GrantType) -> None:
    """RFC 6749 §4.1.2.1: `unauthorized_client`."""
    if grant not in client.grant_types:
        problem = f"The client may not use the grant {grant.short}."
        raise InvalidParameter("client_id", problem, ErrorCode.UNAUTHORIZED_CLIENT)


def require_pushed(client: ClientRecord) -> None:
    """RFC 9126 §4: of clients that say so, no request counts that the browser itself brings."""
    if client.require_pushed_authorization_requests:
        problem = "The client must push its requests (RFC 9126): send request_uri."
        raise InvalidParameter("request_uri", problem)


def code_challenge(client: ClientRecord, given: Mapping[str, str]) -> str:
    """Only with S256, and required of all but confidential clients that say so (RFC 9700 §2.1.1).

    Empty without one: then `nonce` and an ID token show the client whose code it is.
    """
    challenge, method = given.get("code_challenge"), given.get("code_challenge_method")
    if challenge is None and method is None and not client.needs_pkce:
        if OPENID in given.get("scope", "").split() and "nonce" in given:
            return ""
        parameter = "code_challenge"
        problem = f"Send code_challenge and {_S256}, or a nonce and the scope openid."
    elif challenge is None:
        parameter, problem = "code_challenge", f"PKCE is required: send code_challenge and {_S256}."
    elif method is None:
        parameter = "code_challenge_method"
        problem = f"PKCE without code_challenge_method is plain, which is refused: send {_S256}."
    elif method != "S256":
        parameter = "code_challenge_method"
        what = "PKCE with plain is refused" if method == "plain" else "This PKCE method is unknown"
        problem = f"{what}: send {_S256}."
    elif not _DIGEST.fullmatch(challenge):
        parameter = "code_challenge"
        problem = "code_challenge must be a SHA-256 digest as base64url: 43 characters, no padding."
    else:
        return challenge
    raise InvalidParameter(parameter, problem)


def dpop_jkt(given: Mapping[str, str]) -> str | None:
    """The thumbprint of the key to which the code is bound (RFC 9449 §10); None without one."""
    thumbprint = given.get("dpop_jkt")
    if thumbprint is not None and not _DIGEST.fullmatch(thumbprint):
        problem = "dpop_jkt must be the SHA-256 thumbprint of a key as base64url: 43 characters."
        raise InvalidParameter("dpop_jkt", problem)
    return thumbprint


def audience_id(client: ClientRecord, given: Mapping[str, str]) -> str | None:
    """RFC 8707 §2, with one audience per token. None: the token is only for user info."""
    named = {name: given[name] for name in ("audience", "resource") if name in given}
    audience = client.audience_for(named.values())
    if isinstance(audience, AudienceRecord):
        return audience.id if named or not audience.is_own else None
    if not named:
        return None
    is_first = audience.name is not None and audience.name == named.get("audience")
    parameter = "audience" if is_first else "resource"
    raise InvalidParameter(parameter, audience.reason, ErrorCode.INVALID_TARGET)


def scopes(given: Mapping[str, str]) -> tuple[frozenset[str], tuple[str, ...] | None]:
    """The scopes of OpenID Connect, and the others; None if there are no others."""
    asked = list(dict.fromkeys(given.get("scope", "").split()))
    others = tuple(scope for scope in asked if scope not in OPENID_SCOPES)
    try:
        for scope in others:
            parse(scope)
    except InvalidScope:
        problem = "The scope has a malformed value."
        raise InvalidParameter("scope", problem, ErrorCode.INVALID_SCOPE) from None
    return frozenset(asked).intersection(OPENID_SCOPES), others or None


def access(
    client: ClientRecord, given: Mapping[str, str]
) -> tuple[str | None, frozenset[str], tuple[str, ...] | None]:
    """The audience, the scopes of OpenID Connect, and the others, as above."""
    audience = audience_id(client, given)
    openid_scopes, others = scopes(given)
    if audience is None and others and any(parse(each).is_of_issuer for each in others):
        problem = "Name the issuer itself as the audience."
        raise InvalidParameter("audience", problem, ErrorCode.INVALID_TARGET)
    return audience, openid_scopes, others


def prompt(given: Mapping[str, str]) -> frozenset[str]:
    """What the client asks to be shown, or that nothing may be shown."""
    asked = frozenset(given.get("prompt", "").split())
    if not asked <= _PROMPTS:
        raise InvalidParameter("prompt", "prompt must be none, login or consent.")
    if NONE in asked and len(asked) > 1:
        raise InvalidParameter("prompt", "prompt has none with another value.")
    return asked


def max_age(given: Mapping[str, str]) -> int | None:
    """In seconds."""
    if (text := given.get("max_age")) is None:
        return None
    if not _SECONDS.fullmatch(text):
        raise InvalidParameter("max_age", "max_age must be seconds.")
    return int(text)
