"""Keys rotate in real servers, and no valid token is refused.

Periods are nearly as short as the settings allow: a key is announced for two seconds, and signs for
slightly longer. Verifiers cache the key set for as long as allowed, and never fetch it earlier.
"""

import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

import jwt
import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

from tests.databases import PostgreSQL
from tests.drivers import AdminApi
from tests.journeys.foreign_clients import node_process
from tests.journeys.running_issuer import RunningIssuer, Server, polls, wait_until

ROTATIONS = 50
MAX_AGE = 1
SECONDS_KEPT = 20  # of the 60 that a token is valid
SHORT = {
    "key_sign_for": "2s",
    "key_announce_for": "2s",  # a second to spare: a busy machine may stop a process for as long
    "jwks_max_age": f"{MAX_AGE}s",
    "jwks_max_stale": "0s",
    "access_token_ttl": "60s",
}
pytestmark = pytest.mark.slow


class CachingVerifier:
    """Verifies with its cached key set; fetches it from the next server when it expires."""

    def __init__(self, *servers: Server) -> None:
        self._servers = cycle(servers)
        self._keys: dict[str, jwt.PyJWK] = {}
        self._until = 0.0

    def accepts(self, token: str) -> bool:
        """Whether the token is signed by a key of the set, and has not expired."""
        if time.monotonic() >= self._until:
            self._fetch()
        key = self._keys.get(jwt.get_unverified_header(token)["kid"])
        if key is None:
            return False
        try:
            jwt.decode(token, key, options={"verify_aud": False})
        except jwt.InvalidTokenError:
            return False
        return True

    def _fetch(self) -> None:
        asked = time.monotonic()
        answer = next(self._servers).http.get("/.well-known/jwks.json")
        (max_age,) = re.findall(r"max-age=(\d+)", answer.headers["cache-control"])
        self._until = asked + int(max_age)
        self._keys = {each.key_id: each for each in jwt.PyJWKSet.from_dict(answer.json()).keys}


@pytest.fixture
def two_servers(tmp_path: Path, postgresql: PostgreSQL) -> Iterator[list[Server]]:
    """On one PostgreSQL."""
    with (
        postgresql.database() as url,
        RunningIssuer(tmp_path / "two", url, **SHORT) as issuer,
        issuer.replica() as replica,
    ):
        yield [issuer, replica]


@pytest.fixture
def two_workers(tmp_path: Path) -> Iterator[list[Server]]:
    """On one SQLite file."""
    with RunningIssuer(tmp_path / "one", workers=2, **SHORT) as issuer:
        yield [issuer]


def test_fifty_rotations_refuse_no_valid_token(
    two_servers: list[Server], two_workers: list[Server]
):
    """Both at the same time, because they mostly wait."""
    with ThreadPoolExecutor(2) as pool:
        for refused in pool.map(refused_in_fifty_rotations, [two_servers, two_workers]):
            assert refused == []


def refused_in_fifty_rotations(servers: list[Server]) -> list[str]:
    """Tokens of every second are verified continuously; keys become active in order."""
    issuer = servers[0]
    assert isinstance(issuer, RunningIssuer)
    client, verifier = issuer.deployment.client(), CachingVerifier(*servers)
    kids: list[str] = []
    refused: list[str] = []
    valid: deque[tuple[float, str]] = deque()
    for server in cycle(servers):
        token = server.token_endpoint.client_credentials(client).token
        valid.append((time.monotonic(), token))
        while time.monotonic() - valid[0][0] > SECONDS_KEPT:
            valid.popleft()
        kid = jwt.get_unverified_header(token)["kid"]
        if kid not in kids[-1:]:
            assert kid not in kids, "a key that had been followed by another signed again"
            kids.append(kid)
        if len(kids) > ROTATIONS:
            return refused
        refused += [each for each in (token, valid[0][1]) if not verifier.accepts(each)]
        time.sleep(0.02)
    raise AssertionError("unreachable")


def with_pyjwt(issuer: RunningIssuer, _: ExitStack) -> Callable[[str], object]:
    client = jwt.PyJWKClient(f"{issuer.url}/.well-known/jwks.json", lifespan=1)

    def verify(token: str) -> None:
        key = client.get_signing_key_from_jwt(token)
        jwt.decode(token, key, algorithms=["RS256"], audience="my-os", issuer=issuer.url)

    return verify


def with_joserfc(issuer: RunningIssuer, _: ExitStack) -> Callable[[str], object]:
    """The library does not fetch: its key set is replaced every second."""
    held = {"keys": KeySet([]), "until": 0.0}

    def verify(token: str) -> None:
        if time.monotonic() >= held["until"]:
            answer = issuer.http.get("/.well-known/jwks.json")
            held.update(keys=KeySet.import_key_set(answer.json()), until=time.monotonic() + 1)
        joserfc_jwt.decode(token, held["keys"], algorithms=["RS256"])

    return verify


def with_jose(issuer: RunningIssuer, stack: ExitStack) -> Callable[[str], object]:
    """createRemoteJWKSet ignores max-age: its options set the same times."""
    node = stack.enter_context(node_process("follow.mjs"))
    options = {"cacheMaxAge": 1000, "cooldownDuration": 500}
    jwks_uri = f"{issuer.url}/.well-known/jwks.json"
    expected = {"issuer": issuer.url, "audience": "my-os"}
    node.send(json.dumps({"jwksUri": jwks_uri, "options": options, **expected}))

    def verify(token: str) -> None:
        assert node.ask(token) == "ok"

    return verify


@pytest.mark.parametrize("library", [with_pyjwt, with_joserfc, with_jose])
def test_a_library_verifies_across_rotations(tmp_path: Path, library: Callable[..., Callable]):
    """Three rotations; every token at once and until it expires."""
    with RunningIssuer(tmp_path, **SHORT) as issuer, ExitStack() as stack:
        verify, client = library(issuer, stack), issuer.deployment.client()
        tokens: dict[str, str] = {}
        while len(tokens) <= 3:
            token = issuer.token_endpoint.client_credentials(client).token
            tokens.setdefault(jwt.get_unverified_header(token)["kid"], token)
            for each in (token, *tokens.values()):
                verify(each)
            time.sleep(0.05)


def test_a_revoked_key_is_refused_after_max_age_and_no_other(tmp_path: Path):
    """By a verifier that fetched the key set just before."""
    settings = {**SHORT, "key_sign_for": "30d"}
    with RunningIssuer(tmp_path, **settings) as issuer:
        client, verifier = issuer.deployment.client(), CachingVerifier(issuer)

        def token() -> str:
            return issuer.token_endpoint.client_credentials(client).token

        retired = token()
        wait_until(lambda: admin(issuer).post("/keys/rotate").status_code == 200, 60, "it rotates")
        stolen = token()
        assert all(verifier.accepts(each) for each in (retired, stolen))
        kid = jwt.get_unverified_header(stolen)["kid"]
        assert admin(issuer).post(f"/keys/{kid}/revoke").status_code == 200
        revoked_at, after = time.monotonic(), token()
        assert jwt.get_unverified_header(after)["kid"] != kid
        for _ in polls(MAX_AGE + 2):
            asked_at = time.monotonic()
            if not verifier.accepts(stolen):
                break
            assert asked_at - revoked_at < MAX_AGE
        assert verifier.accepts(retired)
        assert verifier.accepts(after)


def admin(issuer: RunningIssuer) -> AdminApi:
    """Called by an administrator with a new token."""
    answer = issuer.token_endpoint.client_credentials(issuer.deployment.admin)
    return AdminApi(issuer.http, answer.token)
