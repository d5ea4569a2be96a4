"""Fetching what somebody else names: attacks on the network of this issuer (SSRF)."""

import asyncio
import gzip
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from issuer.deliveries.sender import AT_ONCE
from issuer.federation import Fetcher, FetchRefused
from issuer.federation.fetching import MAX_BYTES, HttpAnswer, is_public
from tests.federation.tls_server import HOST, Handler, TlsServer, answer, tls_server
from tests.rows import rows

LOOPBACK = "127.0.0.1"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TlsServer]:
    with tls_server(tmp_path) as running:
        yield running


@pytest.fixture
def fetcher(server: TlsServer) -> Fetcher:
    """To it, the server on loopback is on the internet."""
    return Fetcher(lambda host, port: [LOOPBACK], lambda address: True, server.trust)


def test_a_document_is_fetched_by_its_name(server: TlsServer, fetcher: Fetcher):
    url = server.at("/client?a=b", answer(b'{"a": 1}', cache_control="max-age=600"))
    document = fetcher.fetch(url)
    assert (document.body, document.max_age) == (b'{"a": 1}', 600)
    ((path, headers),) = server.asked
    assert (path, headers["Host"]) == ("/client?a=b", f"{HOST}:{server.server_port}")
    assert "Cookie" not in headers


@rows(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.0.8",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "not an address",
    ],
)
def test_an_address_that_is_not_public_is_never_connected_to(server: TlsServer, address: str):
    url = server.at("/client", answer(b"{}"))
    assert not is_public(address)
    for addresses in ([address], ["1.1.1.1", address]):
        fetcher = Fetcher(lambda host, port, found=addresses: found, certificates=server.trust)
        with pytest.raises(FetchRefused, match="not public"):
            fetcher.fetch(url)
    assert server.asked == []


@rows("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::1.1.1.1"])
def test_addresses_of_the_internet_are_public(address: str):
    assert is_public(address)


@rows("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "2130706433", "0x7f.1"])
def test_a_url_cannot_name_this_machine_in_any_spelling(host: str):
    with pytest.raises(FetchRefused):
        Fetcher().fetch(f"https://{host}/client")


def test_a_name_is_resolved_once(server: TlsServer):
    """Else the second answer could be another address than the one that was checked."""
    url = server.at("/client", answer(b"{}"))
    answers = iter([[LOOPBACK], ["127.0.0.2"]])
    fetcher = Fetcher(
        lambda host, port: next(answers), lambda address: address == LOOPBACK, server.trust
    )
    assert fetcher.fetch(url).body == b"{}"
    with pytest.raises(FetchRefused, match="not public"):
        fetcher.fetch(url)
    assert len(server.asked) == 1


def test_hosts_that_nobody_can_resolve_delay_no_others(server: TlsServer):
    """As many as messages are delivered to at a time; their look-ups outlast two attempts."""
    url = server.at("/client", answer(b"{}"))
    ends = threading.Event()

    def resolve(host: str, _port: int) -> list[str]:
        if host != HOST:
            ends.wait(60)
        return [LOOPBACK]

    fetcher = Fetcher(resolve, lambda address: True, server.trust)

    async def fetch_beside() -> bytes | None:
        hanging = [f"https://{number}.example/" for number in range(2 * AT_ONCE)]
        tasks = [asyncio.create_task(fetcher.fetch_if_changed(each, None)) for each in hanging]
        await asyncio.sleep(0)
        try:
            return (await fetcher.fetch_if_changed(url, None)).body
        finally:
            ends.set()
            for task in tasks:
                task.cancel()

    assert asyncio.run(fetch_beside()) == b"{}"


def test_the_certificate_must_be_for_the_name(tmp_path: Path):
    with tls_server(tmp_path, name="other.example") as server:
        url = server.at("/client", answer(b"{}"))
        fetcher = Fetcher(lambda host, port: [LOOPBACK], lambda address: True, server.trust)
        with pytest.raises(FetchRefused, match="certificate"):
            fetcher.fetch(url)
        assert server.asked == []


@rows("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(server: TlsServer, fetcher: Fetcher, status: int):
    elsewhere = server.at("/elsewhere", answer(b"{}"))
    url = server.at("/client", answer(b"", status, location=elsewhere))
    server.asked.clear()
    with pytest.raises(FetchRefused, match=str(status)):
        fetcher.fetch(url)
    assert [path for path, _ in server.asked] == ["/client"]


@rows("status", [201, 204, 206, 304, 400, 404, 500])
def test_every_status_but_200_is_refused(server: TlsServer, fetcher: Fetcher, status: int):
    with pytest.raises(FetchRefused, match=str(status)):
        fetcher.fetch(server.at("/client", answer(b"", status)))


def test_a_large_answer_is_not_read_to_its_end(server: TlsServer, fetcher: Fetcher):
    sent = 0

    def endless(handler: Handler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        while True:
            sent += handler.wfile.write(b" " * 4096)

    with pytest.raises(FetchRefused, match=str(MAX_BYTES)):
        fetcher.fetch(server.at("/client", endless))
    assert sent < 100 * MAX_BYTES


def test_a_compressed_answer_is_refused(server: TlsServer, fetcher: Fetcher):
    """A few kilobytes could become gigabytes."""
    bomb = gzip.compress(b" " * 10_000_000)
    url = server.at("/client", answer(bomb, content_encoding="gzip"))
    with pytest.raises(FetchRefused, match="encoding"):
        fetcher.fetch(url)


@rows("content_type", ["text/html", "text/plain", "application/jsonp", ""])
def test_only_json_is_read(server: TlsServer, fetcher: Fetcher, content_type: str):
    url = server.at("/client", answer(b"{}", content_type=content_type))
    with pytest.raises(FetchRefused, match="content type"):
        fetcher.fetch(url)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["head", "body"])
def test_a_slow_answer_ends_at_the_deadline(server: TlsServer, fetcher: Fetcher, part: str):
    """Each byte comes in time; all together do not."""

    def drip(handler: Handler) -> None:
        if part == "body":
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b"X")
            handler.wfile.flush()
            time.sleep(0.5)

    began = time.monotonic()
    with pytest.raises(FetchRefused, match="5 s"):
        fetcher.fetch(server.at("/client", drip))
    assert time.monotonic() - began < 8


@rows(
    "url",
    [
        "http://app.example/client",
        "ftp://app.example/client",
        "file:///etc/passwd",
        "https://user@app.example/client",
        "https://user:secret@app.example/client",
        "https://1.1.1.1@127.0.0.1/client",
        "https://app.example/client#fragment",
        "https://app.example:99999/client",
        "https:///client",
        "//app.example/client",
    ],
)
def test_only_https_without_user_information_and_fragment(url: str):
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return []

    with pytest.raises(FetchRefused):
        Fetcher(resolve).fetch(url)
    assert asked == []


def sent(fetcher: Fetcher, url: str, method: str = "POST") -> HttpAnswer:
    return asyncio.run(fetcher.request(method, url, {"X-Sent": "1"}, "code=1"))


def test_any_answer_to_a_request_is_given_back(server: TlsServer, fetcher: Fetcher):
    url = server.at("/token", answer(b'{"error": "invalid_grant"}', 400))
    found = sent(fetcher, url)
    assert (found.status_code, found.json()) == (400, {"error": "invalid_grant"})
    ((_, headers),) = server.asked
    assert headers["X-Sent"] == "1"
    assert headers["Accept-Encoding"] == "identity"


ANSWERS: dict[str, tuple[bytes, dict[str, str], str]] = {
    "too long": (b"x" * (MAX_BYTES + 1), {}, "more than"),
    "compressed": (gzip.compress(b"{}"), {"content_encoding": "gzip"}, "an encoding"),
}


@rows(("body", "headers", "reason"), ANSWERS)
def test_an_answer_to_a_request_is_bounded(
    server: TlsServer, fetcher: Fetcher, body: bytes, headers: dict[str, str], reason: str
):
    url = server.at("/token", answer(body, 200, **headers))
    with pytest.raises(FetchRefused, match=reason):
        sent(fetcher, url)


def test_a_request_follows_no_redirect(server: TlsServer, fetcher: Fetcher):
    """It has a code, and the secret of this issuer."""
    url = server.at("/token", answer(b"", 307, location="https://evil.example/"))
    assert sent(fetcher, url).status_code == 307
    assert len(server.asked) == 1


@rows("url", ["http://app.example/token", "https://user@app.example/token", "https://[/token"])
def test_a_request_needs_tls(fetcher: Fetcher, url: str):
    with pytest.raises(FetchRefused, match=r"https|not valid"):
        sent(fetcher, url)


def test_a_request_reaches_no_private_address(server: TlsServer):
    url = server.at("/token", answer(b"{}"))
    private = Fetcher(lambda host, port: [LOOPBACK], certificates=server.trust)
    with pytest.raises(FetchRefused, match="not public"):
        sent(private, url)
    assert server.asked == []
