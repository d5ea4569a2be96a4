"""Sends the requests of a drill to each address."""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

import httpx
from pydantic import BaseModel, ConfigDict

from issuer.keys import SigningKey
from issuer.rotation_drill.asking import NoAnswer, ask
from issuer.tokens import AccessToken


class KeyPair(NamedTuple):
    """The active key, and the next one."""

    old: SigningKey
    new: SigningKey


class Statuses(NamedTuple):
    """The statuses for a token of the old key, for one of the new key, and for a forged one."""

    old: int
    new: int
    forged: int


class CheckResult(BaseModel):
    """The result for the address `url`; `saw` describes it for people, without a subject.

    A `verifier` was sent tokens: `old`, `new` and `forged` are its statuses. A `key_set` lacks
    the keys in `missing`. A `report` was sent by a live verifier; `url` has audience and address.
    """

    model_config = ConfigDict(frozen=True)

    url: str
    kind: Literal["key_set", "verifier", "report"] | None
    ok: bool
    saw: str
    old: int | None = None
    new: int | None = None
    forged: int | None = None
    missing: tuple[str, ...] = ()


def unreachable(url: str, why: str) -> CheckResult:
    """The address could not be checked."""
    return CheckResult(url=url, kind=None, ok=False, saw=why)


def key_set(url: str, kids: frozenset[str], keys: KeyPair) -> CheckResult:
    """The address publishes keys: the issuer itself, or a copy of its key set."""
    lacking = {name: key.kid for name, key in keys._asdict().items() if key.kid not in kids}
    saw = f"lacks the {' and the '.join(lacking)} key" if lacking else "has both keys"
    return CheckResult(
        url=url, kind="key_set", ok=not lacking, saw=saw, missing=tuple(lacking.values())
    )


def lacking(name: str, kid: str) -> CheckResult:
    """A live verifier reported that it lacks that key."""
    saw = "lacks the next key, as it reported: it would refuse its tokens"
    return CheckResult(url=name, kind="report", ok=False, saw=saw, missing=(kid,))


def verifier(url: str, statuses: Statuses) -> CheckResult:
    """The address verifies tokens."""
    fault = next(_faults(statuses), None)
    saw = fault or "accepts both keys and refuses a forged token"
    if not fault and statuses.old == httpx.codes.FORBIDDEN:
        saw += "; the client lacks the scope for this route"
    return CheckResult(url=url, kind="verifier", ok=not fault, saw=saw, **statuses._asdict())


def _faults(statuses: Statuses) -> Iterator[str]:
    """What the verifier does wrong, the cause first. Every status but 401 accepts the token.

    A 403 or 404 concerns rights or the resource, not the token.
    """
    if unclear := [status for status in statuses if _is_unclear(status)]:
        yield f"answers {unclear[0]}, which neither accepts nor refuses a token"
    if statuses.old == httpx.codes.UNAUTHORIZED:
        yield "refuses a valid token of the old key: check its keys, issuer and audience"
    if statuses.forged == statuses.old:
        yield "does not verify: it answers a forged token like a valid one"
    if statuses.forged != httpx.codes.UNAUTHORIZED:
        yield f"answers a forged token with {statuses.forged}, not 401"
    if statuses.new == httpx.codes.UNAUTHORIZED:
        yield "refuses tokens of the new key: its key set is outdated"
    if statuses.new != statuses.old:
        yield "answers tokens of the new key differently from those of the old one"


def _is_unclear(status: int) -> bool:
    """A redirect, which is not followed; a rate limit; an error of the server or of a proxy."""
    is_clear = httpx.codes.is_success(status) or httpx.codes.is_client_error(status)
    return not is_clear or status == httpx.codes.TOO_MANY_REQUESTS


def check(
    url: httpx.URL, keys: KeyPair, fresh_tokens: Callable[[], Iterable[AccessToken]] | None = None
) -> CheckResult:
    """Check a key set, or a verifier with tokens of the old key, of the new one, and a forged one.

    Without `fresh_tokens` none is sent.
    """
    # A query may contain a secret, and reports are stored.
    public_url = str(url.copy_with(query=None, fragment=None))
    try:
        # First without a token: a server that publishes keys must not receive one.
        answer = ask(url)
        if answer.kids is not None:
            return key_set(public_url, answer.kids, keys)
        if fresh_tokens is None:
            why = f"answers {answer.status} and publishes no keys; no token was sent"
            return unreachable(public_url, why)
        statuses = Statuses(*(ask(url, each.token).status for each in fresh_tokens()))
        return verifier(public_url, statuses)
    except NoAnswer as error:
        return unreachable(public_url, str(error))
