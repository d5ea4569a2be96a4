"""One request to an address that may answer anything."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from issuer.rotation_drill.checks import MAX_BYTES, AddressAnswer, NoAnswer, ask
from tests.federation import tls_server
from tests.rows import rows
from tests.verifying_servers import Reply, serving

RSA_KEY = '{"kty":"RSA","kid":"one"}'


def asked(answer: Reply) -> AddressAnswer:
    with serving(lambda _: answer) as url:
        return ask(httpx.URL(url))


@contextmanager
def sending(pieces: Iterator[bytes]) -> Iterator[httpx.URL]:
    """A server that sends these pieces and the request itself, and then disconnects."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                request = connection.recv(65_536)
                try:
                    for piece in (*pieces, request):
                        connection.sendall(piece)
                except OSError:  # the client has disconnected
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        yield httpx.URL(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()


def test_a_key_set_is_recognised_by_its_content():
    """RFC 7517 §5, whatever its media type."""
    body = f'{{"keys":[{RSA_KEY},{{"kty":"EC"}}]}}'.encode()
    assert asked(Reply(200, body)).kids == {"one"}
    assert asked(Reply(200, b'{"keys":[]}')).kids == set()


@rows(
    "reply",
    [
        Reply(404, b'{"keys":[]}'),
        Reply(200, b""),
        Reply(200, b"{"),
        Reply(200, b"[]"),
        Reply(200, b"[" * 100_000),
        Reply(200, b'{"keys":{}}'),
        Reply(200, b'{"keys":[1]}'),
        Reply(200, b'{"keys":[{"kid":"one"}]}'),
        Reply(200, f'{{"keys":[{RSA_KEY}]}}{" " * MAX_BYTES}x'.encode()),
    ],
)
def test_another_document_is_not_a_key_set(reply: Reply):
    assert asked(reply) == AddressAnswer(reply.status, None)


def test_a_redirect_is_not_followed():
    followed: list[str | None] = []

    def elsewhere(token: str | None) -> Reply:
        followed.append(token)
        return Reply(200)

    with (
        serving(elsewhere) as there,
        serving(lambda _: Reply(302, headers={"Location": there})) as url,
    ):
        assert ask(httpx.URL(url), "token").status == 302
    assert followed == []


def test_a_server_that_never_answers_is_abandoned():
    answered = threading.Event()
    with (
        serving(lambda _: Reply(200 if answered.wait(30) else 500)) as url,
        pytest.raises(NoAnswer, match=r"did not answer within 0\.1 s"),
    ):
        try:
            ask(httpx.URL(url), seconds=0.1)
        finally:
            answered.set()


def test_the_deadline_applies_to_the_whole_answer():
    """Every piece arrives in time, but the answer never ends."""
    enough = threading.Event()

    def drip() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        while not enough.wait(0.01):
            yield b"X-More: 1\r\n"

    with sending(drip()) as url:
        try:
            with pytest.raises(NoAnswer, match="within"):
                ask(url, seconds=0.2)
        finally:
            enough.set()


def test_an_unreachable_address_raises_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NoAnswer, match="cannot be reached"):
        ask(httpx.URL(f"http://127.0.0.1:{port}"))


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 "])
def test_a_token_that_the_server_echoes_is_not_in_the_error(begin: bytes):
    with sending(iter([begin])) as url, pytest.raises(NoAnswer, match="does not speak") as error:
        ask(url, "secret-token")
    assert "secret-token" not in str(error.value)


def test_a_private_authority_is_trusted_if_ssl_cert_file_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with tls_server.tls_server(tmp_path, name="localhost") as server:
        server.at("/agents", tls_server.answer(b"", 401))
        url = httpx.URL(f"https://localhost:{server.server_port}/agents")
        with pytest.raises(NoAnswer, match="certificate verify failed"):
            ask(url, "token")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        assert ask(url, "token").status == 401
