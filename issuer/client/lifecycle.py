"""Which token is used, and when the next is requested: no network, no threads, no clock."""

import math
from dataclasses import dataclass, field

from issuer.client.errors import SubjectTokenExpired, TokenError, TokenUnavailable

RENEWED_FROM, RENEWED_UNTIL = 0.7, 0.85  # of the lifetime; at random between the two
UNUSED_AT_THE_END = 0.05  # of the lifetime, but at most
UNUSED_SECONDS = 10.0
REPLACED_EVERY = 5.0
LONGEST_WAIT = 60.0
_EXPIRED = (
    "The token that is exchanged has expired: its user must sign in again, or the work must end"
    " before the token does."
)
FIRST_PAUSE, LONGEST_PAUSE, LONGEST_RETRY_AFTER = 1.0, 60.0, 300.0


@dataclass(frozen=True, slots=True)
class CachedToken:
    """A token, and when to renew it and to stop using it, by the monotonic clock."""

    value: str = field(repr=False)
    renew_at: float
    unusable_at: float


def cached_token(
    value: str, lifetime: float, requested_at: float, random: float, subject_ends: float = math.inf
) -> CachedToken:
    """A token that lives `lifetime` seconds from the request on. `random` is in [0, 1).

    It is not renewed if another would end at the same time, with the token that is exchanged.
    """
    part = RENEWED_FROM + random * (RENEWED_UNTIL - RENEWED_FROM)
    unused = min(UNUSED_SECONDS, UNUSED_AT_THE_END * lifetime)
    ends = requested_at + lifetime
    is_last = ends + UNUSED_SECONDS >= subject_ends
    renew_at = math.inf if is_last else requested_at + part * lifetime
    return CachedToken(value, renew_at, min(ends - unused, subject_ends))


@dataclass(frozen=True, slots=True)
class NextStep:
    """What a caller does: start a request if `starts`; use `token`, raise `error`, or else wait."""

    token: str | None = field(default=None, repr=False)
    error: TokenError | None = None
    starts: bool = False


class Lifecycle:
    """One token, and at most one request for the next. Not thread-safe; `now` never decreases.

    From `subject_ends` on, when the token that is exchanged expires, there is none.
    """

    def __init__(self, subject_ends: float = math.inf) -> None:
        self.subject_ends = subject_ends
        self._token: CachedToken | None = None
        self._is_requesting = False
        self._failure: TokenError | None = None
        self._failures = 0
        self._paused_until = float("-inf")
        self._replaced_at = float("-inf")

    def ask(self, now: float) -> NextStep:
        """For a caller that needs a token."""
        if now >= self.subject_ends:
            return NextStep(error=SubjectTokenExpired(_EXPIRED))
        token = self._token
        is_paused = self._failure is not None and now < self._paused_until
        may_request = not self._is_requesting and not is_paused
        if token is not None and now < token.unusable_at:
            starts = now >= token.renew_at and may_request
            self._is_requesting |= starts
            return NextStep(token.value, starts=starts)
        if is_paused:
            return NextStep(error=self._failure)
        self._is_requesting = True
        return NextStep(starts=may_request)

    def replace(self, refused: str, now: float) -> NextStep | None:
        """For a caller whose token `refused` a service answered with 401.

        The refused token is not used again. None if a refused token was replaced less than
        `REPLACED_EVERY` seconds ago: a service that refuses every token does not cause a token
        request for each of its answers. A token that expired on its way does not count.
        """
        token = self._token
        if token is not None and token.value == refused and now < token.unusable_at:
            if now < self._replaced_at + REPLACED_EVERY:
                return None
            self._token = None
            self._replaced_at = now
        return self.ask(now)

    def succeed(self, token: CachedToken) -> None:
        """The request has ended with this token."""
        self._token = token
        self._is_requesting = False
        self._failure = None
        self._failures = 0

    def fail(self, error: TokenError, now: float, random: float) -> float:
        """The request has ended without a token. Returns for how many seconds no other starts."""
        self._is_requesting = False
        self._failure = error
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures, 16))
        pause *= 0.5 + 0.5 * random
        if isinstance(error, TokenUnavailable) and error.retry_after is not None:
            pause = max(pause, min(error.retry_after, LONGEST_RETRY_AFTER))
        self._failures += 1
        self._paused_until = now + pause
        return pause

    def abandon(self) -> None:
        """The request went on in another process: it never ends in this one."""
        self._is_requesting = False
