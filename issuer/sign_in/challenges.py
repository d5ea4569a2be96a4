"""Challenges of WebAuthn (Level 3 §13.4.3), and reading what browsers answer.

A challenge is authenticated, not stored, so that nobody can fill the database by asking.
"""

import base64
import binascii
import hashlib
import hmac
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeAlias

from issuer.clock import Clock

Answer: TypeAlias = Mapping[str, Any]  # JSON of a PublicKeyCredential, from a browser

MAX_CREDENTIAL_ID = 1023  # WebAuthn §4
LIFETIME = timedelta(minutes=5)
_RANDOM = 32
_EXPIRY = struct.Struct(">Q")
_BYTES = _RANDOM + _EXPIRY.size + 32


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge that was answered; its `digest` may be stored once."""

    digest: bytes
    expires_at: datetime


class PasskeyChallenges:
    """Makes and recognises challenges. `random` must be a cryptographic source."""

    def __init__(self, key: bytes, clock: Clock, random: Random) -> None:
        self._key = key
        self._clock = clock
        self._random = random

    def new(self, purpose: str, browser: str) -> bytes:
        """A challenge for that purpose, of use only in the browser that holds the secret value."""
        expires_at = int((self._clock() + LIFETIME).timestamp())
        body = self._random.randbytes(_RANDOM) + _EXPIRY.pack(expires_at)
        return body + self._mac(body, purpose, browser)

    def recognise(self, challenge: bytes, purpose: str, browser: str) -> Challenge | None:
        """The challenge, if it was made for that purpose and browser and has not expired."""
        body, mac = challenge[:-32], challenge[-32:]
        if len(challenge) != _BYTES:
            return None
        if not hmac.compare_digest(mac, self._mac(body, purpose, browser)):
            return None
        expires_at = datetime.fromtimestamp(_EXPIRY.unpack(body[_RANDOM:])[0], UTC)
        if expires_at <= self._clock():
            return None
        return Challenge(hashlib.sha256(challenge).digest(), expires_at)

    def _mac(self, body: bytes, purpose: str, browser: str) -> bytes:
        context = hashlib.sha256(f"{purpose}\n{browser}".encode("utf-8", "surrogatepass")).digest()
        return hmac.digest(self._key, context + body, hashlib.sha256)


def credential_id(answer: Answer) -> bytes:
    """The id of the passkey that answered; empty if there is none."""
    return _decode(answer.get("id"))[:MAX_CREDENTIAL_ID]


def challenge_in(answer: Answer) -> bytes:
    try:
        client_data = json.loads(_decode(_response(answer).get("clientDataJSON")))
    except (ValueError, RecursionError):
        return b""
    return _decode(client_data.get("challenge")) if isinstance(client_data, dict) else b""


def user_handle_in(answer: Answer) -> bytes:
    return _decode(_response(answer).get("userHandle"))


def transports_in(answer: Answer) -> tuple[str, ...]:
    from webauthn.helpers.structs import AuthenticatorTransport  # noqa: PLC0415 - 3.7 MB

    named = _response(answer).get("transports")
    known = [each.value for each in AuthenticatorTransport]
    return tuple(sorted(each for each in known if isinstance(named, list) and each in named))


def _response(answer: Answer) -> Mapping[str, Any]:
    response = answer.get("response")
    return response if isinstance(response, dict) else {}


def _decode(value: object) -> bytes:
    """What is written as base64url; empty for anything else."""
    if not isinstance(value, str):
        return b""
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
