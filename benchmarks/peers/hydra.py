"""Ory Hydra on PostgreSQL, as the program of a Go module."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.peers.peer import (
    CACHE,
    SCOPE,
    SECRET,
    Peer,
    PeerCommand,
    client_credentials,
    postgresql,
    private_key,
    run,
    serving,
)
from benchmarks.scripts import Ask
from tests.journeys.running_issuer import reserved_port

# `go.mod` and `go.sum` in this folder pin it and all that it needs, with hashes.
MODULE = Path(__file__).parent / "hydra"
VERSION = "2.3.0"
PROGRAM = CACHE / f"hydra-{VERSION}"
SLOW_HASH = "with the default hash of secrets"


class Hydra(Peer):
    """It stores each token, with its request, in PostgreSQL before the answer.

    It signs all tokens with one key, so another algorithm is another process. By default it hashes
    the secret of a client with 25,000 rounds of PBKDF2 at each request; that is measured once.
    Otherwise it has one round, as secrets that are long and random need no more.
    """

    name = "Hydra"
    version = VERSION

    def __init__(self, alg: str) -> None:
        self._alg = alg
        self.loads = (alg, f"{alg}, {SLOW_HASH}") if alg == "RS256" else (alg,)

    @property
    def subject(self) -> str:
        return self.name if self._alg == "RS256" else f"{self.name}, {self._alg}"

    def is_installed(self) -> bool:
        return PROGRAM.exists()

    def install(self) -> None:
        CACHE.mkdir(exist_ok=True)
        run("go", "build", "-o", PROGRAM, "github.com/ory/hydra/v2", cwd=MODULE)

    @contextmanager
    def prepared(self, folder: Path, port: int) -> Iterator[PeerCommand]:
        with postgresql() as (host, database_port):
            # By default it has two connections for each core. A request needs a second one while
            # it holds the first: with more requests than connections they wait for each other.
            options = "sslmode=disable&max_conns=150&max_idle_conns=150"
            settings = {
                "DSN": f"postgres://peer:peer@{host}:{database_port}/peer?{options}",
                "SECRETS_SYSTEM": "not-a-secret-0123456789",
                "URLS_SELF_ISSUER": f"http://127.0.0.1:{port}",
                "STRATEGIES_ACCESS_TOKEN": "jwt",
                "TTL_ACCESS_TOKEN": "15m",
                # No log, as ours; no reports to its makers.
                "LOG_LEVEL": "panic",
                "SQA_OPT_OUT": "true",
                "SERVE_PUBLIC_HOST": "127.0.0.1",
                "SERVE_PUBLIC_PORT": str(port),
            }
            run(PROGRAM, "migrate", "sql", "up", "--read-from-env", "--yes", **settings)
            fast = settings | {"OAUTH2_HASHERS_PBKDF2_ITERATIONS": "1"}
            keys = {"keys": [private_key(self._alg)]}
            with administration(settings) as api:
                # Its own key would have 4096 bits.
                put = api.put("/admin/keys/hydra.jwt.access-token", json=keys)
                put.raise_for_status()
                register(api, "ci-slow")
            with administration(fast) as api:
                register(api, "ci-bot")
            # `--dev` allows HTTP, as ours behind a proxy.
            yield PeerCommand([PROGRAM, "serve", "public", "--dev"], fast)

    def token_request(self, load: str) -> Ask:
        client_id = "ci-slow" if load.endswith(SLOW_HASH) else "ci-bot"
        return client_credentials("/oauth2/token", client_id, scope=SCOPE, audience="my-os")

    def key_set(self, load: str) -> str:
        return "/.well-known/jwks.json"


@contextmanager
def administration(settings: dict[str, str]) -> Iterator[httpx.Client]:
    """Its admin API, while the block lasts."""
    with reserved_port() as port:
        more = {"SERVE_ADMIN_HOST": "127.0.0.1", "SERVE_ADMIN_PORT": str(port)}
        command = PeerCommand([PROGRAM, "serve", "admin", "--dev"], settings | more)
        with (
            serving(command, port),
            httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as api,
        ):
            yield api


def register(api: httpx.Client, client_id: str) -> None:
    client = {
        "client_id": client_id,
        "client_secret": SECRET,
        "grant_types": ["client_credentials"],
        "scope": SCOPE,
        "audience": ["my-os"],
        "token_endpoint_auth_method": "client_secret_basic",
    }
    api.post("/admin/clients", json=client).raise_for_status()
