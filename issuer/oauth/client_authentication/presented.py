"""The credentials that a method of client authentication reads from a request."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PresentedSecret:
    """A client id and a secret, not yet checked."""

    client_id: str
    secret: str = field(repr=False)
