"""The revocation feed: all revocations as a signed JWT (docs/reference/revocation-feed.md)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from issuer.clock import Clock
from issuer.database import Database
from issuer.database.counts import FeedState
from issuer.errors import Unavailable
from issuer.http.etags import etag_of
from issuer.keys import Keyring, SigningKey
from issuer.revocations import RevocationView
from issuer.revocations.revoked import Revoked
from issuer.revocations.store import RevocationStore
from issuer.vocabulary import FEED_TYPE, KEY_RETENTION, SigningAlgorithm

# An unchanged feed gets a new `iat` this often. In between, its ETag stays the same.
RENEW_AFTER = timedelta(seconds=30)
# From `iat` to `exp`: how long a verifier may use a feed it cannot refresh.
VALID_FOR = timedelta(minutes=10)
# However often tokens are revoked, a process spends a small part of its time on the feed: after
# rendering, it pauses this many times as long as rendering took. Verifiers allow 10 s.
_PAUSE_FACTOR = 10
_MAX_PAUSE = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class FeedDocument:
    """The feed at `state`, signed by `kid`, rendered with `keys`: `application/jwt`.

    With the same keys, no other is rendered before `paused_until` (monotonic clock).
    """

    body: bytes
    etag: str
    kid: str
    state: FeedState
    keys: Sequence[SigningKey]
    paused_until: float


@dataclass(eq=False, repr=False)
class FeedPublisher:
    """Renders the feed once for each requested algorithm, and again after a change."""

    _issuer: str
    _database: Database
    _clock: Clock
    _keyring: Keyring
    _view: RevocationView
    _look: Callable[[], None]
    _documents: dict[SigningAlgorithm, FeedDocument] = field(default_factory=dict, init=False)

    def held(self, alg: SigningAlgorithm) -> FeedDocument | None:
        """The feed, if this process holds one that is current. Memory only."""
        document = self._with_current_keys(alg)
        if document is None or self._clock.monotonic() < document.paused_until:
            return document
        is_same = document.state == self._view.revoked.state
        return document if is_same and not self._is_due() else None

    def render(self, alg: SigningAlgorithm) -> FeedDocument:
        """The current feed. Queries and signs: not for the event loop.

        While the database is unavailable, the last feed rendered with the current keys.
        """
        if self._is_due():
            try:
                self._advance_time()
            except Unavailable:
                if (document := self._with_current_keys(alg)) is not None:
                    return document
                raise
        if (document := self.held(alg)) is None:
            document = self._documents[alg] = self._render(alg)
        return document

    def _is_due(self) -> bool:
        return self._clock() - self._view.revoked.state.issued_at >= RENEW_AFTER

    def _advance_time(self) -> None:
        """The time of the feed is shared by all processes, in the database: it never goes back."""
        now = self._clock()
        with self._database.transaction() as session:
            RevocationStore(session).advance_time(now, older_than=now - RENEW_AFTER)
        self._look()

    def _with_current_keys(self, alg: SigningAlgorithm) -> FeedDocument | None:
        """The last one, unless the keys have changed since: that ends a pause at once."""
        document = self._documents.get(alg)
        if document is None or document.keys is not self._keyring.keys:
            return None
        return document if document.kid == self._keyring.active(alg).kid else None

    def _render(self, alg: SigningAlgorithm) -> FeedDocument:
        began = self._clock.monotonic()
        # Read all three first: a change during rendering must make this document outdated.
        revoked, keys, key = self._view.revoked, self._keyring.keys, self._keyring.active(alg)
        claims = feed_claims(self._issuer, revoked, keys, self._clock())
        signed = self._keyring.sign_with(key, FEED_TYPE, claims)
        signed_part, _, _ = signed.token.rpartition(".")
        # Without the signature: ES256 signatures of the same claims differ, and a verifier that
        # has the feed of one process need not fetch it again from another.
        etag = etag_of(signed_part.encode())
        ended = self._clock.monotonic()
        paused_until = ended + min(_PAUSE_FACTOR * (ended - began), _MAX_PAUSE)
        body = signed.token.encode()
        return FeedDocument(body, etag, key.kid, revoked.state, keys, paused_until)


def feed_claims(
    issuer: str, revoked: Revoked, keys: Sequence[SigningKey], now: datetime
) -> dict[str, object]:
    """Every claim of the feed, in whole seconds; the same content gives the same order."""
    revoked = revoked.still_trusted(now)
    issued_at = int(revoked.state.issued_at.timestamp())
    return {
        "iss": issuer,
        "iat": issued_at,
        "exp": issued_at + int(VALID_FOR.total_seconds()),
        # In a member of their own: top-level `sub` and `aud` are strings (RFC 7519 §4.1).
        "revoked": {
            "jti": dict(sorted(revoked.tokens.items())),
            "sid": dict(sorted(revoked.sessions.items())),
            "sub": dict(sorted(revoked.subjects.items())),
            "client_id": dict(sorted(revoked.clients.items())),
            "aud": dict(sorted(revoked.audiences.items())),
            # Those that a verifier may still trust.
            "kid": sorted(
                key.kid for key in keys if key.revoked_at and key.revoked_at + KEY_RETENTION > now
            ),
        },
    }
