"""`/console/keys/verifiers`: each AgentOS that reports which signing keys it holds."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from issuer.audiences import AUDIENCE
from issuer.verifiers.known_verifiers import DescribedVerifier
from issuer.web.console.screens.endpoint import ConsoleEndpoint
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.views import PAGE, ConsolePage, Listing
from issuer.web.visit import Visit

READ = "issuer:verifiers:read"
_LIST = "/console/keys/verifiers"
_MOST_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class VerifiersPage(ConsolePage):
    """`links_audiences`: this person may open their pages. `left_out` says what was left out."""

    TEMPLATE = "console/verifiers.html"
    title = "Verifiers"
    listing: Listing[DescribedVerifier]
    links_audiences: bool
    left_out: str


class VerifiersEndpoint(ConsoleEndpoint):
    PATH = _LIST
    READ = READ
    PARAMETERS = ("after",)

    def screen(self, operator: Operator, visit: Visit) -> Response:
        with operator.work(self.READ) as work:
            found, left_out = work.verifiers.all(), work.verifiers.left_out()
        page = VerifiersPage(
            frame=self.frame(operator, visit),
            commands=(self.commands.command(("verifier", "list"), "GET", ("verifiers",)),),
            listing=self._listing(found, visit.query.get("after", "")),
            links_audiences=operator.holds(AUDIENCE.read),
            left_out=str(left_out or ""),
        )
        return self.site.pages.answer(page)

    def _listing(self, found: list[DescribedVerifier], after: str) -> Listing[DescribedVerifier]:
        following = [each for each in found if each.key > after]
        items, url = following[:PAGE], self.site.base + _LIST
        more = len(following) > PAGE
        return Listing(
            tuple(items),
            _counted(found),
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


def _counted(found: list[DescribedVerifier]) -> str:
    live = [each for each in found if each.live]
    lacking = sum(each.missing_kid is not None for each in live)
    without = f", {lacking:,} without the next key" if lacking else ""
    return f"{len(found):,} in the last day, {len(live):,} live{without}"
