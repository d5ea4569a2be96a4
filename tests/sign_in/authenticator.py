"""An authenticator of passkeys in software, and the browser around it (WebAuthn)."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, SYNCABLE, SYNCED, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40


@dataclass
class Authenticator:
    """One passkey; `verifies_user` as with a fingerprint. `count` is its sign counter."""

    origin: str
    verifies_user: bool = True
    is_synced: bool = False
    counts: bool = True
    count: int = 0
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    user_handle: bytes = b""

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: str, **changed: Any) -> dict[str, Any]:
        """The answer to `navigator.credentials.create(options)`."""
        asked = json.loads(options)
        self.user_handle = decoded(asked["user"]["id"])
        data = self._data(asked["rp"]["id"], ATTESTED) + self._attested()
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            clientDataJSON=self._client_data("webauthn.create", asked, changed),
            attestationObject=attestation,
        ) | {"clientExtensionResults": {}}

    def get(self, options: str, **changed: Any) -> dict[str, Any]:
        """The answer to `navigator.credentials.get(options)`."""
        asked = json.loads(options)
        self.count += self.counts
        client_data = self._client_data("webauthn.get", asked, changed)
        data = self._data(asked["rpId"], 0)
        signed = data + hashlib.sha256(client_data).digest()
        return self._answer(
            clientDataJSON=client_data,
            authenticatorData=data,
            signature=self.key.sign(signed, ec.ECDSA(SHA256())),
            userHandle=self.user_handle,
        )

    def _answer(self, **response: bytes) -> dict[str, Any]:
        credential_id = encoded(self.credential_id)
        return {
            "id": credential_id,
            "rawId": credential_id,
            "type": "public-key",
            "response": {name: encoded(value) for name, value in response.items()},
        }

    def _client_data(self, kind: str, asked: dict[str, Any], changed: dict[str, Any]) -> bytes:
        members = {"type": kind, "challenge": asked["challenge"], "origin": self.origin}
        return json.dumps(members | changed).encode()

    def _data(self, rp_id: str, more: int) -> bytes:
        flags = PRESENT | more
        flags |= VERIFIED if self.verifies_user else 0
        flags |= SYNCABLE | SYNCED if self.is_synced else 0
        rp_hash = hashlib.sha256(rp_id.encode()).digest()
        return rp_hash + bytes([flags]) + self.count.to_bytes(4, "big")

    def _attested(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        public_key = {
            1: 2,
            3: -7,
            -1: 1,
            -2: numbers.x.to_bytes(32, "big"),
            -3: numbers.y.to_bytes(32, "big"),
        }
        length = len(self.credential_id).to_bytes(2, "big")
        return bytes(16) + length + self.credential_id + cbor2.dumps(public_key)


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")
