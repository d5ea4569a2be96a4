"""Why there is no token. No message contains a secret, an assertion or a token."""

import copy
from typing import Self

import httpx


class TokenError(httpx.HTTPError):
    """A call cannot be made for lack of a token.

    An `httpx.HTTPError`, so that code that handles failed calls handles this as well.
    """

    def fresh(self) -> Self:
        """A copy to raise in one more thread: raising adds a traceback to an exception."""
        other = copy.copy(self)
        other.__cause__ = self.__cause__
        return other


class TokenRefused(TokenError):
    """The issuer refuses: `error` and `description` are its own (RFC 6749 §5.2).

    Repeating the request does not help until the client, its credential or its rights change.
    """

    def __init__(
        self, message: str, *, error: str = "", description: str | None = None, status: int = 0
    ) -> None:
        super().__init__(message)
        self.error = error
        self.description = description
        self.status = status


class TokenUnavailable(TokenError):
    """No token could be had. It may be tried again after `retry_after` seconds, if known."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SubjectTokenExpired(TokenError):
    """The token that is exchanged has expired: its user must get a new one."""


class WrongOrigin(TokenError):
    """The request goes to another server than the token is for, or without TLS."""
