"""node-oidc-provider: a library, in the program `benchmarks/javascript/oidc_provider.mjs`."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers.peer import (
    SCOPE,
    SECRET,
    Peer,
    PeerCommand,
    PeerUnavailable,
    client_credentials,
    private_key,
    run,
)
from benchmarks.scripts import Ask

HOME = Path(__file__).parents[1] / "javascript"


class NodeOidcProvider(Peer):
    """It stores nothing of a token that is a JWT, and comes without a durable store."""

    name = "node-oidc-provider"

    @property
    def version(self) -> str:
        return json.loads((HOME / "package.json").read_text())["dependencies"]["oidc-provider"]

    def is_installed(self) -> bool:
        return shutil.which("node") is not None and (HOME / "node_modules").is_dir()

    def install(self) -> None:
        if shutil.which("node") is None:
            raise PeerUnavailable("it needs Node.js 20 or newer")
        run("npm", "ci", "--prefix", HOME, "--no-audit", "--no-fund", "--loglevel=error")

    @contextmanager
    def prepared(self, folder: Path, port: int) -> Iterator[PeerCommand]:
        """Its keys are in a file, so that no start has to make them."""
        keys = folder / "jwks.json"
        keys.write_text(json.dumps({"keys": [private_key(alg) for alg in self.loads]}))
        program = HOME / "oidc_provider.mjs"
        yield PeerCommand(["node", program, port, "ci-bot", SECRET, keys])

    def token_request(self, load: str) -> Ask:
        resource = f"urn:benchmark:{load}"
        return client_credentials("/token", "ci-bot", scope=SCOPE, resource=resource)

    def key_set(self, load: str) -> str:
        return "/jwks"
