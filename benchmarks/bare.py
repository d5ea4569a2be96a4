"""The upper bounds: an ASGI app that only answers, and one that also signs what it answers.

    python -m benchmarks.bare nothing|RS256|ES256|EdDSA PORT

It has the HTTP server of the issuer, its keys, and the head and body of its answer, with a valid
JWT of the same claims. It reads no request, authenticates nobody and stores nothing.
"""

import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from itertools import count, repeat
from typing import Any

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic_core import to_json
from starlette.types import ASGIApp, Receive, Scope, Send

from issuer.keys.private_key import generate
from issuer.server.connection import BoundedConnection
from issuer.vocabulary import SigningAlgorithm

Sign = Callable[[bytes], bytes]

_CLAIMS = {
    "iss": "http://127.0.0.1:9000",
    "sub": "ci-bot",
    "aud": "my-os",
    "client_id": "ci-bot",
    "scope": "agents:run",
    "scopes": ["agents:run"],
}
_HEADERS = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"pragma", b"no-cache"),
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"Retry-After, WWW-Authenticate, X-Request-Id"),
    (b"x-request-id", b"0123456789abcdef0123456789abcdef"),
    (b"x-content-type-options", b"nosniff"),
]


_SHA256, _PKCS1, _ECDSA = SHA256(), PKCS1v15(), ECDSA(SHA256())


def signing_es256(key: Any) -> Sign:
    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, _ECDSA))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


SIGNING: dict[str, Callable[[Any], Sign]] = {
    "RS256": lambda key: lambda message: key.sign(message, _PKCS1, _SHA256),
    "ES256": signing_es256,
    "EdDSA": lambda key: key.sign,
}


def new_signer(alg: str) -> Sign:
    """Signs with a new key, of the kind that the issuer signs with."""
    return SIGNING[alg](generate(SigningAlgorithm(alg)).raw_value)


def bodies_of(alg: str, sign: Sign) -> Iterator[bytes]:
    """Bodies of answers, each with another token: a JWS in compact form (RFC 7515 §7.1)."""
    header = segment(to_json({"alg": alg, "kid": "k" * 43, "typ": "at+jwt"}))
    for number in count():
        now = int(time.time())
        claims = {**_CLAIMS, "exp": now + 900, "iat": now, "jti": f"{number:032x}"}
        message = header + b"." + segment(to_json(claims))
        token = (message + b"." + segment(sign(message))).decode()
        answer = {"token_type": "Bearer", "expires_in": 900, "scope": _CLAIMS["scope"]}
        yield to_json({"access_token": token, **answer})


def segment(part: bytes) -> bytes:
    return urlsafe_b64encode(part).rstrip(b"=")


def answering(bodies: Iterator[bytes]) -> ASGIApp:
    """An app that answers everything with the next body."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        body = next(bodies)
        headers = [*_HEADERS, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def app_of(kind: str) -> ASGIApp:
    if kind == "nothing":
        return answering(repeat(next(bodies_of("RS256", lambda _: bytes(256)))))
    return answering(bodies_of(kind, new_signer(kind)))


def main(kind: str, port: str) -> None:
    uvicorn.run(
        app_of(kind),
        port=int(port),
        loop="uvloop",
        http=BoundedConnection,
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
