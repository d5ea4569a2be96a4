"""The table of a review: a row for what each client or user holds at an AgentOS, as filtered."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from issuer.review.reviewing import HolderAtAudience
from issuer.web.console.screens.views import PAGE, Listing, Sorting, Typed

_NAMES = ("at", "show", "holder")
PARAMETERS = (*_NAMES, "sort", "order", "page")
_MAX_CHARACTERS, _MAX_DIGITS = 255, 6
VERDICTS = {
    "unused": "nothing used",
    "too much": "more than enough",
    "enough": "all used",
    "unknown": "unknown",
}
# Equal ones stay in the order of their names.
_SORTED_BY: Mapping[str, Callable[[HolderAtAudience], Any]] = {
    "holder": lambda each: each.principal.sort_key,
    "holds": lambda each: len(each.holds),
    "used": lambda each: each.last_used.timestamp() if each.last_used else 0.0,
    "enough": lambda each: len(each.enough) - len(each.holds),
}


def review_table(
    found: Sequence[HolderAtAudience], query: Mapping[str, str], url: str
) -> tuple[Listing[HolderAtAudience], Typed]:
    """The part that the query names, and the filters as they were given.

    Anything that is no filter, order or page is ignored.
    """
    values = {name: query[name].strip()[:_MAX_CHARACTERS] for name in _NAMES if query.get(name)}
    text, at, show = values.get("holder", "").casefold(), values.get("at"), values.get("show")
    chosen = [
        each
        for each in found
        if at in {None, each.audience}
        and (show in {None, each.verdict} or show not in VERDICTS)
        and (text in each.principal.name.casefold() or text in each.principal.id.casefold())
    ]
    by, is_descending = query.get("sort", ""), query.get("order") == "desc"
    sorting = Sorting(by if by in _SORTED_BY else "holder", is_descending, [*_SORTED_BY], values)
    chosen.sort(key=_SORTED_BY["holder"])
    chosen.sort(key=_SORTED_BY[sorting.by], reverse=is_descending)
    page = query.get("page", "")
    is_number = page.isascii() and page.isdigit() and len(page) <= _MAX_DIGITS
    first = PAGE * (int(page) - 1) if is_number and int(page) else 0
    kept = values | sorting.kept
    following = urlencode({**kept, "page": str(first // PAGE + 2)})
    return Listing(
        tuple(chosen[first : first + PAGE]),
        f"{len(chosen):,}",
        next_url=f"{url}?{following}" if len(chosen) > first + PAGE else "",
        first_url=f"{url}?{urlencode(kept)}" if first else "",
        sorting=sorting,
    ), Typed(values)
