"""The credentials that a method of client authentication reads from a request."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PresentedClient:
    """A client id with a secret or an assertion, not yet checked.

    With neither, it claims to be a public client.
    """

    client_id: str
    secret: str | None = field(repr=False)
    assertion: str | None = field(default=None, repr=False)
