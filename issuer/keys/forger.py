"""Signatures that nobody must believe: for finding out who does."""

from collections.abc import Mapping

from issuer.keys.private_key import generated, signed
from issuer.keys.signed import Signed, header_and_payload
from issuer.keys.signing_key import SigningKey


class Forger:
    """Has a key that is kept nowhere, and says that it is `key`."""

    def __init__(self, key: SigningKey) -> None:
        self._claimed = key
        self._used = generated(key.alg)

    def sign(self, typ: str, claims: Mapping[str, object]) -> Signed:
        """As `Keyring.sign_with` that key, but for the signature."""
        header, payload = header_and_payload(self._claimed, typ, claims)
        return Signed(signed(self._used, header, payload), self._claimed.kid)
