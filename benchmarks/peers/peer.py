"""What the benchmarks need of another server, and what all of them share."""

import hashlib
import os
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt

from benchmarks.running import running
from benchmarks.scripts import Ask, post
from tests.builders import Credentials
from tests.databases import connect, running_server
from tests.journeys.running_issuer import polls, reserved_port
from tests.oauth.asserting import new_key

# What was fetched and built, for the next runs. It is not in the repository.
CACHE = Path(__file__).parents[2] / ".peers"
# On disk: in memory a flush costs nothing.
ON_DISK = Path("/tmp")
SECONDS_TO_START = 180
SECRET = "ais-of-someone-else-0123456789"
SCOPE = "agents:run"


class PeerUnavailable(Exception):
    """A server that cannot be had or run here; the message is a sentence that says why."""


@dataclass(frozen=True)
class PeerCommand:
    """Starts a server whose database has the clients."""

    words: Sequence[object]
    environment: Mapping[str, str] = field(default_factory=dict)


class Peer(ABC):
    """Another server. A subclass has its settings, with the reason of each, in one file.

    All have the same work: client credentials with `client_secret_basic`, and JWT access tokens
    signed with RS256 (2048 bits) or ES256, for 15 minutes. Each is one process on the core of ours.
    """

    # `loads` are what it is asked for: an algorithm, and if it is not the usual work, a remark.
    name: str
    version: str
    loads: Sequence[str] = ("RS256", "ES256")
    # A virtual machine compiles what is called often, and needs longer.
    seconds_to_warm_up = 1

    @property
    def subject(self) -> str:
        """Its name among what is measured; another one for each process."""
        return self.name

    @abstractmethod
    def install(self) -> None:
        """Fetch and build what is not there yet. `PeerUnavailable` if it cannot be had."""

    @abstractmethod
    def is_installed(self) -> bool: ...

    @abstractmethod
    def prepared(self, folder: Path, port: int) -> Any:
        """A context manager: the `PeerCommand` that serves on the port of 127.0.0.1."""

    @abstractmethod
    def token_request(self, load: str) -> Ask: ...

    @abstractmethod
    def key_set(self, load: str) -> str:
        """Its path."""


class RunningPeer:
    """A peer while it is measured."""

    def __init__(self, peer: Peer, port: int, pid: int, starts: Sequence[float]) -> None:
        self.peer = peer
        self.url = f"http://127.0.0.1:{port}"
        self.pid = pid
        self.starts = starts
        self.seconds_to_warm_up = peer.seconds_to_warm_up

    def require_signed_tokens(self) -> None:
        """For every load a JWT, whose signature is valid, of the algorithm and size of key."""
        for load in self.peer.loads:
            alg = load.partition(",")[0]
            answer = send(self.url, self.peer.token_request(load))
            token = answer.json()["access_token"]
            keys = jwt.PyJWKClient(self.url + self.peer.key_set(load))
            key = keys.get_signing_key_from_jwt(token).key
            jwt.decode(token, key, [alg], options={"verify_aud": False, "require": ["exp"]})
            assert key.key_size == {"RS256": 2048, "ES256": 256}[alg], key.key_size
            assert jwt.get_unverified_header(token)["alg"] == alg


@contextmanager
def running_peer(peer: Peer, folder: Path, starts: int) -> Iterator[RunningPeer]:
    """It runs after so many starts, of which each is measured until its first token."""
    folder.mkdir()
    with reserved_port() as port, peer.prepared(folder, port) as command:
        taken = []
        for number in range(starts):
            began = time.perf_counter()
            with serving(command, port) as pid:
                url = f"http://127.0.0.1:{port}"
                await_token(url, peer.token_request(peer.loads[0]))
                taken.append(time.perf_counter() - began)
                if number == starts - 1:
                    found = RunningPeer(peer, port, pid, taken)
                    found.require_signed_tokens()
                    yield found


@contextmanager
def serving(command: PeerCommand, port: int) -> Iterator[int]:
    """The process id, as soon as it answers."""
    url = f"http://127.0.0.1:{port}"
    try:
        with running(command.words, url, command.environment, SECONDS_TO_START) as pid:
            yield pid
    except AssertionError as error:
        raise PeerUnavailable(str(error)) from error


def await_token(url: str, ask: Ask) -> None:
    for _ in polls(SECONDS_TO_START):
        with suppress(httpx.TransportError):
            if (answer := send(url, ask)).is_success:
                return
    raise PeerUnavailable(f"It gives no token: {answer.status_code} {answer.text}")


def send(url: str, ask: Ask) -> httpx.Response:
    headers = dict(ask.headers)
    return httpx.request(
        ask.method, url + ask.path, headers=headers, content=ask.body, trust_env=False, timeout=30
    )


def client_credentials(path: str, client_id: str, **form: str) -> Ask:
    client = Credentials(client_id, SECRET)
    return post(path, client, grant_type="client_credentials", **form)


def private_key(alg: str) -> dict[str, Any]:
    """A new key as a JWK."""
    return {**new_key(alg).as_dict(private=True), "kid": alg, "alg": alg, "use": "sig"}


@contextmanager
def postgresql() -> Iterator[tuple[str, int]]:
    """Host and port of PostgreSQL with the durability of ours, its user and its database `peer`.

    By TCP, since not every driver knows Unix sockets. The password is `peer`, too.
    """
    durable = {"fsync": "on", "full_page_writes": "on", "log_min_messages": "panic"}
    with ExitStack() as held:
        port = held.enter_context(reserved_port())
        more = {"listen_addresses": "127.0.0.1", "port": str(port), **durable}
        with Path(os.devnull).open("w") as nothing, redirect_stderr(nothing):
            socket = held.enter_context(running_server(ON_DISK, **more))
        with connect(socket, port=port) as connection:
            connection.execute("CREATE ROLE peer LOGIN PASSWORD 'peer'")
            connection.execute("CREATE DATABASE peer OWNER peer")
        yield "127.0.0.1", port


def run(*words: object, cwd: Path | None = None, **environment: str) -> str:
    """The output of a program. `PeerUnavailable` if there is none, or it fails."""
    command = [str(word) for word in words]
    whole = {**os.environ, **environment}
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=cwd, env=whole
        )
    except FileNotFoundError:
        raise PeerUnavailable(f"it needs `{command[0]}`") from None
    if ended.returncode:
        said = (ended.stderr.strip() or ended.stdout.strip()).splitlines()[-3:]
        raise PeerUnavailable(f"`{' '.join(command[:3])}` failed: {' '.join(said)}")
    return ended.stdout


def require_sha256(file: Path, expected: str) -> None:
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != expected:
        file.unlink()
        raise PeerUnavailable(f"{file.name} has the SHA-256 {found}, and not {expected}")
