"""What can be wrong with a set-up, an answer or a key set. Refused tokens raise PyJWT's errors."""

import jwt


class ConfigurationError(ValueError):
    """The set-up cannot be right; the message says what to do about it."""


class NotFetched(Exception):
    """The document could not be had, or is not what it should be."""


class NotNamed(NotFetched):
    """The issuer's metadata can be read, and names no such document."""


class KeySetUnavailable(jwt.InvalidTokenError):
    """There is no key set that may be believed now. Worth trying again after some seconds."""

    def __init__(self, issuer: str, retry_after: int) -> None:
        super().__init__(f"The keys of {issuer} are not known at the moment.")
        self.retry_after = retry_after


class RevocationsUnavailable(KeySetUnavailable):
    """What the issuer has taken back has not been known for too long."""

    def __init__(self, issuer: str, retry_after: int) -> None:
        jwt.InvalidTokenError.__init__(
            self, f"What {issuer} has revoked is not known at the moment."
        )
        self.retry_after = retry_after
