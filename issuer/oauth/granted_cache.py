"""A cache of grants: a service sends the same bytes each time it needs a token."""

from datetime import datetime
from hashlib import blake2b
from secrets import token_bytes

from issuer.directory import Directory
from issuer.http.requests import values_of
from issuer.oauth.grants import Granted
from issuer.oauth.request import ReceivedForm

# Of form and credentials together. A longer request is authorized each time, and never hashed
# before its client is authenticated.
_MAX_BYTES = 1_024


class GrantedCache:
    """The last request of each client, as a keyed hash, and what it was granted.

    An entry is valid until the directory drops the client, as it does at every change, or the
    secret expires. Only for grants decided from memory: they depend on nothing else.
    """

    def __init__(self, directory: Directory, max_entries: int = 100_000) -> None:
        self._directory = directory
        self._max_entries = max_entries
        self._key = token_bytes(32)
        self._granted: dict[bytes, Granted] = {}
        self._last_of: dict[str, bytes] = {}

    def find(self, form: ReceivedForm, now: datetime) -> Granted | None:
        """What the same request was granted, if that is still valid at `now`."""
        fingerprint = self._fingerprint(form)
        granted = self._granted.get(fingerprint) if fingerprint else None
        if granted is None or granted.secret is None or not granted.secret.is_live(now):
            return None
        remembered = self._directory.remembered_client(granted.client.client_id)
        return granted if remembered is granted.client else None

    def add(self, form: ReceivedForm, granted: Granted) -> None:
        """Add it in place of the client's earlier request; not if it has an assertion.

        An assertion is good for one request.
        """
        if granted.secret is None or (fingerprint := self._fingerprint(form)) is None:
            return
        if len(self._granted) >= self._max_entries:
            self._granted.clear()
            self._last_of.clear()
        client_id = granted.client.client_id
        self._granted.pop(self._last_of.get(client_id, b""), None)
        self._granted[fingerprint], self._last_of[client_id] = granted, fingerprint

    def _fingerprint(self, form: ReceivedForm) -> bytes | None:
        """A keyed hash of all that the grant depends on: the credentials and the form."""
        credentials = values_of(form.headers, b"authorization")
        if len(form.body) + sum(map(len, credentials)) > _MAX_BYTES:
            return None
        # `repr` separates the parts unambiguously.
        text = repr((credentials, form.body))
        return blake2b(text.encode(), key=self._key, digest_size=32).digest()
