"""Lists by the URL: `?search=`, `?order=desc`, `?after=` the last key of the page before."""

from typing import Any
from urllib.parse import urlencode

from issuer.composition import UnitOfWork
from issuer.resources import ResourceType
from issuer.resources.resource_type import ModelT
from issuer.web.console.views import Listing
from issuer.web.visit import Visit

PAGE = 50
MOST_COUNTED = 10_000
_MAX_CHARACTERS = 255


def listing(
    work: UnitOfWork, visit: Visit, url: str, resource_type: ResourceType[Any, ModelT]
) -> Listing[ModelT]:
    """The part of a list that the query names; `url` is that of the list.

    A search finds ids and names by how they begin: with an index, however many there are.
    """
    collection = work.collection(resource_type)
    search = visit.query.get("search", "").strip()[:_MAX_CHARACTERS]
    if search:
        found = collection.search(search, PAGE + 1)
        count = f"the first {PAGE} found" if len(found) > PAGE else f"{len(found)} found"
        return Listing(tuple(found[:PAGE]), count, search, first_url=url)
    after, descending = visit.query.get("after"), visit.query.get("order") == "desc"
    items = collection.page(after, PAGE + 1, descending=descending)
    order = {"order": "desc"} if descending else {}
    next_url = first_url = ""
    if len(items) > PAGE:
        last = resource_type.key_of(items[PAGE - 1])
        next_url = f"{url}?{urlencode({**order, 'after': last})}"
    if after:
        first_url = f"{url}?{urlencode(order)}".rstrip("?")
    count = counted(collection.count(MOST_COUNTED))
    return Listing(tuple(items[:PAGE]), count, "", next_url, first_url)


def counted(number: int, total: int | None = None) -> str:
    """In words: with a plus if `total`, by default `number` itself, was not counted to its end."""
    return f"{number:,}{'+' if (total or number) == MOST_COUNTED else ''}"
