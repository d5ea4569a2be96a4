"""Assertions of clients. Imports PyJWT and httpx: only where they are first used."""

from functools import partial

from issuer.clients.assertions import ClientAssertions, OwnKeys
from issuer.clients.documents import ClientDocuments
from issuer.clients.trusted_tokens import TrustedTokens
from issuer.clients.used_assertions_store import UsedAssertions
from issuer.composition.foundation import Foundation
from issuer.directory import Directory
from issuer.federation import FetchBudget, Fetcher
from issuer.federation.key_sets import FollowedKeySets
from issuer.telemetry.metrics import OF_CLIENTS, OF_REGISTERED, OF_TRUSTED

# How often a key set may be fetched, in seconds, whatever its `max-age` says.
_SHORTEST, _SHORTEST_OF_OTHERS = 10.0, 60.0


def build_assertions(
    foundation: Foundation, directory: Directory, documents: ClientDocuments, used: UsedAssertions
) -> ClientAssertions:
    """The three kinds of key sets share no fetches: one cannot keep another waiting.

    What administrators have named has threads of its own: names that anybody may choose can be
    slow to resolve.
    """
    clock, url, metrics = foundation.clock, foundation.settings.url, foundation.metrics
    fetcher = Fetcher()
    generous = partial(FetchBudget, clock, a_minute=1_200, of_a_host=120, at_once=16)
    of_clients, of_trusted = (
        FollowedKeySets(fetcher, generous(), clock, _SHORTEST, of, metrics)
        for of in (OF_CLIENTS, OF_TRUSTED)
    )
    of_others = FollowedKeySets(
        Fetcher(), FetchBudget(clock), clock, _SHORTEST_OF_OTHERS, OF_REGISTERED, metrics
    )
    return ClientAssertions(
        directory,
        documents,
        used,
        OwnKeys(url, documents, of_clients, of_others),
        TrustedTokens(url, directory, of_trusted),
        (of_clients, of_others, of_trusted),
        clock,
    )
