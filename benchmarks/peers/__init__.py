"""Other servers that are measured beside ours, each in one file."""

from collections.abc import Iterator, Sequence

from benchmarks.peers.glewlwyd import Glewlwyd
from benchmarks.peers.hydra import Hydra
from benchmarks.peers.keycloak import Keycloak
from benchmarks.peers.node_oidc_provider import NodeOidcProvider
from benchmarks.peers.peer import Peer, PeerUnavailable, RunningPeer, running_peer

__all__ = ["PEERS", "Peer", "PeerUnavailable", "RunningPeer", "installed", "running_peer"]

PEERS: Sequence[Peer] = (
    NodeOidcProvider(),
    Keycloak(),
    Hydra("RS256"),
    Hydra("ES256"),
    Glewlwyd(),
)


def installed() -> Iterator[Peer]:
    return (peer for peer in PEERS if peer.is_installed())
