"""Routes of the protocol endpoints: plain Starlette routes, which cost a third of FastAPI's."""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from issuer.background.workers import WorkerPool
from issuer.composition import ProtocolParts
from issuer.http.cookies import Cookies
from issuer.http.middleware import AllowedMethods, Endpoint
from issuer.http.requests import document
from issuer.oauth.authorization import AUTHORIZATION_PATH, AuthorizationEndpoint
from issuer.oauth.authorization_server import IssuerAuthorizationServer
from issuer.oauth.browser_endpoint import ProblemPage
from issuer.oauth.client_authentication import CredentialChecks
from issuer.oauth.client_endpoint import ClientEndpoint, ForClients
from issuer.oauth.device_authorization import DeviceAuthorization
from issuer.oauth.endpoint import EndpointParts, LoadShedder, Refusals
from issuer.oauth.introspection import Introspection
from issuer.oauth.logout import LOGOUT_PATH, LogoutEndpoint
from issuer.oauth.metadata import (
    JWKS_PATH,
    MAX_AGE,
    TOKEN_PATH,
    metadata,
    metadata_paths,
    rendered,
)
from issuer.oauth.registration import REGISTRATION_PATH, RegistrationEndpoint
from issuer.oauth.revocation import Revocation
from issuer.oauth.revocation_feed import FEED_PATH, RevocationFeedEndpoint
from issuer.oauth.token_endpoint import TokenEndpoint
from issuer.oauth.user_info import USER_INFO_PATH, UserInfoEndpoint
from issuer.rate_limits.client_queue import ClientQueues
from issuer.rate_limits.limits import RateLimits
from issuer.rate_limits.password_pool import PasswordPool
from issuer.sign_in.device_codes import PAGE as DEVICE_PAGE
from issuer.telemetry.metrics import Metrics
from issuer.telemetry.tracing import Tracing


def protocol_routes(
    parts: ProtocolParts,
    server: IssuerAuthorizationServer,
    queries: WorkerPool,
    people: WorkerPool,
    passwords: PasswordPool,
    metrics: Metrics,
    limits: RateLimits,
    problem_page: ProblemPage,
    tracing: Tracing,
) -> list[Route]:
    """Every protocol endpoint, under the path of `ISSUER_URL`."""
    settings, clock, tokens, keyring = parts.settings, parts.clock, parts.tokens, parts.keyring
    shedder, refusals = LoadShedder(clock), Refusals(parts.audit_writer, parts.refusals, clock)
    authentication = (tokens.client_authentication, lambda: tokens.client_assertions)
    checks = CredentialChecks(*authentication, tokens.last_use, limits, queries, passwords, clock)
    shared = EndpointParts(clock, tokens, checks, refusals, shedder, queries)
    token_endpoint = TokenEndpoint(shared, server, parts.audit_writer, metrics, tracing)
    revocation_feed = RevocationFeedEndpoint(
        tokens, keyring, settings.signing_algorithms, queries, parts.verifiers
    )
    revocation = Revocation(tokens.any_reader, tokens.refresh_tokens, parts.administration)
    introspection = Introspection(tokens, settings)
    device = DeviceAuthorization(parts.people.device_codes, settings.url + DEVICE_PAGE)
    queues = ClientQueues(clock, metrics=metrics)
    body, etag = rendered(metadata(settings, server.grants, (revocation, introspection)))

    def for_clients(endpoint: ForClients, queues: ClientQueues | None = None) -> Route:
        called = ClientEndpoint(shared, endpoint, queues)
        path, is_for_scripts = settings.base_path + endpoint.path, endpoint.is_for_scripts
        return _route(path, called, "POST", is_for_scripts=is_for_scripts)

    async def jwks(request: Request) -> Response:
        current = keyring.jwks
        # Without the database the key set is still served, but must not be cached: it may be stale.
        is_current = tokens.changes.is_current
        max_age = settings.jwks_max_age if is_current else timedelta(0)
        return document(
            request,
            current.body,
            etag=current.etag,
            media_type="application/jwk-set+json",
            max_age=current.max_age(clock(), max_age),
        )

    async def discovery(request: Request) -> Response:
        return document(request, body, etag=etag, media_type="application/json", max_age=MAX_AGE)

    base, read = settings.base_path, ("GET", "HEAD")
    pages = (settings.url, people, Cookies(settings.url), problem_page)
    return [
        _page(base + AUTHORIZATION_PATH, AuthorizationEndpoint(parts.people, *pages, metrics)),
        _page(base + LOGOUT_PATH, LogoutEndpoint(parts.people, *pages)),
        _route(base + USER_INFO_PATH, UserInfoEndpoint(tokens, queries), "GET", "POST"),
        _route(base + TOKEN_PATH, token_endpoint, "POST"),
        *_registration(parts, shared, metrics, limits),
        for_clients(revocation, queues),
        for_clients(introspection),
        for_clients(device),
        _route(base + JWKS_PATH, jwks, *read),
        _route(base + FEED_PATH, revocation_feed, *read),
        *(_route(path, discovery, *read) for path in metadata_paths(settings)),
    ]


def _registration(
    parts: ProtocolParts, shared: EndpointParts, metrics: Metrics, limits: RateLimits
) -> list[Route]:
    """The registration endpoint, unless it is off."""
    mode = parts.settings.client_registration
    if mode == "off":
        return []
    endpoint = RegistrationEndpoint(
        shared,
        parts.administration,
        metrics,
        limits.registrations,
        needs_token=mode == "token",
    )
    return [_route(parts.settings.base_path + REGISTRATION_PATH, endpoint, "POST")]


def _route(path: str, endpoint: Endpoint, *methods: str, is_for_scripts: bool = True) -> Route:
    only = AllowedMethods(*methods, endpoint=endpoint, is_for_scripts=is_for_scripts)
    route = Route(path, only, methods=list(methods))
    route.methods = only.answered  # Starlette adds HEAD wherever there is GET
    return route


def _page(path: str, endpoint: Endpoint) -> Route:
    """A browser is sent there: no script fetches it."""
    return _route(path, endpoint, "GET", "POST", is_for_scripts=False)
