"""Errors of configuration and of fetching. Invalid tokens raise PyJWT's errors."""

import httpx
import jwt


class InvalidConfiguration(ValueError):
    """The configuration is invalid; the message says what to do."""


class NoSubjectToken(httpx.HTTPError):
    """There is no user to act for, or no valid token of theirs; the message says why.

    An `httpx.HTTPError`, so that code that handles failed calls handles this as well.
    """


class NotFetched(Exception):
    """The document could not be fetched, or is invalid."""


class NotNamed(NotFetched):
    """The issuer's metadata is readable but does not name this document."""


class KeySetUnavailable(jwt.InvalidTokenError):
    """No key set is trusted now. Try again after `retry_after` seconds."""

    def __init__(self, issuer: str, retry_after: int, message: str | None = None) -> None:
        super().__init__(message or f"The key set of {issuer} is not available.")
        self.retry_after = retry_after


class RevocationsUnavailable(KeySetUnavailable):
    """The revocation feed has been unavailable for too long."""

    def __init__(self, issuer: str, retry_after: int) -> None:
        super().__init__(issuer, retry_after, f"The revocation feed of {issuer} is not available.")


class InvalidProof(jwt.InvalidTokenError):
    """A proof of possession, or a token without the proof that it needs (RFC 9449).

    `error` is the code of RFC 9449 §12.2 or RFC 6750 §3.1.
    """

    def __init__(self, message: str, error: str = "invalid_dpop_proof") -> None:
        super().__init__(message)
        self.error = error
