"""Glewlwyd of Debian on SQLite, unpacked beside the system."""

import gzip
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
from joserfc.jwk import ECKey, RSAKey

from benchmarks.peers.peer import (
    CACHE,
    SECRET,
    Peer,
    PeerCommand,
    client_credentials,
    private_key,
    require_sha256,
    run,
    serving,
)
from benchmarks.scripts import Ask

VERSION = "2.7.5-3+deb12u1"
HOME = CACHE / f"glewlwyd-{VERSION}"
UNPACKED = HOME / "unpacked"
# SHA-256 and version of it and of the libraries that Debian 12 has not installed, for amd64.
PACKAGES = Path(__file__).with_suffix(".txt")
SCOPE = "agents-run"


class Glewlwyd(Peer):
    """It stores each token, with its scopes, in SQLite before the answer.

    By default it hashes the secret of a client with many rounds of PBKDF2 at each request. Here it
    has one round, as secrets that are long and random need no more.
    """

    name = "Glewlwyd"
    version = VERSION

    def is_installed(self) -> bool:
        return UNPACKED.exists()

    def install(self) -> None:
        HOME.mkdir(parents=True, exist_ok=True)
        packages = [line.split() for line in PACKAGES.read_text().splitlines()]
        run("apt-get", "download", "--quiet=2", *(package for _, package in packages), cwd=HOME)
        for sha256, package in packages:
            name, _, version = package.partition("=")
            file = next(HOME.glob(f"{name}_{version.replace(':', '%3a')}_*.deb"))
            require_sha256(file, sha256)
            run("dpkg-deb", "--extract", file, HOME)
        UNPACKED.touch()

    @contextmanager
    def prepared(self, folder: Path, port: int) -> Iterator[PeerCommand]:
        database = folder / "glewlwyd.db"
        schema = HOME / "usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz"
        with closing(sqlite3.connect(database)) as connection, gzip.open(schema, "rt") as script:
            connection.executescript(script.read())
        file = folder / "glewlwyd.conf"
        file.write_text(configuration(database, port))
        command = PeerCommand(
            [HOME / "usr/bin/glewlwyd", f"--config-file={file}"],
            {"LD_LIBRARY_PATH": str(next((HOME / "usr/lib").glob("*-linux-gnu")))},
        )
        url = f"http://127.0.0.1:{port}/api"
        with serving(command, port), httpx.Client(base_url=url, trust_env=False) as api:
            configure(api)
        yield command

    def token_request(self, load: str) -> Ask:
        return client_credentials(f"/api/{load}/token", "ci-bot", scope=SCOPE)

    def key_set(self, load: str) -> str:
        return f"/api/{load}/jwks"


def configuration(database: Path, port: int) -> str:
    """Its file of settings: those it cannot do without. No log, as ours."""
    modules = {
        "user_module_path": "user",
        "user_middleware_module_path": "user_middleware",
        "client_module_path": "client",
        "user_auth_scheme_module_path": "scheme",
        "plugin_module_path": "plugin",
    }
    texts = {
        "bind_address": "127.0.0.1",
        "external_url": f"http://127.0.0.1:{port}",
        "cookie_domain": "127.0.0.1",
        "api_prefix": "api",
        "log_mode": "console",
        "log_level": "NONE",
        "session_key": "SESSION",
        "admin_scope": "g_admin",
        "profile_scope": "g_profile",
        "hash_algorithm": "SHA512",
        **{name: str(HOME / "usr/lib/glewlwyd" / folder) for name, folder in modules.items()},
    }
    lines = [f'{name} = "{text}"' for name, text in texts.items()]
    lines += [f"port = {port}", "cookie_secure = 0"]
    lines.append(f'database = {{ type = "sqlite3"; path = "{database}"; }};')
    return "\n".join(lines) + "\n"


def configure(api: httpx.Client) -> None:
    """Through its admin API: one issuer for each algorithm, and a client of both."""
    call(api, "POST", "/auth/", {"username": "admin", "password": "password"})
    clients = api.get("/mod/client/database").json()
    clients["parameters"]["pbkdf2-iterations"] = 1
    call(api, "PUT", "/mod/client/database", clients)
    call(api, "PUT", "/mod/client/database/reset", {})
    call(api, "POST", "/scope", {"name": SCOPE, "password_required": False})
    for alg in Glewlwyd.loads:
        module = {"module": "oidc", "name": alg, "display_name": alg, "parameters": issuer(alg)}
        call(api, "POST", "/mod/plugin/", module)
    client = {
        "client_id": "ci-bot",
        "client_secret": SECRET,
        "password": SECRET,
        "confidential": True,
        "enabled": True,
        "authorization_type": ["client_credentials"],
        "token_endpoint_auth_method": ["client_secret_basic"],
        "scope": [SCOPE],
    }
    call(api, "POST", "/client/", client)


def issuer(alg: str) -> dict[str, Any]:
    key = {"RSA": RSAKey, "EC": ECKey}[(jwk := private_key(alg))["kty"]].import_key(jwk)
    return {
        "iss": f"http://127.0.0.1/{alg}",
        "jwt-type": {"RS256": "rsa", "ES256": "ecdsa"}[alg],
        "jwt-key-size": "256",
        "key": key.as_pem(private=True).decode(),
        "cert": key.as_pem(private=False).decode(),
        "access-token-duration": 900,
        "refresh-token-duration": 3600,
        "allow-non-oidc": True,
        "auth-type-client-enabled": True,
        **{
            f"auth-type-{name}-enabled": False
            for name in ("code", "token", "id-token", "password", "refresh", "none")
        },
    }


def call(api: httpx.Client, method: str, path: str, body: dict[str, Any]) -> None:
    api.request(method, path, json=body).raise_for_status()
