"""The OpenAPI 3.1 description of the protocol endpoints, which are not FastAPI routes."""

from collections.abc import Iterable
from typing import Any

from issuer.http.requests import FORM
from issuer.oauth.authorization import AUTHORIZATION_PATH, LOGOUT_PATH
from issuer.oauth.client_endpoint import DeviceAuthorization, PushedAuthorization, Revocation
from issuer.oauth.introspection import Introspection
from issuer.oauth.metadata import JWKS_PATH, metadata_paths
from issuer.oauth.provider_signals import (
    BackchannelLogout,
    FrontchannelLogout,
    GlobalTokenRevocation,
    SecurityEvents,
)
from issuer.oauth.registration import REGISTRATION_PATH
from issuer.oauth.revocation_feed import FEED_MEDIA_TYPE, FEED_PATH
from issuer.oauth.user_info import USER_INFO_PATH
from issuer.settings import Settings
from issuer.vocabulary import (
    CLIENT_ASSERTION_TYPE,
    GLOBAL_REVOCATION_TYPE,
    GRANTS_WITH_A_PERSON,
    TOKEN_PATH,
    AuthMethod,
    ErrorCode,
    TokenType,
)

TAGS = ["OAuth 2.0"]
REQUEST_ID = {
    "X-Request-Id": {
        "description": "The request's, if it is 1 to 128 of A-Z a-z 0-9 . _ -, else generated.",
        "schema": {"type": "string"},
    }
}
TEXT: dict[str, Any] = {"type": "string"}
_SECRET = {**TEXT, "format": "password"}
_SECONDS = {"type": "integer"}


def an_object(members: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """The schema of a JSON object, or of a form, as `schemas` has its `members`."""
    return {"type": "object", "required": required, "properties": schemas(members)}


def schemas(members: dict[str, Any]) -> dict[str, Any]:
    """Their schemas; where only a description is given, the member is a text."""
    return {name: _text(it) if isinstance(it, str) else it for name, it in members.items()}


def refusal(
    description: str, *headers: str, codes: Iterable[str] = tuple(ErrorCode)
) -> dict[str, Any]:
    """An error response (RFC 6749 §5.2)."""
    code = {**TEXT, "enum": [str(code) for code in codes]}
    shown = _json_answer(
        description, an_object({"error": code, "error_description": TEXT}, ["error"])
    )
    return shown | {"headers": REQUEST_ID | {name: {"schema": TEXT} for name in headers}}


def _bearer_refusal(description: str) -> dict[str, Any]:
    """RFC 6750 §3.1."""
    codes = ("invalid_token", "insufficient_scope")
    return refusal(description, "WWW-Authenticate", codes=codes)


def _json_answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    return {"description": description, "headers": REQUEST_ID, "content": content}


def _text(description: str, schema: dict[str, Any] = TEXT) -> dict[str, Any]:
    return {**schema, "description": description}


def _for_clients(
    operation_id: str, summary: str, description: str, form: dict[str, Any], done: dict[str, Any]
) -> dict[str, Any]:
    return {
        "tags": TAGS,
        "operationId": operation_id,
        "summary": summary,
        "description": description,
        "security": [{"client_secret_basic": []}, {}],
        "requestBody": {"required": True, "content": {FORM: form}},
        "responses": {
            "200": done,
            "400": refusal("The request is refused (RFC 6749 §5.2, RFC 8707 §2)"),
            "401": refusal("Client authentication failed", "WWW-Authenticate"),
            "405": refusal("Not a POST", "Allow"),
            "413": refusal("The body exceeds 16 KiB"),
            "429": refusal("Too many requests (RFC 6585 §4)", "Retry-After"),
            "500": refusal("Internal error. The log has the cause under the request id"),
            "503": refusal("Overload, or the database is unavailable", "Retry-After"),
        },
    }


def token(grant_types: list[str]) -> dict[str, Any]:
    """RFC 6749 §3.2."""
    request = {
        "grant_type": {**TEXT, "enum": grant_types},
        "scope": "Space-delimited. Default: all scopes held",
        "audience": "Id of the AgentOS the token is for; for an ID-JAG the other authorization"
        " server",
        "resource": "As `audience` (RFC 8707); for an ID-JAG a resource of the other"
        " authorization server",
        "session_id": "For clients with `may_set_session`",
        "username": "For the password grant",
        "password": _text("For the password grant", _SECRET),
        "refresh_token": _text("For the refresh token grant", _SECRET),
        "code": _text("For the authorization code grant", _SECRET),
        "device_code": _text("For the device authorization grant", _SECRET),
        "assertion": _text("For the JWT bearer grant (RFC 7523): an ID-JAG", _SECRET),
        "subject_token": _text("For a token exchange (RFC 8693): a token of a user", _SECRET),
        "subject_token_type": {**TEXT, "enum": [TokenType.ACCESS_TOKEN, TokenType.ID_TOKEN]},
        "requested_token_type": {**TEXT, "enum": [TokenType.ACCESS_TOKEN, TokenType.ID_JAG]},
        "code_verifier": _text("For the authorization code grant", _SECRET),
        "redirect_uri": "For the authorization code grant",
        "client_id": TEXT,
        "client_secret": _SECRET,
        "client_assertion": _text(
            "A JWT: `iss` and `sub` are the client, `aud` is the issuer alone, `exp` at most 10"
            " minutes away, `jti` used once",
            _SECRET,
        ),
        "client_assertion_type": {"const": CLIENT_ASSERTION_TYPE},
    }
    response = {
        "access_token": "A JWT of type at+jwt (RFC 9068), or an ID-JAG: a JWT of type"
        " oauth-id-jag+jwt",
        "token_type": _text("`N_A` for an ID-JAG", {**TEXT, "enum": ["Bearer", "DPoP", "N_A"]}),
        "expires_in": _text("Seconds", _SECONDS),
        "scope": "Space-delimited",
        "refresh_token": "Opaque, and replaced at every use. For clients with that grant type,"
        " after a user signed in",
        "id_token": "With `openid`, where a person signed in in a browser",
        "issued_token_type": "After a token exchange (RFC 8693 §2.2.1)",
    }
    always = ["access_token", "token_type", "expires_in", "scope"]
    example = {"grant_type": "client_credentials", "audience": "my-os", "scope": "agents:web:run"}
    described = _for_clients(
        "token",
        "Get an access token (RFC 6749 §3.2)",
        "A client authenticates with HTTP Basic, or with `client_id` and `client_secret` in the"
        " form, or with an assertion that it has signed (RFC 7523 §2.2). A public client sends only"
        " `client_id`.",
        {"schema": an_object(request, ["grant_type"]), "example": example},
        _json_answer("An access token for exactly `scope`", an_object(response, always)),
    )
    return {**described, "parameters": [_PROOF]}


_PROOF = {
    "name": "DPoP",
    "in": "header",
    "description": "A proof of possession, to which the token is bound (RFC 9449 §5, §10.1)",
    "schema": TEXT,
}

# RFC 7009 and RFC 7662 have the same request.
_A_TOKEN = {
    "token": "An access or refresh token",
    "token_type_hint": "Ignored",
    "client_id": TEXT,
    "client_secret": _SECRET,
}


def revocation() -> dict[str, Any]:
    """RFC 7009."""
    done = "The token is revoked, or was not an active token of the client"
    return _for_clients(
        "revoke",
        "Revoke a token; a refresh token with the access tokens of its family (RFC 7009)",
        "A client authenticates as at the token endpoint.",
        {"schema": an_object(_A_TOKEN, ["token"])},
        {"headers": REQUEST_ID, "description": done},
    )


def introspection() -> dict[str, Any]:
    """RFC 7662."""
    properties = {
        "active": {"type": "boolean"},
        **dict.fromkeys(("scope", "client_id", "username", "token_type", "sub"), TEXT),
        **dict.fromkeys(("aud", "iss", "jti", "session_id"), TEXT),
        **dict.fromkeys(("exp", "iat"), _SECONDS),
        "roles": {"type": "array", "items": TEXT},
        "act": {"type": "object", "description": "Who acts for the user (RFC 8693 §4.1)"},
        "cnf": {
            "type": "object",
            "description": "`jkt`: the thumbprint of the key to which it is bound (RFC 9449 §6.2)",
        },
    }
    return _for_clients(
        "introspect",
        "Introspect a token (RFC 7662)",
        "A client authenticates as at the token endpoint. Public clients are refused.",
        {"schema": an_object(_A_TOKEN, ["token"])},
        _json_answer(
            "Whether the token is active, and its properties. A token of another client is"
            " inactive, unless the caller has `issuer:introspect`",
            an_object(properties, ["active"]),
        ),
    )


def device_authorization() -> dict[str, Any]:
    """RFC 8628 §3.1."""
    uri = {**TEXT, "format": "uri"}
    answer = {
        "device_code": _text("For the token endpoint", _SECRET),
        "user_code": _text("What the user enters at `verification_uri`", _SECRET),
        "verification_uri": uri,
        "verification_uri_complete": _text("With the user code, for a QR code", uri),
        "expires_in": _text("Seconds", _SECONDS),
        "interval": _text("Seconds between two token requests", _SECONDS),
    }
    asked = {name: _AUTHORIZATION[name] for name in ("scope", "audience", "resource", "dpop_jkt")}
    form = an_object({**asked, "client_id": TEXT, "client_secret": _SECRET}, [])
    return _for_clients(
        "authorize_device",
        "Get codes for a device on which nobody can sign in (RFC 8628)",
        "A client authenticates as at the token endpoint.",
        {"schema": form},
        _json_answer("The codes", an_object(answer, list(answer))),
    )


def pushed_authorization() -> dict[str, Any]:
    """RFC 9126 §2."""
    asked = {name: each for name, each in _AUTHORIZATION.items() if name != "request_uri"}
    form = an_object({**asked, "client_secret": _SECRET}, ["response_type", "redirect_uri"])
    answer = {"request_uri": "For the authorization endpoint", "expires_in": _SECONDS}
    described = _for_clients(
        "push_authorization_request",
        "Push an authorization request (RFC 9126)",
        "A client authenticates as at the token endpoint. Nothing is stored.",
        {"schema": form},
        _json_answer("What the browser brings in place of the request", an_object(answer, [])),
    )
    responses = {
        "201" if status == "200" else status: each
        for status, each in described["responses"].items()
    }
    return {**described, "responses": responses, "parameters": [_PROOF]}


_URIS = {"type": "array", "items": {"type": "string", "format": "uri"}}
_METADATA: dict[str, Any] = {
    "redirect_uris": _URIS,
    "client_name": TEXT,
    "token_endpoint_auth_method": {**TEXT, "enum": list(AuthMethod)},
    "jwks": {"type": "object", "description": "Public keys, for private_key_jwt"},
    "jwks_uri": {**TEXT, "format": "uri"},
    "grant_types": {"type": "array", "items": {"enum": sorted(GRANTS_WITH_A_PERSON)}},
    "response_types": {"type": "array", "items": {"const": "code"}},
    "post_logout_redirect_uris": _URIS,
    "dpop_bound_access_tokens": {
        "type": "boolean",
        "description": "Whether all its access tokens are bound to a key (RFC 9449 §5.2)",
    },
    "require_pushed_authorization_requests": {
        "type": "boolean",
        "description": "Whether it pushes all its authorization requests (RFC 9126 §6)",
    },
    "backchannel_logout_uri": {**TEXT, "format": "uri"},
    "backchannel_logout_session_required": {"type": "boolean"},
}
_REGISTERED: dict[str, Any] = {
    "client_id": TEXT,
    "client_id_issued_at": _SECONDS,
    "client_secret": TEXT,
    "client_secret_expires_at": {"const": 0},
    **_METADATA,
}


def registration() -> dict[str, Any]:
    """RFC 7591."""
    body = {"application/json": {"schema": an_object(_METADATA, ["redirect_uris"])}}
    registered = an_object(_REGISTERED, ["client_id"])
    return {
        "tags": TAGS,
        "operationId": "register",
        "summary": "Register a client (RFC 7591)",
        "description": "Where `ISSUER_CLIENT_REGISTRATION` is `token`, with an access token of the"
        " scope `issuer:clients:register`. The client has no rights of its own. Other members are"
        " ignored, and so are other grant types.",
        "security": [{"access_token": []}, {}],
        "requestBody": {"required": True, "content": body},
        "responses": {
            "201": _json_answer("The client as registered; its secret is shown once", registered),
            "400": refusal("The metadata is refused (RFC 7591 §3.2.2)"),
            "401": _bearer_refusal("No active initial access token"),
            "403": _bearer_refusal("The token does not allow it"),
            "413": refusal("The body exceeds 16 KiB"),
            "429": refusal("Too many requests (RFC 6585 §4)", "Retry-After"),
            "503": refusal("Overload, or too many clients", "Retry-After"),
        },
    }


_AUTHORIZATION = {
    "response_type": {"const": "code"},
    "client_id": TEXT,
    "redirect_uri": "A registered one; on loopback the port may differ",
    "request_uri": "What `/oauth2/par` gave; then nothing counts beside it and `client_id`",
    "code_challenge": "base64url(SHA-256(code_verifier)); of all but some confidential clients",
    "code_challenge_method": {"const": "S256"},
    "state": TEXT,
    "scope": "Space-delimited; narrowed to what the user holds",
    "resource": "An audience, or a resource of one (RFC 8707)",
    "audience": "As `resource`",
    "nonce": TEXT,
    "dpop_jkt": "The thumbprint of a key, without which the code is of no use (RFC 9449 §10)",
    "prompt": "`none`, `login`, `consent` or `select_account`",
    "max_age": {"type": "integer", "description": "Seconds since the user signed in"},
    "acr_values": "Ignored: `acr` of the ID token says what was used",
    "login_hint": TEXT,
    "ui_locales": "Space-delimited language tags; the first that the pages have",
    "id_token_hint": TEXT,
}
_LOGOUT = {
    "id_token_hint": TEXT,
    "client_id": TEXT,
    "post_logout_redirect_uri": "A registered one",
    "state": TEXT,
    "ui_locales": "Space-delimited language tags; the first that the pages have",
}


def _signal(
    operation_id: str,
    summary: str,
    description: str,
    body: dict[str, Any],
    responses: dict[str, Any],
    security: str = "",
) -> dict[str, Any]:
    """What a trusted issuer where people sign in sends; `body` is by its content type."""
    return {
        "tags": TAGS,
        "operationId": operation_id,
        "summary": summary,
        "description": f"For trusted issuers where people sign in. {description}",
        "security": [{security: []} if security else {}],
        "requestBody": {
            "required": True,
            "content": {name: {"schema": schema} for name, schema in body.items()},
        },
        "responses": {
            **responses,
            "413": refusal("The body is too large"),
            "429": refusal("Too many wrong tokens (RFC 6585 §4)", "Retry-After"),
            "503": refusal("Overload", "Retry-After"),
        },
    }


def backchannel_logout() -> dict[str, Any]:
    """OpenID Connect Back-Channel Logout 1.0 §2.5."""
    return _signal(
        "backchannel_logout",
        "End what began at a trusted issuer (OpenID Connect Back-Channel Logout 1.0)",
        "The signed `logout_token` is the only credential, and counts once.",
        {FORM: an_object({"logout_token": TEXT}, ["logout_token"])},
        {
            "200": {"description": "Ended, if there was anything to end", "headers": REQUEST_ID},
            "400": refusal("The token does not count (§2.6)"),
        },
    )


def security_event() -> dict[str, Any]:
    """RFC 8935 §2."""
    codes = "invalid_request invalid_key invalid_issuer invalid_audience authentication_failed"
    answer = an_object({"err": {**TEXT, "enum": codes.split()}, "description": TEXT}, ["err"])
    return _signal(
        "deliver_security_event",
        "Deliver a security event token (RFC 8935)",
        "Events of CAEP, RISC and SSF 1.0. The signed token is the only credential, and counts"
        " once.",
        {"application/secevent+jwt": TEXT},
        {
            "202": {"description": "Accepted, also if it was before", "headers": REQUEST_ID},
            "400": _json_answer("The token does not count (RFC 8935 §2.4)", answer),
        },
    )


def global_token_revocation() -> dict[str, Any]:
    """draft-parecki-oauth-global-token-revocation-06 §3."""
    sub_id = {"type": "object", "description": "A subject identifier (RFC 9493)"}
    return _signal(
        "revoke_all_tokens",
        "End all access of a person (Universal Logout)",
        f"The bearer token is a JWT of type {GLOBAL_REVOCATION_TYPE} for this URL, which the"
        " trusted issuer has signed, and counts once.",
        {"application/json": an_object({"sub_id": sub_id}, ["sub_id"])},
        {
            "204": {"description": "All has ended", "headers": REQUEST_ID},
            "400": refusal("The body or the subject identifier cannot be read"),
            "401": _bearer_refusal("The bearer token does not count"),
            "403": _bearer_refusal("The subject is one of another issuer"),
            "404": refusal("Nobody here has this account"),
        },
        "trusted_issuer",
    )


def frontchannel_logout() -> dict[str, Any]:
    """OpenID Connect Front-Channel Logout 1.0 §3."""
    answers = {
        "200": "the session has ended",
        "400": "no session is named",
        "404": "no session here began in that one",
        "429": "too many unknown sessions",
        "503": "overload",
    }
    return {
        "tags": TAGS,
        "operationId": "frontchannel_logout",
        "summary": "End a session (OpenID Connect Front-Channel Logout 1.0)",
        "description": "For the page of a trusted issuer, which loads it in a frame. It ends what"
        " began in the session with this `sid` there.",
        "security": [{}],
        "parameters": [
            {"name": name, "in": "query", "required": True, "schema": TEXT}
            for name in ("iss", "sid")
        ],
        "responses": {
            status: {
                "description": f"An empty page: {what}",
                "headers": REQUEST_ID,
                "content": {"text/html": {}},
            }
            for status, what in answers.items()
        },
    }


def user_info() -> dict[str, Any]:
    """OpenID Connect Core §5.3, by GET and POST."""
    claims: dict[str, Any] = dict.fromkeys(("sub", "name", "preferred_username", "email"), TEXT)
    claims["email_verified"] = {"const": True, "description": "Left out if it is not verified"}
    challenge = {"WWW-Authenticate": {"schema": TEXT}}
    described = {
        "tags": TAGS,
        "summary": "Who signed in (OpenID Connect Core §5.3)",
        "description": "Any active access token of this issuer whose `scope` has `openid`.",
        "security": [{"access_token": []}],
        "responses": {
            "200": _json_answer("What the scopes of the token allow", an_object(claims, ["sub"])),
            "401": {"description": "No active access token", "headers": challenge},
            "403": {"description": "The token has no `openid`", "headers": challenge},
        },
    }
    return {
        "get": {**described, "operationId": "user_info"},
        "post": {**described, "operationId": "user_info_by_post"},
    }


def _for_browsers(
    operation_id: str, summary: str, parameters: dict[str, Any], required: set[str]
) -> dict[str, Any]:
    location = {"Location": {"schema": TEXT}}
    described = {
        "tags": TAGS,
        "summary": summary,
        "description": "For browsers: a client redirects there, and no script fetches it.",
        "responses": {
            "303": {"description": "Back to the client, or to a page", "headers": location},
            "400": {"description": "A page: client or address are wrong"},
            "503": {"description": "A page: try again in a moment"},
        },
    }
    body = {"content": {FORM: {"schema": an_object(parameters, sorted(required))}}}
    query = [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in schemas(parameters).items()
    ]
    return {
        "get": {**described, "operationId": operation_id, "parameters": query},
        "post": {**described, "operationId": f"{operation_id}_by_post", "requestBody": body},
    }


def protocol_paths(settings: Settings, grant_types: Iterable[str]) -> dict[str, Any]:
    """The `paths` of the protocol endpoints."""
    base = settings.base_path
    metadata = _document(
        "Authorization server metadata (RFC 8414)",
        "application/json",
        {"type": "object", "required": ["issuer", "token_endpoint", "jwks_uri"]},
    )
    is_off = settings.client_registration == "off"
    registration_path = {} if is_off else {base + REGISTRATION_PATH: {"post": registration()}}
    jwks = _document(
        "The key set for verifying tokens (RFC 7517)",
        "application/jwk-set+json",
        an_object({"keys": {"type": "array", "items": {"type": "object"}}}, ["keys"]),
    )
    signing_in = "Sign a person in for a client"
    return {
        base + AUTHORIZATION_PATH: _for_browsers(
            "authorize", signing_in, _AUTHORIZATION, {"client_id"}
        ),
        base + TOKEN_PATH: {"post": token(list(grant_types))},
        base + USER_INFO_PATH: user_info(),
        base + LOGOUT_PATH: _for_browsers("logout", "Sign a person out", _LOGOUT, set()),
        base + BackchannelLogout.path: {"post": backchannel_logout()},
        base + FrontchannelLogout.path: {"get": frontchannel_logout()},
        base + SecurityEvents.path: {"post": security_event()},
        base + GlobalTokenRevocation.path: {"post": global_token_revocation()},
        base + Revocation.path: {"post": revocation()},
        base + Introspection.path: {"post": introspection()},
        base + DeviceAuthorization.path: {"post": device_authorization()},
        base + PushedAuthorization.path: {"post": pushed_authorization()},
        **registration_path,
        base + JWKS_PATH: {"get": jwks},
        base + FEED_PATH: {"get": _feed(settings.signing_algorithms)},
        **{path: {"get": metadata} for path in metadata_paths(base)},
    }


def security_schemes() -> dict[str, Any]:
    """How clients and trusted issuers authenticate at these endpoints, for `components`."""
    return {
        "client_secret_basic": {"type": "http", "scheme": "basic"},
        "trusted_issuer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }


def _feed(algorithms: Iterable[str]) -> dict[str, Any]:
    described = _document("The revocation feed: a JWT of type revocations+jwt", FEED_MEDIA_TYPE)
    described["description"] = (
        "Signed by a key of the key set. Claims: `iss`, `iat`, `exp` and `revoked`. Members of"
        " `revoked`: `jti`, tokens with their `exp`; `sid`, families of refresh tokens with the"
        " `exp` of the last access token; `sub`, `client_id` and `aud`, each with a time T: tokens"
        " issued at or before T are revoked; `kid`, revoked keys. All times in whole seconds."
    )
    alg = {**TEXT, "enum": [str(alg) for alg in algorithms]}
    described["parameters"].append(
        {"name": "alg", "in": "query", "description": "Algorithm of the signing key", "schema": alg}
    )
    described["responses"]["400"] = refusal("Unsupported `alg`")
    described["responses"]["503"] = refusal("The database is unavailable", "Retry-After")
    return described


def _document(
    summary: str, media_type: str, schema: dict[str, Any] | None = None
) -> dict[str, Any]:
    cached = {name: {"schema": TEXT} for name in ("ETag", "Cache-Control")}
    return {
        "tags": TAGS,
        "summary": summary,
        "parameters": [{"name": "If-None-Match", "in": "header", "schema": TEXT}],
        "responses": {
            "200": {
                "description": "The document",
                "headers": {**REQUEST_ID, **cached},
                "content": {media_type: {"schema": schema} if schema else {}},
            },
            "304": {"description": "Not modified", "headers": REQUEST_ID},
        },
    }
