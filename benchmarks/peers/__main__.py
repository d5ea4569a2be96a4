"""Fetches and builds the servers that are measured beside ours, into `.peers`.

    python -m benchmarks.peers

From package registries, with their ordinary clients. What cannot be had is not measured.
"""

from benchmarks.peers import PEERS
from benchmarks.peers.peer import PeerUnavailable


def main() -> None:
    for peer in PEERS:
        if peer.is_installed():
            continue
        print(f"Installing {peer.name} {peer.version}", flush=True)
        try:
            peer.install()
        except PeerUnavailable as error:
            print(f"{peer.name} is not measured: {error}.", flush=True)


if __name__ == "__main__":
    main()
