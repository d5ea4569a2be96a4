"""Logout tokens for clients (OpenID Connect Back-Channel Logout 1.0 §2.4)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from issuer.clock import Clock
from issuer.deliveries.sender import Post
from issuer.directory import Directory
from issuer.errors import NotFound
from issuer.keys import Keyring
from issuer.vocabulary import LOGOUT_EVENT, LOGOUT_TYPE, SigningAlgorithm

_VALID_FOR = timedelta(minutes=2)
_FORM = "application/x-www-form-urlencoded"


@dataclass(eq=False, repr=False)
class LogoutTokens:
    """The requests that tell clients that a session has ended, for any thread.

    Each attempt has a new token with the same `jti`: a client is told of a session once. It is
    signed by the algorithm of the client's ID tokens, that of the audience in whose tokens it got.
    """

    _issuer: str
    _directory: Directory
    _keyring: Keyring
    _clock: Clock
    _default_alg: SigningAlgorithm

    def post(self, recipient: str, message: Mapping[str, Any]) -> Post | None:
        """The request to the client; None if there is none any more, or it has no URL for it."""
        client = self._directory.load_client(recipient)
        if client is None or client.backchannel_logout_uri is None:
            return None
        claims = self._claims(recipient, message)
        alg = self._algorithm(message["audience"])
        token = self._keyring.sign(alg, LOGOUT_TYPE, claims).token
        return Post(client.backchannel_logout_uri, _FORM, urlencode({"logout_token": token}))

    def _claims(self, client_id: str, message: Mapping[str, Any]) -> dict[str, object]:
        issued_at = int(self._clock().timestamp())
        return {
            "iss": self._issuer,
            "aud": client_id,
            "iat": issued_at,
            "exp": issued_at + int(_VALID_FOR.total_seconds()),
            "jti": hashlib.sha256(f"{message['sid']} {client_id}".encode()).hexdigest()[:32],
            "events": {LOGOUT_EVENT: {}},
            "sub": message["sub"],
            "sid": message["sid"],
        }

    def _algorithm(self, audience_id: str) -> SigningAlgorithm:
        try:
            audience = self._directory.load_audience(audience_id)
        except NotFound:  # it was deleted since
            return self._default_alg
        return audience.signing_alg.at(self._clock())
