"""Token requests that come again: a machine sends the same bytes each time it needs a token."""

from hashlib import blake2b
from secrets import token_bytes

from issuer.errors import Unavailable
from issuer.http import values_of
from issuer.logs import note_client
from issuer.metrics import Metrics
from issuer.oauth.authorization_server import Answer, issued_answer
from issuer.oauth.recording import issued_event
from issuer.oauth.request import Granted, ProtocolRequest, ReceivedForm
from issuer.services import Services
from issuer.tokens import BornDead, TokenTooLarge

# Of form and credentials together. What is longer is looked at each time: nobody can make us hash
# it first.
_MOST_BYTES = 1_024


class RepeatedRequests:
    """What the last request of a client was granted, the same request is granted again.

    That holds until the directory forgets the client, as it does at every change (DESIGN §3), or
    its secret expires. The token is another one each time, and on record. Of the request itself,
    which holds a secret, only a keyed hash is kept.
    """

    def __init__(
        self, services: Services, metrics: Metrics, most_remembered: int = 100_000
    ) -> None:
        self._services = services
        self._metrics = metrics
        self._most_remembered = most_remembered
        self._key = token_bytes(32)
        self._granted: dict[bytes, Granted] = {}
        self._last_of: dict[str, bytes] = {}

    async def answer(self, form: ReceivedForm) -> Answer | None:
        """A token once more; None for a request that must be looked at like any other."""
        if (granted := self._granted_before(form)) is None:
            return None
        try:
            token = self._services.tokens.issue(granted.authorization)
        except (BornDead, TokenTooLarge):
            return None
        clock, actor = self._services.clock, form.caller.known_as(granted.client.client_id)
        self._services.last_use.note(granted.secret.id, clock(), actor.address)
        try:
            feed_count = await self._services.audit.record(
                issued_event(clock, actor, granted, token)
            )
        except Unavailable:
            note_client(actor.id)  # here and not before: it would cost every token
            raise
        if not self._services.tokens.has_seen(feed_count):
            return None  # the token does not leave: it may have been revoked before
        try:
            self._services.tokens.require_alive(token, granted.authorization)
        except BornDead:
            return None
        self._metrics.token_issued(granted.grant_type)
        return issued_answer(token)

    def remember(self, request: ProtocolRequest) -> None:
        """Grant the same request the same from now on; only for a grant that memory can decide."""
        granted, form = request.granted, request.received
        if (fingerprint := self._fingerprint(form)) is None:
            return
        if len(self._granted) >= self._most_remembered:
            self._granted.clear()
            self._last_of.clear()
        client_id = granted.client.client_id
        self._granted.pop(self._last_of.get(client_id, b""), None)
        self._granted[fingerprint], self._last_of[client_id] = granted, fingerprint

    def _granted_before(self, form: ReceivedForm) -> Granted | None:
        """What the same request was granted, if that still holds."""
        fingerprint = self._fingerprint(form)
        granted = self._granted.get(fingerprint) if fingerprint else None
        if granted is None or not granted.secret.is_live(self._services.clock()):
            return None
        remembered = self._services.directory.remembered_client(granted.client.client_id)
        return granted if remembered is granted.client else None

    def _fingerprint(self, form: ReceivedForm) -> bytes | None:
        """A keyed hash of all that its answer depends on: the credentials and the form."""
        credentials = values_of(form.headers, b"authorization")
        if len(form.body) + sum(map(len, credentials)) > _MOST_BYTES:
            return None
        # By `repr`, which shows where one ends and the next begins.
        decisive = repr((credentials, form.body))
        return blake2b(decisive.encode(), key=self._key, digest_size=32).digest()
