"""The scopes that each route of the issuer requires: a new route gets its line here.

tests/admin/test_explain_own_api.py compares each route of the running app with this list.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

_PRIVILEGED = "A change to what holds or grants rights at the issuer itself requires issuer:admin."
_OF_TRUSTED_ISSUERS = f"Fetching keys from private addresses requires issuer:admin. {_PRIVILEGED}"
_OF_ITS_SUBJECT = (
    "A question about a client requires issuer:clients:read, about a user issuer:users:read,"
    " about a user through a client both."
)
_OF_WHOSE_IT_IS = (
    "A client's token requires issuer:clients:write, a user's issuer:users:write, and a token for"
    " the admin API or a jti without the token issuer:admin."
)
_OF_SECTIONS = "Each section that changes requires its write scope, such as issuer:roles:write."
_OF_USERS = "For a user, issuer:users:read is required as well."

_WHOLE_CONFIGURATION = tuple(
    f"issuer:{name}:read" for name in ("audiences", "trusted-issuers", "roles", "clients", "users")
)


@dataclass(frozen=True, slots=True)
class OwnRoute:
    """A route that requires all of `needs`; (): any scope of the issuer; None: no access token.

    If two routes match a request, one of them is enough. `note` is a further requirement that the
    path alone cannot tell; it concerns admins only on routes without scopes.
    """

    methods: frozenset[str]
    path: str
    needs: tuple[str, ...] | None
    note: str = ""

    def is_at(self, path: str) -> bool:
        return path_regex(self.path).fullmatch(path) is not None


def own_routes(base_path: str, *, has_metrics: bool, has_registration: bool) -> Iterator[OwnRoute]:
    """Every route of an issuer with this base path."""
    optional = ((_METRICS, has_metrics), (_REGISTRATION, has_registration))
    public = (*_PUBLIC, *_PAGES, *(route for route, exists in optional if exists))
    for prefix, routes in ((f"{base_path}/admin/v1", _ADMIN_API), (base_path, public)):
        for route in routes:
            if path := prefix + route.path:
                yield replace(route, path=path)
    for name in ("oauth-authorization-server", "openid-configuration"):  # RFC 8414 §3.1, OIDC §4
        for path in (f"/.well-known/{name}{base_path}", f"{base_path}/.well-known/{name}"):
            yield _route("OPTIONS GET HEAD", path, None)


def needs_of(method: str, path: str) -> list[tuple[str, ...]]:
    """The scopes for an operation of the admin API: any one of several sets is enough.

    `path` is that of the route, relative to the API; `LookupError` if there is no line for it.
    """
    found = [route.needs for route in _ADMIN_API if method in route.methods and route.is_at(path)]
    if not found:
        raise LookupError(f"own_routes.py has no line for {method} {path}")
    return [needs or () for needs in found]


def first_requiring(scope: str) -> tuple[str, str] | None:
    """The first operation of the admin API, without an id, that this scope alone allows."""
    for route in _ADMIN_API:
        if route.needs == (scope,) and "{" not in route.path:
            return min(route.methods), f"/admin/v1{route.path}"
    return None


def methods_at(
    path: str, base_path: str, *, has_metrics: bool, has_registration: bool
) -> list[str]:
    """The methods of `path`, for the `Allow` header (RFC 9110 §10.2.1)."""
    routes = own_routes(base_path, has_metrics=has_metrics, has_registration=has_registration)
    return sorted({method for route in routes if route.is_at(path) for method in route.methods})


def _route(methods: str, path: str, needs: tuple[str, ...] | None, note: str = "") -> OwnRoute:
    return OwnRoute(frozenset(methods.split()), path, needs, note)


def _of(resource: str, methods: str, path: str, note: str = _PRIVILEGED) -> Iterator[OwnRoute]:
    """The read scope for GET and HEAD, the write scope and `note` for other methods."""
    for method in methods.split():
        reads = method == "GET"
        needs = (f"issuer:{resource}:{'read' if reads else 'write'}",)
        yield _route("GET HEAD" if reads else method, path, needs, "" if reads else note)


_ADMIN_API = (
    *_of("audiences", "GET POST", "/audiences", note=""),
    *_of("audiences", "GET PATCH DELETE", "/audiences/{id:path}"),
    *_of("roles", "GET POST", "/roles"),
    *_of("roles", "GET PATCH DELETE", "/roles/{name}"),
    *_of("clients", "GET POST", "/clients"),
    *_of("clients", "GET PATCH DELETE", "/clients/{client_id}"),
    *_of("clients", "GET POST", "/clients/{client_id}/secrets"),
    *_of("clients", "GET DELETE", "/clients/{client_id}/secrets/{secret_id}"),
    *_of("clients", "POST", "/clients/{client_id}/revoke-tokens"),
    *_of("clients", "GET", "/clients/{client_id}/roles"),
    *_of("clients", "PUT DELETE", "/clients/{client_id}/roles/{role}"),
    *_of("clients", "GET POST DELETE", "/clients/{client_id}/rotation"),
    *_of("clients", "POST", "/clients/{client_id}/rotation/finish"),
    *_of("trusted-issuers", "GET POST", "/trusted-issuers", note=_OF_TRUSTED_ISSUERS),
    *_of("trusted-issuers", "GET PATCH DELETE", "/trusted-issuers/{id}", note=_OF_TRUSTED_ISSUERS),
    *_of("users", "GET POST", "/users", note=""),
    *_of("users", "GET PATCH DELETE", "/users/{id}"),
    *_of("users", "PUT", "/users/{id}/password"),
    *_of("users", "POST", "/users/{id}/revoke-tokens"),
    *_of("users", "POST", "/users/{id}/unlock"),
    *_of("users", "GET DELETE", "/users/{id}/factors"),
    *_of("users", "DELETE", "/users/{id}/factors/{factor_id}"),
    *_of("users", "POST DELETE", "/users/{id}/invitation"),
    *_of("users", "GET", "/users/{id}/sessions"),
    *_of("users", "DELETE", "/users/{id}/sessions/{session_id}"),
    *_of("users", "GET", "/users/{id}/consents"),
    *_of("users", "DELETE", "/users/{id}/consents/{client_id}"),
    *_of("users", "GET", "/users/{id}/roles"),
    *_of("users", "PUT DELETE", "/users/{id}/roles/{role}"),
    _route("POST", "/tokens/revoke", ("issuer:clients:write",), _OF_WHOSE_IT_IS),
    _route("POST", "/tokens/revoke", ("issuer:users:write",), _OF_WHOSE_IT_IS),
    *_of("keys", "GET", "/keys"),
    *_of("keys", "POST", "/keys/rotate", note=""),
    *_of("keys", "GET", "/keys/{kid}"),
    *_of("keys", "POST", "/keys/{kid}/revoke", note=""),
    *_of("verifiers", "GET", "/verifiers"),
    *_of("audit", "GET", "/audit-events"),
    *_of("status", "GET", "/status"),
    _route("GET HEAD", "/manifest", _WHOLE_CONFIGURATION),
    _route("GET HEAD", "/manifest/schema", ()),
    _route("POST", "/manifest/plan", _WHOLE_CONFIGURATION),
    _route("POST", "/manifest/apply", _WHOLE_CONFIGURATION, f"{_OF_SECTIONS} {_PRIVILEGED}"),
    _route("GET HEAD", "/scopes", ()),
    _route("POST", "/scopes/lint", ()),
    _route("POST", "/explain", ("issuer:clients:read",), _OF_ITS_SUBJECT),
    _route("POST", "/explain", ("issuer:users:read",), _OF_ITS_SUBJECT),
    _route("POST", "/preview", ("issuer:clients:read",), _OF_USERS),
)

_PUBLIC = (
    _route("GET POST", "/oauth2/authorize", None),
    _route("OPTIONS POST", "/oauth2/token", None),
    _route("OPTIONS GET POST", "/oauth2/userinfo", None, "It requires a token with openid."),
    _route("GET POST", "/oauth2/logout", None),
    _route("OPTIONS POST", "/oauth2/revoke", None),
    _route("POST", "/oauth2/introspect", None),
    _route("OPTIONS GET HEAD", "/.well-known/jwks.json", None),
    _route("OPTIONS GET HEAD", "/.well-known/revocations", None),
    _route("GET HEAD", "/healthz", None),
    _route("GET HEAD", "/readyz", None),
    _route("GET HEAD", "/openapi.json", None),
    _route("GET HEAD", "/docs", None, "With ISSUER_API_DOCS=false it does not exist."),
    _route("GET HEAD", "/docs-assets/{file:path}", None),
)

_PAGE_PATHS = """
    / /sign-in /sign-in/second-factor /sign-in/authenticator /invitation/{token} /consent /sign-out
    /account /account/password /account/sessions /account/consents /account/authenticator
    /account/passkey /account/remove-factor /account/recovery-codes
    /passkeys/sign-in /passkeys/second-factor /passkeys/first /passkeys/register
    /passkeys/invitation/{token} /passkeys/sign-in/options /passkeys/second-factor/options
    /passkeys/first/options /passkeys/register/options /passkeys/invitation/{token}/options
    /console /console/audiences /console/audiences/{key:path}
    /console/audit /console/audit/export /console/audit/{id} /console/clients
    /console/clients/{key:path} /console/configuration /console/configuration/export
    /console/explain /console/explain/token /console/keys /console/keys/verifiers
    /console/roles /console/roles/{key:path} /console/trusted-issuers
    /console/trusted-issuers/{key:path} /console/users /console/users/{key:path}
"""
_PAGES = (
    *(
        _route("GET HEAD POST", path, None, "It shows what the person who is signed in may see.")
        for path in ("", *_PAGE_PATHS.split())
    ),
    _route("GET HEAD", "/assets/{digest}/{name}", None),
)

_REGISTRATION = _route(
    "OPTIONS POST",
    "/oauth2/register",
    None,
    "ISSUER_CLIENT_REGISTRATION=token requires a token with issuer:clients:register.",
)
_METRICS = _route("GET HEAD", "/metrics", None, "It requires the token of ISSUER_METRICS_TOKEN.")


@cache
def path_regex(path: str) -> re.Pattern[str]:
    """A regex for `path`: `{name}` is one segment, `{name:path}` may span slashes."""
    spans = {None: "[^/]+", ":path": ".*"}
    escaped = re.escape(path)
    return re.compile(re.sub(r"\\\{\w+(:path)?\\\}", lambda found: spans[found[1]], escaped))
