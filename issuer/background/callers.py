"""Who waits for the work of a thread: what only reads ends when nobody does any more."""

from contextvars import ContextVar

# In the scope of a GET request.
IN_SCOPE = "issuer.caller"


class WaitingCaller:
    """The caller of a request, whose connection tells when it has left."""

    has_left = False

    def leave(self) -> None:
        """It takes no answer any more."""
        self.has_left = True


# Of the present request; threads that work for it have it as well.
present_caller: ContextVar[WaitingCaller | None] = ContextVar("present_caller", default=None)
