"""Going round, from address to address."""

from collections.abc import Iterator, Sequence

import httpx

from issuer.rotation_drill import seen
from issuer.rotation_drill.asking import NoAnswer, ask
from issuer.rotation_drill.seen import Pair, Seen, Statuses
from issuer.rotation_drill.test_tokens import TestTokenMaker


class Checks:
    """Asks where our key set is published, then each verifier. Without `maker`, shows no token."""

    def __init__(
        self,
        jwks_url: httpx.URL,
        verifiers: Sequence[httpx.URL],
        keys: Pair,
        maker: TestTokenMaker | None,
    ) -> None:
        self._jwks_url = jwks_url
        self._verifiers = verifiers
        self._keys = keys
        self._maker = maker

    def seen(self) -> Iterator[Seen]:
        """What each does now. The first is our key set."""
        yield self._asked(self._jwks_url, None)
        for url in self._verifiers:
            yield self._asked(url, self._maker)

    def _asked(self, url: httpx.URL, maker: TestTokenMaker | None) -> Seen:
        # A query may hold a secret, and reports are kept.
        shown = str(url.copy_with(query=None, fragment=None))
        try:
            # First without a token: one that publishes keys need not have it.
            answer = ask(url)
            if answer.kids is not None:
                return seen.key_set(shown, answer.kids, self._keys)
            if maker is None:
                why = f"answers {answer.status} and publishes no keys; it was shown no token"
                return seen.nothing(shown, why)
            return seen.verifier(shown, _statuses(url, maker))
        except NoAnswer as error:
            return seen.nothing(shown, str(error))


def _statuses(url: httpx.URL, maker: TestTokenMaker) -> Statuses:
    shown = maker.fresh()
    old, new, forged = (
        ask(url, each.token).status for each in (shown.old, shown.new, shown.forged)
    )
    return Statuses(old, new, forged)
