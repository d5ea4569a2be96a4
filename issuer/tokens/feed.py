"""The revocation feed: what is revoked, as a signed JWT (CONTRACT §6)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from issuer.clock import Clock
from issuer.database import Database, FeedState
from issuer.errors import Unavailable
from issuer.etags import etag_of
from issuer.keys import Keyring, SigningKey
from issuer.revocations import RevocationView, Revoked
from issuer.revocations.store import RevocationStore
from issuer.vocabulary import FEED_TYPE, TRUSTED_FOR, SigningAlgorithm

# A feed nobody changes is of a new time so often. Who asks meanwhile has it already.
RENEW_AFTER = timedelta(seconds=30)
# After its `iat`. Until then a follower that hears nothing may believe it knows everything.
VALID_FOR = timedelta(minutes=10)
# However often tokens are revoked, a process spends a small part of its time on the feed: it
# rests so many times longer than the last one took. Followers allow 10 s.
_RESTS = 10
_MAX_REST = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class FeedDocument:
    """The feed in a state, signed by `kid` when `keys` were ours: `application/jwt`.

    Another is not rendered before `rests_until`, on the monotonic clock, for the same keys.
    """

    body: bytes
    etag: str
    kid: str
    state: FeedState
    keys: Sequence[SigningKey]
    rests_until: float


class FeedPublisher:
    """Rendered once for each algorithm somebody asks for, and again when anything changed."""

    def __init__(
        self,
        issuer: str,
        database: Database,
        clock: Clock,
        keyring: Keyring,
        view: RevocationView,
        look: Callable[[], None],
    ) -> None:
        self._issuer = issuer
        self._database = database
        self._clock = clock
        self._keyring = keyring
        self._view = view
        self._look = look
        self._documents: dict[SigningAlgorithm, FeedDocument] = {}

    def held(self, alg: SigningAlgorithm) -> FeedDocument | None:
        """The feed, if this process has it as it should be now. Memory only."""
        document = self._of_these_keys(alg)
        if document is None or self._clock.monotonic() < document.rests_until:
            return document
        is_same = document.state == self._view.revoked.state
        return document if is_same and not self._is_due() else None

    def render(self, alg: SigningAlgorithm) -> FeedDocument:
        """The feed as it should be now. Queries and signs: not for the event loop.

        Where it cannot be brought to a later time, it stays the one it was.
        """
        if self._is_due():
            try:
                self._advance_time()
            except Unavailable:
                if (document := self._of_these_keys(alg)) is not None:
                    return document
                raise
        if (document := self.held(alg)) is None:
            document = self._documents[alg] = self._rendered(alg)
        return document

    def _is_due(self) -> bool:
        return self._clock() - self._view.revoked.state.issued_at >= RENEW_AFTER

    def _advance_time(self) -> None:
        """The time of the feed is the house's, not a process's: it never goes back."""
        now = self._clock()
        with self._database.transaction() as session:
            RevocationStore(session).advance_time(now, older_than=now - RENEW_AFTER)
        self._look()

    def _of_these_keys(self, alg: SigningAlgorithm) -> FeedDocument | None:
        """The last one, unless the keys have changed since: that waits for nothing."""
        document = self._documents.get(alg)
        if document is None or document.keys is not self._keyring.keys:
            return None
        return document if document.kid == self._keyring.active(alg).kid else None

    def _rendered(self, alg: SigningAlgorithm) -> FeedDocument:
        began = self._clock.monotonic()
        # Read before they are used: what changes meanwhile makes this one outdated.
        revoked, keys, key = self._view.revoked, self._keyring.keys, self._keyring.active(alg)
        claims = feed_claims(self._issuer, revoked, keys, self._clock())
        signed = self._keyring.sign_with(key, FEED_TYPE, claims)
        signed_part, _, _ = signed.token.rpartition(".")
        # Of what is signed: an ES256 signature is another each time, also for the same words, and
        # who has the feed from one process need not get it again from the next.
        etag = etag_of(signed_part.encode())
        ended = self._clock.monotonic()
        rests_until = ended + min(_RESTS * (ended - began), _MAX_REST)
        body = signed.token.encode()
        return FeedDocument(body, etag, key.kid, revoked.state, keys, rests_until)


def feed_claims(
    issuer: str, revoked: Revoked, keys: Sequence[SigningKey], now: datetime
) -> dict[str, object]:
    """Every claim of the feed, each in whole seconds, in the same order for the same content."""
    revoked = revoked.still_trusted(now)
    issued_at = int(revoked.state.issued_at.timestamp())
    return {
        "iss": issuer,
        "iat": issued_at,
        "exp": issued_at + int(VALID_FOR.total_seconds()),
        # Not beside `iss`: there `sub` and `aud` are the feed's own, and strings (RFC 7519 §4.1).
        "revoked": {
            "jti": dict(sorted(revoked.tokens.items())),
            "sid": dict(sorted(revoked.sessions.items())),
            "sub": dict(sorted(revoked.subjects.items())),
            "client_id": dict(sorted(revoked.clients.items())),
            "aud": dict(sorted(revoked.audiences.items())),
            "kid": sorted(key.kid for key in keys if _may_be_trusted(key, now)),
        },
    }


def _may_be_trusted(key: SigningKey, now: datetime) -> bool:
    """Whether it is revoked, and was not long ago."""
    return key.revoked_at is not None and key.revoked_at + TRUSTED_FOR > now
