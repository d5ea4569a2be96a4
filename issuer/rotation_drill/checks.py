"""Sends the requests of a drill to each address."""

from collections.abc import Iterator, Sequence

import httpx

from issuer.rotation_drill import check_results
from issuer.rotation_drill.asking import NoAnswer, ask
from issuer.rotation_drill.check_results import CheckResult, KeyPair, Statuses
from issuer.rotation_drill.test_tokens import TestTokenMaker


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
                return check_results.key_set(public_url, answer.kids, self._keys)
            if maker is None:
                why = f"answers {answer.status} and publishes no keys; no token was sent"
                return check_results.unreachable(public_url, why)
            return check_results.verifier(public_url, _statuses(url, maker))
        except NoAnswer as error:
            return check_results.unreachable(public_url, str(error))


def _statuses(url: httpx.URL, maker: TestTokenMaker) -> Statuses:
    tokens = maker.fresh()
    old, new, forged = (
        ask(url, each.token).status for each in (tokens.old, tokens.new, tokens.forged)
    )
    return Statuses(old, new, forged)
