"""Where the keys of a trusted issuer are fetched: its own CA, private addresses, metadata."""

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from issuer.agentos.errors import NotFetched
from issuer.agentos.fetching import Fetched
from issuer.federation import FetchBudget, Fetcher
from issuer.federation.key_source import KeySource, SourceFetch, fetcher_for
from tests.builders import FakeClock
from tests.federation.tls_server import answer, tls_server
from tests.oauth.asserting import AssertingClient

JWKS = json.dumps(AssertingClient.new("app").jwks).encode()
NAME = "localhost"


def fetched(source: KeySource, clock: FakeClock) -> Fetched:
    budget = FetchBudget(clock)
    fetch = SourceFetch(source, fetcher_for(source, Fetcher()), budget, 10.0, clock.monotonic)
    return asyncio.run(fetch(None))


def test_an_issuer_in_a_private_network_has_a_ca_of_its_own(tmp_path: Path, clock: FakeClock):
    with tls_server(tmp_path, NAME) as server:
        url = f"https://{NAME}:{server.server_port}"
        server.at("/jwks", answer(JWKS))
        metadata = {"issuer": url, "jwks_uri": f"{url}/jwks"}
        server.at("/.well-known/openid-configuration", answer(json.dumps(metadata).encode()))
        pem = (tmp_path / "certificate.pem").read_text()
        ca = pem[pem.index("-----BEGIN CERTIFICATE") :]
        allowed = {"ca_certificate": ca, "allow_private_addresses": True}
        for source in (KeySource(f"{url}/jwks", **allowed), KeySource(None, url, **allowed)):
            assert fetched(source, clock).body == JWKS
        for missing in allowed:
            less = {name: value for name, value in allowed.items() if name != missing}
            with pytest.raises(NotFetched):
                fetched(KeySource(f"{url}/jwks", **less), clock)


@pytest.fixture
def plain() -> Iterator[str]:
    """An `http` server on loopback with a key set; its URL.

    The set has the media type of RFC 7517 §8.5 alone, as that of kube-apiserver.
    """

    class Plain(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_refused = self.path == "/jwks" and "*/*" not in self.headers["Accept"]
            self.send_response(406 if is_refused else 200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            url = f"http://127.0.0.1:{self.server.server_port}"
            metadata = json.dumps({"issuer": url, "jwks_uri": f"{url}/jwks"}).encode()
            self.wfile.write(JWKS if self.path == "/jwks" else metadata)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Plain)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_http_on_loopback_is_only_for_whom_an_administrator_allowed_it(
    plain: str, clock: FakeClock, tmp_path: Path
):
    """Metadata of an `https` issuer cannot send this issuer there."""
    assert fetched(KeySource(None, plain, allow_private_addresses=True), clock).body == JWKS
    with pytest.raises(NotFetched):
        fetched(KeySource(f"{plain}/jwks"), clock)
    with tls_server(tmp_path, NAME) as server:
        url = f"https://{NAME}:{server.server_port}"
        metadata = json.dumps({"issuer": url, "jwks_uri": f"{plain}/jwks"}).encode()
        server.at("/.well-known/openid-configuration", answer(metadata))
        pem = (tmp_path / "certificate.pem").read_text()
        ca = pem[pem.index("-----BEGIN CERTIFICATE") :]
        source = KeySource(None, url, ca_certificate=ca, allow_private_addresses=True)
        with pytest.raises(NotFetched, match="must be https"):
            fetched(source, clock)
