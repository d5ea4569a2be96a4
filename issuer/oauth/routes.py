"""Routes of the protocol endpoints: plain Starlette routes, which cost a third of FastAPI's."""

import json
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from issuer.background.workers import WorkerPool
from issuer.composition import ProtocolParts
from issuer.http.cookies import Cookies
from issuer.http.etags import etag_of
from issuer.http.middleware import AllowedMethods, Endpoint
from issuer.http.requests import document
from issuer.oauth import authorization
from issuer.oauth.authorization_server import IssuerAuthorizationServer
from issuer.oauth.client_authentication import CredentialChecks
from issuer.oauth.client_endpoint import (
    ClientEndpoint,
    DeviceAuthorization,
    PushedAuthorization,
    Revocation,
)
from issuer.oauth.endpoint import EndpointParts, LoadShedder
from issuer.oauth.introspection import Introspection
from issuer.oauth.metadata import JWKS_PATH, MAX_AGE, metadata, metadata_paths
from issuer.oauth.provider_signals import (
    BackchannelLogout,
    FrontchannelLogout,
    GlobalTokenRevocation,
    SecurityEvents,
    SignalEndpoint,
)
from issuer.oauth.registration import REGISTRATION_PATH, RegistrationEndpoint
from issuer.oauth.revocation_feed import FEED_PATH, RevocationFeedEndpoint
from issuer.oauth.token_endpoint import TokenEndpoint
from issuer.oauth.user_info import USER_INFO_PATH, UserInfoEndpoint
from issuer.rate_limits.limits import RateLimits
from issuer.rate_limits.password_pool import PasswordPool
from issuer.rate_limits.request_limits import ClientQueues
from issuer.sign_in.device_codes import PAGE as DEVICE_PAGE
from issuer.telemetry.metrics import Metrics
from issuer.telemetry.tracing import Tracing
from issuer.vocabulary import TOKEN_PATH


def protocol_routes(
    parts: ProtocolParts,
    server: IssuerAuthorizationServer,
    queries: WorkerPool,
    people: WorkerPool,
    passwords: PasswordPool,
    metrics: Metrics,
    limits: RateLimits,
    problem_page: authorization.ProblemPage,
    tracing: Tracing,
) -> list[Route]:
    """Every protocol endpoint, under the path of `ISSUER_URL`."""
    settings, clock, tokens, keyring = parts.settings, parts.clock, parts.tokens, parts.keyring
    authentication = (tokens.client_authentication, lambda: tokens.client_assertions)
    checks = CredentialChecks(*authentication, tokens.last_use, limits, queries, passwords, clock)
    shared = EndpointParts(
        clock, tokens, checks, parts.audit_writer, parts.refusals, LoadShedder(clock), queries
    )
    token_endpoint = TokenEndpoint(shared, server, metrics, tracing)
    revocation_feed = RevocationFeedEndpoint(
        tokens, keyring, settings.signing_algorithms, queries, parts.verifiers
    )
    of_tokens: tuple[ClientEndpoint, ...] = (
        Revocation(shared, ClientQueues(clock, metrics=metrics), parts.administration),
        Introspection(
            shared, None, settings.url, is_password_enough=settings.users_sign_in_with_password
        ),
    )
    verification_page = settings.url + DEVICE_PAGE
    device = DeviceAuthorization(shared, None, parts.people.device_codes, verification_page)
    pushed = PushedAuthorization(shared, None, parts.people.validation)
    mode = settings.client_registration
    registration = RegistrationEndpoint(
        shared, parts.administration, metrics, limits.registrations, needs_token=mode == "token"
    )
    of_signals = (shared, tokens.directory, parts.administration, parts.provider_signals, passwords)
    signals: tuple[SignalEndpoint, ...] = (
        BackchannelLogout(*of_signals),
        SecurityEvents(*of_signals),
        GlobalTokenRevocation(*of_signals),
    )
    frontchannel_logout = FrontchannelLogout(*of_signals, limits.unknown_sessions)
    described = metadata(settings, server.grants, of_tokens)
    body = json.dumps(described, separators=(",", ":")).encode()
    etag = etag_of(body)

    async def jwks(request: Request) -> Response:
        current = keyring.jwks
        # Without the database the key set is still served, but must not be cached: it may be stale.
        max_age = settings.jwks_max_age if tokens.changes.is_current else timedelta(0)
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
    of_pages = (parts.people, settings.url, people, Cookies(settings.url), problem_page)
    pages = (
        (authorization.AUTHORIZATION_PATH, authorization.AuthorizationEndpoint(*of_pages, metrics)),
        (authorization.LOGOUT_PATH, authorization.LogoutEndpoint(*of_pages)),
    )
    return [
        *(_route(base + path, page, "GET", "POST", is_for_scripts=False) for path, page in pages),
        _route(base + USER_INFO_PATH, UserInfoEndpoint(tokens, queries), "GET", "POST"),
        _route(base + TOKEN_PATH, token_endpoint, "POST"),
        *([] if mode == "off" else [_route(base + REGISTRATION_PATH, registration, "POST")]),
        *(_route(base + each.path, each, "POST", is_for_scripts=False) for each in signals),
        _route(base + FrontchannelLogout.path, frontchannel_logout, "GET", is_for_scripts=False),
        *(
            _route(base + endpoint.path, endpoint, "POST", is_for_scripts=endpoint.is_for_scripts)
            for endpoint in (*of_tokens, device, pushed)
        ),
        _route(base + JWKS_PATH, jwks, *read),
        _route(base + FEED_PATH, revocation_feed, *read),
        *(_route(path, discovery, *read) for path in metadata_paths(base)),
    ]


def _route(path: str, endpoint: Endpoint, *methods: str, is_for_scripts: bool = True) -> Route:
    only = AllowedMethods(*methods, endpoint=endpoint, is_for_scripts=is_for_scripts)
    route = Route(path, only, methods=list(methods))
    route.methods = only.answered  # Starlette adds HEAD wherever there is GET
    return route
