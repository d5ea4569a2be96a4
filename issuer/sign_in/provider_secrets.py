"""The secrets with which this issuer is a client of trusted issuers, sealed at rest.

Under a key that is itself sealed: changing the master key rewraps that one alone.
"""

from issuer.errors import ConfigurationError
from issuer.keys.sealing import Sealer


class ProviderSecrets:
    """A box opens only for the trusted issuer that it was sealed for."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, issuer_id: str, secret: str) -> bytes:
        return self._sealer.seal(secret.encode(), _name(issuer_id), self._sealer.newest)

    def open(self, issuer_id: str, box: bytes) -> str:
        """The secret; `ConfigurationError` if it was sealed elsewhere."""
        try:
            return self._sealer.open(box, _name(issuer_id)).decode()
        except ConfigurationError:
            raise ConfigurationError(
                f"The client secret of the trusted issuer {issuer_id} cannot be opened: set it"
                " again."
            ) from None


def _name(issuer_id: str) -> str:
    return f"client secret at {issuer_id}"
