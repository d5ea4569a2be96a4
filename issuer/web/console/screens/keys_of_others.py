"""The public keys of a client or a trusted issuer, given here or followed; and fetching them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from issuer.federation.fetching import KeyFetch

if TYPE_CHECKING:  # few deployments have key sets of others
    from issuer.federation.key_sets import FollowedKeySet

_SHOWN = 100
LOOKED = "looked"


@dataclass(frozen=True, slots=True)
class KeysOfOthers:
    """The keys of another party: given here, or followed by this process while it uses them.

    `keys` are pairs of id and algorithm. `problem` is why they could not be fetched last.
    """

    keys: list[tuple[str, str]]
    is_given: bool = False
    fetched_at: datetime | None = None
    problem: str = ""


def given_keys(jwks: Mapping[str, Any]) -> KeysOfOthers:
    return KeysOfOthers([(k["kid"], k["alg"]) for k in jwks["keys"][:_SHOWN]], is_given=True)


def followed_keys(key_set: "FollowedKeySet | None") -> KeysOfOthers:
    """The keys that this process holds. Nothing is fetched."""
    state = key_set.state if key_set else None
    if state is None:
        return KeysOfOthers([])
    keys = [(key.kid, key.alg) for key in islice(state.keys.values(), _SHOWN)]
    return KeysOfOthers(keys, fetched_at=state.fetched_at, problem=state.problem or "")


class KeyFetchRequired(Exception):
    """The form is answered once `fetch_keys` has waited for keys of others, 3 seconds at most."""

    def __init__(self, fetch_keys: KeyFetch) -> None:
        super().__init__()
        self.fetch_keys = fetch_keys


def fetch_first(form: Mapping[str, str], fetch_keys: KeyFetch | None) -> None:
    """`KeyFetchRequired` unless `fetch_keys` is None or was waited for."""
    if fetch_keys is not None and LOOKED not in form:
        raise KeyFetchRequired(fetch_keys)


def fetched_in_words(form: Mapping[str, str], key_set: "FollowedKeySet | None") -> str:
    """Fetch the keys, and say what was found."""
    if key_set is None:
        return "Nothing was fetched: the keys are given here."
    fetch_first(form, partial(key_set.fetch_keys, None))
    state = key_set.state
    if state is None or not state.keys:
        problem = state.problem if state else None
        return problem or "No key was fetched: there was no answer within 3 seconds."
    fetched = "One key is" if len(state.keys) == 1 else f"{len(state.keys):,} keys are"
    return f"{fetched} fetched, and followed from now on."
