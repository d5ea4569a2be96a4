"""Headers of verifiers that report."""

from collections.abc import Sequence
from typing import Any

from issuer.composition import Composition
from issuer.verifiers.known_verifier import MOST_OF_NETWORK
from tests.builders import Deployment

NAME = "AgentOS-Verifier"


def report(
    keys: Sequence[str] = ("k1",),
    *,
    aud: str = "my-os",
    id: str = "instance-1",  # noqa: A002 - as in the header
    adapter: str = "0.1.0",
    agno: str = "3.1.0",
    feed: int = 1_795_000_000,
    more: str = "",
) -> bytes:
    """The value of the header."""
    kids = " ".join(f'"{kid}"' for kid in keys)
    text = f'id="{id}", aud="{aud}", adapter="{adapter}", agno="{agno}", keys=({kids}), feed={feed}'
    return (text + (f', more="{more}"' if more else "")).encode()


def left_out(parts: Composition, kids: Sequence[str] = ()) -> None:
    """More verifiers at one address than are kept have said that they hold the next key."""
    verifiers = parts.protocol.verifiers
    kids = kids or [key.kid for key in parts.keys.keyring.keys]
    for number in range(MOST_OF_NETWORK + 3):
        verifiers.note(report(kids, id=f"instance-{number}"), "192.0.2.1")
    verifiers.write()


def reported(
    deployment: Deployment, keys: Sequence[str], address: str = "192.0.2.77", **said: Any
) -> None:
    """A verifier at that address has said that it holds these keys."""
    verifiers = deployment.services.protocol.verifiers
    verifiers.note(report(keys, **said), address)
    verifiers.write()
