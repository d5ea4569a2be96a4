"""What an address was seen to do, and what that means: pure."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import httpx
from pydantic import BaseModel, ConfigDict

from issuer.keys import SigningKey


class Pair(NamedTuple):
    """The key that signs, and the one that shall."""

    old: SigningKey
    new: SigningKey


class Statuses(NamedTuple):
    """What was answered to a token of the old key, of the new one, and to a forged one."""

    old: int
    new: int
    forged: int


class Seen(BaseModel):
    """What the address `url` did; `saw` is for people, and goes on where its URL ends.

    A `verifier` was shown tokens: `old`, `new` and `forged` are its statuses. A `key_set` lacks
    the keys in `missing`.
    """

    model_config = ConfigDict(frozen=True)

    url: str
    kind: Literal["key_set", "verifier"] | None
    ok: bool
    saw: str
    old: int | None = None
    new: int | None = None
    forged: int | None = None
    missing: tuple[str, ...] = ()


def nothing(url: str, why: str) -> Seen:
    """It could not be asked."""
    return Seen(url=url, kind=None, ok=False, saw=why)


def key_set(url: str, kids: frozenset[str], keys: Pair) -> Seen:
    """It publishes keys, as the issuer itself or as one that follows it."""
    lacking = {name: key.kid for name, key in keys._asdict().items() if key.kid not in kids}
    saw = f"lacks the {' and the '.join(lacking)} key" if lacking else "holds both keys"
    return Seen(url=url, kind="key_set", ok=not lacking, saw=saw, missing=tuple(lacking.values()))


def verifier(url: str, statuses: Statuses) -> Seen:
    """It decides about tokens."""
    fault = next(_faults(statuses), None)
    return Seen(
        url=url,
        kind="verifier",
        ok=fault is None,
        saw=fault or _praise(statuses),
        **statuses._asdict(),
    )


def _faults(statuses: Statuses) -> Iterator[str]:
    """What it does wrong, the cause first. A token was believed unless the answer is 401.

    Rights, and whether there is such a resource, are another matter.
    """
    if unclear := [status for status in statuses if _is_unclear(status)]:
        yield f"answers {unclear[0]}, which says nothing about a token"
    if statuses.old == httpx.codes.UNAUTHORIZED:
        yield "refuses a good token of the old key: look at its keys, issuer and audience"
    if statuses.forged == statuses.old:
        yield "does not verify: it answers a forged token like a good one"
    if statuses.forged != httpx.codes.UNAUTHORIZED:
        yield f"answers a forged token with {statuses.forged}, not 401"
    if statuses.new == httpx.codes.UNAUTHORIZED:
        yield "refuses tokens of the new key: its key set is an older one"
    if statuses.new != statuses.old:
        yield "treats tokens of the new key unlike those of the old one"


def _is_unclear(status: int) -> bool:
    """A redirect, which is not followed; an overload; a failure of its own or of a proxy."""
    is_clear = httpx.codes.is_success(status) or httpx.codes.is_client_error(status)
    return not is_clear or status == httpx.codes.TOO_MANY_REQUESTS


def _praise(statuses: Statuses) -> str:
    praise = "believes both keys and refuses a forged token"
    if statuses.old == httpx.codes.FORBIDDEN:
        return f"{praise}; the client lacks the right to more"
    return praise
