"""Invalid signatures, to test whether a resource server rejects them."""

from collections.abc import Mapping

from issuer.keys.private_key import generated, signed
from issuer.keys.signed import Signed, header_and_payload
from issuer.keys.signing_key import SigningKey


class Forger:
    """Signs with a throwaway key, under the `kid` of `key`."""

    def __init__(self, key: SigningKey) -> None:
        self._claimed = key
        self._used = generated(key.alg)

    def sign(self, typ: str, claims: Mapping[str, object]) -> Signed:
        """As `Keyring.sign_with` that key, with a signature that does not verify."""
        header, payload = header_and_payload(self._claimed, typ, claims)
        return Signed(signed(self._used, header, payload), self._claimed.kid)
