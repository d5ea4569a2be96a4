"""`/console/keys/verifiers`: each AgentOS that reports which signing keys it holds."""

from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlencode

from starlette.responses import Response

from issuer.audiences import AUDIENCE
from issuer.verifiers.known_verifiers import DescribedVerifier
from issuer.web.console.screens.screen import ConsoleScreen
from issuer.web.console.screens.views import PAGE, Listing

READ = "issuer:verifiers:read"
_MOST_NAMED = 20


class VerifiersScreen(ConsoleScreen):
    PATH = "/console/keys/verifiers"
    READ = READ
    PARAMETERS = ("after",)

    def show(self) -> Response:
        with self.operator.work(READ) as work:
            found, left_out = work.verifiers.all(), work.verifiers.left_out()
        return self.answer(
            "verifiers",
            "Verifiers",
            commands=(self.commands.command(("verifier", "list"), "GET", ("verifiers",)),),
            listing=self._listing(found, self.visit.query.get("after", "")),
            links_audiences=self.operator.holds(AUDIENCE.read),
            left_out=str(left_out or ""),
        )

    def _listing(self, found: list[DescribedVerifier], after: str) -> Listing[DescribedVerifier]:
        following = [each for each in found if each.key > after]
        items, url = following[:PAGE], self.site.base + self.PATH
        more = len(following) > PAGE
        return Listing(
            tuple(items),
            _count(found),
            next_url=f"{url}?{urlencode({'after': items[-1].key})}" if more else "",
            first_url=url if after else "",
        )


def names_of(verifiers: Iterable[DescribedVerifier]) -> tuple[str, ...]:
    """Audience and address, once for all processes there; the first few, and how many more."""
    processes = Counter(each.name for each in verifiers)
    names = [f"{name}, {n} processes" if n > 1 else name for name, n in processes.items()]
    if len(names) > _MOST_NAMED:
        return (*names[:_MOST_NAMED], f"and {len(names) - _MOST_NAMED:,} more")
    return tuple(names)


def _count(found: list[DescribedVerifier]) -> str:
    live = [each for each in found if each.live]
    lacking = sum(each.missing_kid is not None for each in live)
    without = f", {lacking:,} without the next key" if lacking else ""
    return f"{len(found):,} in the last day, {len(live):,} live{without}"
