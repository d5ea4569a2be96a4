"""Fetching key sets of others for a screen: outside the worker threads, as for a request."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import Response

from issuer.clients.authentication import Look
from issuer.web.console.endpoint import ConsoleEndpoint
from issuer.web.visit import Visit

if TYPE_CHECKING:  # few deployments have key sets of others
    from issuer.federation.key_sets import FollowedKeySet

_LOOKED = "looked"


class KeysWanted(Exception):
    """The form is answered once `look` has waited for keys of others, 3 seconds at most."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look


class FetchingEndpoint(ConsoleEndpoint):
    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        try:
            return await super().submit(visit, form)
        except KeysWanted as wanted:
            await wanted.look()
            return await super().submit(visit, {**form, _LOOKED: "yes"})


def look_first(form: Mapping[str, str], look: Look | None) -> None:
    """`KeysWanted` unless `look` is None or was waited for."""
    if look is not None and _LOOKED not in form:
        raise KeysWanted(look)


def fetched_in_words(form: Mapping[str, str], key_set: "FollowedKeySet | None") -> str:
    """Fetch the keys, and say what was found."""
    if key_set is None:
        return "Nothing was fetched: the keys are given here."
    look_first(form, partial(key_set.look, None))
    state = key_set.state
    if state is None or not state.keys:
        problem = state.problem if state else None
        return problem or "No key was fetched: there was no answer within 3 seconds."
    fetched = "One key is" if len(state.keys) == 1 else f"{len(state.keys):,} keys are"
    return f"{fetched} fetched, and followed from now on."
