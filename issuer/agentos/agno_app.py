"""The app that AgentOS gives: where it checks tokens, and where it would not."""

import logging
from collections.abc import Iterator
from typing import Any

from issuer.agentos.errors import ConfigurationError

log = logging.getLogger(__name__)


def apps_within(app: Any) -> Iterator[Any]:
    """`app`, and every app that is mounted in it."""
    yield app
    for route in getattr(app, "routes", ()):
        inner = getattr(route, "app", None)
        if getattr(inner, "routes", None) is not None and hasattr(inner, "state"):
            yield from apps_within(inner)


def middleware_of(app: Any) -> list[dict[str, Any]]:
    """The settings of each of agno's JWT middlewares on `app`, a subclass of it included."""
    from agno.os.middleware.jwt import JWTMiddleware  # noqa: PLC0415

    return [
        dict(entry.kwargs)
        for entry in getattr(app, "user_middleware", ())
        if isinstance(entry.cls, type) and issubclass(entry.cls, JWTMiddleware)
    ]


def require_authentication(app: Any) -> None:
    """`ConfigurationError` for an app that would ask nobody for a token, or believe each."""
    found = [settings for each in apps_within(app) for settings in middleware_of(each)]
    if any(settings.get("validate") is False for settings in found):
        raise ConfigurationError("validate=False would have agno believe every token.")
    if not found:
        raise ConfigurationError(
            "Nothing in this app checks tokens: AgentOS(…, **verifier.auth()) does, or"
            " app.add_middleware(JWTMiddleware, jwks_file=verifier.jwks_file, authorization=True)."
        )


def token_places(app: Any, cookie: str | None) -> tuple[set[str], set[str]]:
    """The headers and the cookies in which a token may come."""
    headers, cookies = {"authorization"}, {cookie} if cookie else set()
    for each in apps_within(app):
        for settings in middleware_of(each):
            headers.add(str(settings.get("token_header_key", "authorization")))
            if str(getattr(settings.get("token_source"), "value", "header")) != "header":
                cookies.add(str(settings.get("cookie_name", "access_token")))
    return headers, cookies


def close_sockets(app: Any, jwks_file: str, algorithm: str) -> None:
    """Give the WebSockets a validator from the first moment.

    agno gives them one when it finds its own middleware on the very app of the socket. With a
    subclass of it, or with the middleware on an outer app, they are open to anybody until the
    first HTTP request, or for ever.
    """
    from agno.os.middleware.jwt import JWTValidator  # noqa: PLC0415

    outer: dict[str, Any] = {}
    for each in apps_within(app):
        outer = next(iter(middleware_of(each)), outer)
        state = each.state
        if getattr(state, "jwt_validator", None) is not None:
            continue
        names = ("verification_keys", "scopes_claim", "user_id_claim", "session_id_claim")
        given = {name: outer[name] for name in names if name in outer}
        state.jwt_validator = JWTValidator(
            jwks_file=outer.get("jwks_file") or jwks_file,
            algorithm=outer.get("algorithm", algorithm),
            **given,
        )
        state.jwt_verify_audience = bool(outer.get("verify_audience", False))
        state.jwt_audience = outer.get("audience")
        if outer.get("admin_scope"):
            state.admin_scope = outer["admin_scope"]
        state.user_isolation_enabled = bool(outer.get("user_isolation", False))


def warn_of_open_interfaces(app: Any) -> None:
    """Manual middleware without `authorization=True` lets every token do everything."""
    for each in apps_within(app):
        for settings in middleware_of(each):
            if not settings.get("authorization") and settings.get("scope_mappings") is None:
                log.warning(
                    "JWTMiddleware without authorization=True checks who calls and not what they"
                    " may do: every holder of a token may use every route, A2A and AG-UI included."
                )
