"""Who acts: the caller of an interface, or the command line."""

from issuer.values import value


@value
class Actor:
    """The caller, its request and address; `is_local` for the command line on this machine.

    `user_agent` is the header of a browser, on pages.
    """

    id: str | None = None
    request_id: str | None = None
    address: str | None = None
    is_local: bool = False
    user_agent: str | None = None

    def known_as(self, actor_id: str | None) -> "Actor":
        """This actor with the caller's id, and its request and address."""
        return Actor(actor_id, self.request_id, self.address)
