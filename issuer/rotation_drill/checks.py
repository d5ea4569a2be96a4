"""Sends the requests of a drill to each address."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import httpx
from pydantic import BaseModel, ConfigDict

from issuer.rotation_drill.asking import NoAnswer, ask
from issuer.rotation_drill.test_tokens import KeyPair, TestTokenMaker


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
    return CheckResult(
        url=url,
        kind="verifier",
        ok=fault is None,
        saw=fault or _success(statuses),
        **statuses._asdict(),
    )


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


def _success(statuses: Statuses) -> str:
    success = "accepts both keys and refuses a forged token"
    if statuses.old == httpx.codes.FORBIDDEN:
        return f"{success}; the client lacks the scope for this route"
    return success


class Checks:
    """Checks our published key set, then each verifier. Sends no token without `maker`."""

    def __init__(
        self,
        jwks_url: httpx.URL,
        verifiers: Sequence[httpx.URL],
        keys: KeyPair,
        maker: TestTokenMaker | None,
    ) -> None:
        self._jwks_url = jwks_url
        self._verifiers = verifiers
        self._keys = keys
        self._maker = maker

    def results(self) -> Iterator[CheckResult]:
        """The result for each address, our key set first."""
        yield self._asked(self._jwks_url, None)
        for url in self._verifiers:
            yield self._asked(url, self._maker)

    def _asked(self, url: httpx.URL, maker: TestTokenMaker | None) -> CheckResult:
        # A query may contain a secret, and reports are stored.
        public_url = str(url.copy_with(query=None, fragment=None))
        try:
            # First without a token: a server that publishes keys must not receive one.
            answer = ask(url)
            if answer.kids is not None:
                return key_set(public_url, answer.kids, self._keys)
            if maker is None:
                why = f"answers {answer.status} and publishes no keys; no token was sent"
                return unreachable(public_url, why)
            return verifier(public_url, _statuses(url, maker))
        except NoAnswer as error:
            return unreachable(public_url, str(error))


def _statuses(url: httpx.URL, maker: TestTokenMaker) -> Statuses:
    tokens = maker.fresh()
    old, new, forged = (
        ask(url, each.token).status for each in (tokens.old, tokens.new, tokens.forged)
    )
    return Statuses(old, new, forged)
