"""Keycloak on PostgreSQL, with the settings of its production mode."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.peers.peer import (
    CACHE,
    SCOPE,
    SECRET,
    Peer,
    PeerCommand,
    PeerUnavailable,
    client_credentials,
    postgresql,
    require_sha256,
    run,
)
from benchmarks.scripts import Ask

VERSION = "26.7.3"
SHA256 = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"
NAME = f"keycloak-{VERSION}"
HOME = CACHE / NAME
BUILT = HOME / "built"

# What is fixed when it is built. One process needs no cluster, whose start would take longer.
BUILD = ("--db=postgres", "--cache=local", "--health-enabled=false", "--metrics-enabled=false")
# `--optimized` uses what was built. Neither TLS nor a check of the host name, as ours behind a
# proxy; no log, as ours.
SERVE = (
    "start",
    "--optimized",
    "--http-enabled=true",
    "--http-host=127.0.0.1",
    "--hostname-strict=false",
    "--log-level=error",
)
STORED = "with stored events"


class Keycloak(Peer):
    """It stores nothing of a token, unless events are stored: then one row, before the answer.

    Its defaults apply to everything else: the garbage collector, 512 MB of heap, caches in memory.
    """

    name = "Keycloak"
    version = VERSION
    loads = ("RS256", "ES256", f"RS256, {STORED}")
    # On one core the compilers of the virtual machine share it with the requests.
    seconds_to_warm_up = 10

    def is_installed(self) -> bool:
        return BUILT.exists()

    def install(self) -> None:
        self.fetch()
        run(*KC, "build", *BUILD)
        BUILT.touch()

    def fetch(self) -> None:
        """Its distribution, unless it is there already."""
        if shutil.which("java") is None:
            raise PeerUnavailable("it needs Java 17 or newer")
        if HOME.exists():
            return
        CACHE.mkdir(exist_ok=True)
        archive = CACHE / f"keycloak-quarkus-dist-{VERSION}.zip"
        artifact = f"-Dartifact=org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
        fetch = ("mvn", "--quiet", "--batch-mode", "dependency:copy", artifact)
        run(*fetch, f"-DoutputDirectory={CACHE}", cwd=CACHE)
        require_sha256(archive, SHA256)
        with TemporaryDirectory(dir=CACHE) as folder:  # an unpacking that ends early leaves nothing
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(folder)
            Path(folder, NAME).rename(HOME)
        archive.unlink()

    @contextmanager
    def prepared(self, folder: Path, port: int) -> Iterator[PeerCommand]:
        realms = folder / "realms.json"
        realms.write_text(json.dumps([realm("benchmark"), realm("audited", eventsEnabled=True)]))
        with postgresql() as (host, database_port):
            environment = {
                "KC_DB_URL": f"jdbc:postgresql://{host}:{database_port}/peer",
                "KC_DB_USERNAME": "peer",
                "KC_DB_PASSWORD": "peer",
            }
            run(*KC, "import", "--optimized", f"--file={realms}", **environment)
            yield PeerCommand([*KC, *SERVE, f"--http-port={port}"], environment)

    def token_request(self, load: str) -> Ask:
        alg = load.partition(",")[0]
        return client_credentials(f"{_protocol(load)}/token", f"ci-{alg}", scope=SCOPE)

    def key_set(self, load: str) -> str:
        return f"{_protocol(load)}/certs"


KC = ("sh", HOME / "bin" / "kc.sh")


def _protocol(load: str) -> str:
    realm_name = "audited" if load.endswith(STORED) else "benchmark"
    return f"/realms/{realm_name}/protocol/openid-connect"


def realm(name: str, **more: object) -> dict[str, object]:
    """A client for each algorithm. Its tokens have one scope and its audience, as ours.

    By default a token has the claims of seven client scopes, which takes longer.
    """
    audience = {
        "name": "my-os",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-audience-mapper",
        "config": {"included.custom.audience": "my-os", "access.token.claim": "true"},
    }
    scope = {
        "name": SCOPE,
        "protocol": "openid-connect",
        "attributes": {"include.in.token.scope": "true"},
        "protocolMappers": [audience],
    }
    return {
        "realm": name,
        "enabled": True,
        "sslRequired": "none",
        "accessTokenLifespan": 900,
        "clientScopes": [scope],
        "clients": [client(alg) for alg in ("RS256", "ES256")],
        **more,
    }


def client(alg: str) -> dict[str, object]:
    return {
        "clientId": f"ci-{alg}",
        "secret": SECRET,
        "publicClient": False,
        "serviceAccountsEnabled": True,
        "standardFlowEnabled": False,
        "fullScopeAllowed": False,
        "defaultClientScopes": [],
        "optionalClientScopes": [SCOPE],
        "attributes": {"access.token.signed.response.alg": alg},
    }
