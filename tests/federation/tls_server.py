"""An `https` server on loopback, with a certificate for a name on the internet."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "app.example"

Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One request, answered by the behaviour of its path."""

    server: "TlsServer"

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        try:
            self.server.behaviours[self.path](self)
        except OSError:
            self.close_connection = True  # the client has disconnected

    def log_message(self, *_: Any) -> None:
        pass


class TlsServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, certificate: Path, authority: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.trust = ssl.create_default_context(cafile=str(authority))
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.behaviours: dict[str, Behaviour] = {}

    def at(self, path: str, behaviour: Behaviour) -> str:
        """Set the behaviour of `path`; its URL, by the name on the internet."""
        self.behaviours[path] = behaviour
        return f"https://{HOST}:{self.server_port}{path}"

    def handle_error(self, *_: Any) -> None:
        pass


@contextmanager
def tls_server(folder: Path, name: str = HOST) -> Iterator[TlsServer]:
    """A server whose certificate is for `name`."""
    certificate = folder / "certificate.pem"
    certificate.write_bytes(self_signed(name))
    server = TlsServer(certificate, certificate)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def self_signed(name: str) -> bytes:
    """A key and a certificate for the name, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def answer(
    body: bytes, status: int = 200, content_type: str = "application/json", **headers: str
) -> Behaviour:
    """Answers with the body; `headers` in lower case, with underscores."""

    def behave(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return behave
