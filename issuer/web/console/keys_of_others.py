"""The public keys of a client or a trusted issuer: those given here, or those followed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # few deployments have key sets of others
    from issuer.federation.key_sets import FollowedKeySet

_SHOWN = 100


@dataclass(frozen=True, slots=True)
class PublicKeyInList:
    kid: str
    alg: str


@dataclass(frozen=True, slots=True)
class KeysOfOthers:
    """As they are given here, or as this process follows them, while it uses them.

    `problem` is why they could not be fetched last.
    """

    keys: tuple[PublicKeyInList, ...]
    is_given: bool = False
    fetched_at: datetime | None = None
    problem: str = ""


def given_keys(jwks: Mapping[str, Any]) -> KeysOfOthers:
    return KeysOfOthers(_listed((key["kid"], key["alg"]) for key in jwks["keys"]), is_given=True)


def followed_keys(key_set: "FollowedKeySet | None") -> KeysOfOthers:
    """As this process holds them. Nothing is fetched."""
    state = key_set.state if key_set else None
    if state is None:
        return KeysOfOthers(())
    keys = _listed((key.kid, key.alg) for key in state.keys.values())
    return KeysOfOthers(keys, fetched_at=state.fetched_at, problem=state.problem or "")


def _listed(keys: Iterable[tuple[str, str]]) -> tuple[PublicKeyInList, ...]:
    return tuple(PublicKeyInList(*each) for each in [*keys][:_SHOWN])
