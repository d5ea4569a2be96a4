"""What every backend promises."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from issuer.vocabulary import SigningAlgorithm


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key just made: its public part, and what its backend finds the private part by."""

    public_jwk: Mapping[str, Any]
    handle: bytes = field(repr=False)

    @property
    def kid(self) -> str:
        return str(self.public_jwk["kid"])


class KeyBackend(Protocol):
    """Keeps private parts wherever it likes, and finds them again by a handle.

    The house keeps the handle beside the public part. So a key management system or a hardware
    module can be a backend.
    """

    def owns(self, handle: bytes) -> bool:
        """Whether the handle is one of this backend's."""

    def create(self, alg: SigningAlgorithm, besides: Collection[str] = ()) -> MadeKey:
        """A key nobody has used, none of those `besides`.

        Slow; and it is nobody's before it is on record: until then it may be given again.
        """

    def load(self, kid: str, alg: SigningAlgorithm, handle: bytes) -> Mapping[str, Any]:
        """Make the key ready to sign; the public part that belongs to the private one.

        `ConfigurationError` if it is not there, or is another.
        """

    def sign(self, kid: str, header: Mapping[str, object], payload: bytes) -> str:
        """A JWS in compact form, signed by that one loaded key (RFC 7515 §7.1).

        `Unavailable` if it is not loaded, or destroyed since.
        """

    def destroy(self, kid: str, handle: bytes) -> None:
        """The private part is gone for good: the house has forgotten the handle already."""

    def tidy(self) -> None:
        """What a crash has left of private parts that are nobody's any more is gone, too."""
