"""How the database names whom attempts to sign in are counted for."""

import hmac

from issuer.fields.networks import network_of
from issuer.fields.usernames import fold_username

_MARK_BYTES = 16
# Unknown names share 65,536 counts, which bounds the number of rows.
_UNKNOWN_MARK_BYTES = 2


class Marks:
    """Keyed hashes of users and addresses, so that the database does not reveal them."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of_user(self, user_id: str) -> bytes:
        return self._mark("user", user_id)

    def of_unknown_user(self, username: str) -> bytes:
        """The mark of an unknown name; several names share one."""
        return self._mark("unknown", fold_username(username))[:_UNKNOWN_MARK_BYTES]

    def of_address(self, address: str | None) -> bytes:
        return self._mark("address", network_of(address))

    def _mark(self, kind: str, text: str) -> bytes:
        message = f"{kind} {text}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, "sha256")[:_MARK_BYTES]
