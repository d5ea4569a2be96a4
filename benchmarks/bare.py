"""The upper bounds: an ASGI app that only answers, and one that also signs its answers.

    python -m benchmarks.bare nothing|RS256|ES256 PORT

With the same HTTP server and the same signing library, nothing is faster on this machine.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial

import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.types import ASGIApp, Receive, Scope, Send

Sign = Callable[[bytes], bytes]

_CLAIMS = {
    "iss": "http://127.0.0.1:9000",
    "sub": "client-1",
    "aud": "my-os",
    "jti": "0123456789abcdef0123456789abcdef",
    "client_id": "client-1",
    "scope": "agents:read agents:run",
    "scopes": ["agents:read", "agents:run"],
}


def signing_rs256() -> Sign:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return lambda message: key.sign(message, padding.PKCS1v15(), SHA256())


def signing_es256() -> Sign:
    key = ec.generate_private_key(ec.SECP256R1())
    return lambda message: key.sign(message, ec.ECDSA(SHA256()))


KINDS = {"RS256": signing_rs256, "ES256": signing_es256}


def token(sign: Sign) -> bytes:
    """About as many bytes as a token has, signed."""
    now = int(time.time())
    claims = json.dumps({**_CLAIMS, "iat": now, "exp": now + 900}).encode()
    return json.dumps({"access_token": claims.hex() + sign(claims).hex()}).encode()


def answering(body_of: Callable[[], bytes]) -> ASGIApp:
    """An app that answers everything with the same headers, and a body made for each request."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = body_of()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def app_of(kind: str) -> ASGIApp:
    if kind == "nothing":
        same = token(lambda message: bytes(256))
        return answering(lambda: same)
    return answering(partial(token, KINDS[kind]()))


def main(kind: str, port: str) -> None:
    uvicorn.run(
        app_of(kind),
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
