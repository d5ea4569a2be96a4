"""The routes of the issuer: those of the admin API with their scopes, and the public ones.

tests/admin/test_explain_own_api.py compares each route of the running app with this list.
"""

from dataclasses import replace
from functools import cache

from issuer.explain.own_api import OwnRoute
from issuer.settings import Settings


def routes_of(settings: Settings) -> tuple[OwnRoute, ...]:
    """Every route of an issuer with these settings."""
    return own_routes(
        settings.base_path,
        has_metrics=settings.metrics_token is not None,
        has_registration=settings.client_registration != "off",
        has_mail=settings.smtp_url is not None,
    )


@cache
def own_routes(
    base_path: str, *, has_metrics: bool, has_registration: bool, has_mail: bool
) -> tuple[OwnRoute, ...]:
    """Every route of an issuer with this base path."""
    # Imported here: FastAPI and the screens are slow to import, and most questions need neither.
    from issuer.admin.api import own_routes as admin_operations  # noqa: PLC0415 - 16 MB
    from issuer.admin.scim.description import scim_operations  # noqa: PLC0415 - 9.2 MB
    from issuer.oauth.metadata import metadata_paths  # noqa: PLC0415 - with the others
    from issuer.web.console.routes import SCREENS  # noqa: PLC0415 - 6.8 MB
    from issuer.web.passkeys import OPTIONS  # noqa: PLC0415 - 6.9 MB
    from issuer.web.routes import ENDPOINTS, WITH_MAIL, WITH_PASSKEYS  # noqa: PLC0415 - 6.9 MB

    optional = ((_METRICS, has_metrics), (_REGISTRATION, has_registration))
    with_mail = WITH_MAIL if has_mail else ()
    pages = (
        _public("GET HEAD POST", path, "It shows what the person who is signed in may see.")
        for path in (
            "",
            *(each.PATH for each in SCREENS),
            *(each.PATH for each in (*ENDPOINTS, *WITH_PASSKEYS, *with_mail)),
            *(each.PATH + OPTIONS for each in WITH_PASSKEYS),
        )
    )
    public = (*_PUBLIC, *pages, *(route for route, exists in optional if exists))
    below = (*admin_operations(), *scim_operations(), *public)
    found = [replace(each, path=path) for each in below if (path := base_path + each.path)]
    return (*found, *(_public("OPTIONS GET HEAD", path) for path in metadata_paths(base_path)))


def _public(methods: str, path: str, note: str = "") -> OwnRoute:
    return OwnRoute(frozenset(methods.split()), path, None, note)


_PUBLIC = (
    _public("GET POST", "/oauth2/authorize"),
    _public("OPTIONS POST", "/oauth2/token"),
    _public("OPTIONS GET POST", "/oauth2/userinfo", "It requires a token with openid."),
    _public("GET POST", "/oauth2/logout"),
    _public("OPTIONS POST", "/oauth2/revoke"),
    _public("POST", "/oauth2/backchannel-logout"),
    _public("GET", "/oauth2/frontchannel-logout"),
    _public("POST", "/oauth2/security-events"),
    _public("POST", "/oauth2/global-token-revocation"),
    _public("POST", "/oauth2/introspect"),
    _public("POST", "/oauth2/device_authorization"),
    _public("OPTIONS POST", "/oauth2/par"),
    _public("OPTIONS GET HEAD", "/.well-known/jwks.json"),
    _public("OPTIONS GET HEAD", "/.well-known/revocations"),
    _public("GET HEAD", "/healthz"),
    _public("GET HEAD", "/readyz"),
    _public("GET HEAD", "/openapi.json"),
    _public("GET HEAD", "/docs", "With ISSUER_API_DOCS=false it does not exist."),
    _public("GET HEAD", "/docs-assets/{file:path}"),
    _public("GET HEAD", "/assets/{digest}/{name}"),
)

_REGISTRATION = _public(
    "OPTIONS POST",
    "/oauth2/register",
    "ISSUER_CLIENT_REGISTRATION=token requires a token with issuer:clients:register.",
)
_METRICS = _public("GET HEAD", "/metrics", "It requires the token of ISSUER_METRICS_TOKEN.")
