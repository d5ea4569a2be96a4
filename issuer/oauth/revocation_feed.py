"""`GET /.well-known/revocations`: the revocation feed (docs/reference/revocation-feed.md)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import ASGIApp

from issuer.background.workers import WorkerPool
from issuer.composition.tokens import TokenParts
from issuer.errors import Unavailable
from issuer.http.requests import caller, document, values_of
from issuer.keys import Keyring
from issuer.oauth.messages import OAuthError, OAuthResponse, invalid_request
from issuer.tokens.feed import FeedDocument
from issuer.verifiers.known_verifier import REPORT_HEADER
from issuer.verifiers.known_verifiers import ReportedVerifiers
from issuer.vocabulary import SigningAlgorithm

FEED_PATH = "/.well-known/revocations"
FEED_MEDIA_TYPE = "application/jwt"
FEED_MAX_AGE = 5  # seconds


@dataclass(eq=False, repr=False)
class RevocationFeedEndpoint:
    """Served from memory, on the event loop, unless it must be rendered again."""

    _tokens: TokenParts
    _keyring: Keyring
    _algorithms: Sequence[SigningAlgorithm]
    _queries: WorkerPool
    _verifiers: ReportedVerifiers

    def __post_init__(self) -> None:
        self._rendering = asyncio.Lock()

    async def __call__(self, request: Request) -> ASGIApp:
        # Before the answer, which never depends on it, and also while there is none.
        if len(reports := values_of(request.scope["headers"], REPORT_HEADER)) == 1:
            self._verifiers.note(reports[0], caller(request).address)
        try:
            feed = await self._current(self._algorithm(request))
        except (OAuthError, Unavailable) as error:
            return OAuthResponse.refusing(error)
        return document(
            request, feed.body, etag=feed.etag, media_type=FEED_MEDIA_TYPE, max_age=FEED_MAX_AGE
        )

    async def _current(self, alg: SigningAlgorithm) -> FeedDocument:
        """The current feed. Of concurrent requests for a new one, one renders it."""
        self._tokens.changes.require_current()
        published = self._tokens.revocation_feed
        if (feed := published.held(alg)) is not None:
            return feed
        async with self._rendering:
            if (feed := published.held(alg)) is not None:
                return feed
            return await self._queries.run(published.render, alg)

    def _algorithm(self, request: Request) -> SigningAlgorithm:
        """The requested one, else the first configured one with keys in the key set."""
        configured = self._algorithms
        # Parsing the query takes as long as all the rest, and most requests have none.
        requested = request.query_params.getlist("alg") if request.scope["query_string"] else []
        if not requested:
            return next(iter(self._keyring.published_algorithms), configured[0])
        # A verifier asks for either name of the algorithm.
        other = {"EdDSA": "Ed25519", "Ed25519": "EdDSA"}.get(requested[0])
        if other in configured and requested[0] not in configured:
            requested = [str(other)]
        if len(requested) > 1 or requested[0] not in configured:
            raise invalid_request(f"alg must be one of {', '.join(configured)}.")
        return SigningAlgorithm(requested[0])
