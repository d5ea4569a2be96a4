"""An AgentOS to measure.

Without verification (`open`), with agno's key file (`stock`), with the adapter (`adapter`), or with
agno's checks after a verification that costs nothing (`unverified`): what no verifier can exceed.
"""

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

import jwt
import uvicorn
from agno.os import AgentOS
from agno.os.middleware.jwt import JWTValidator

from issuer.agentos import Verifier
from tests.agentos.server import authorization, stub_agent


@cache
def claims_of(token: str) -> Mapping[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def accept_unchecked(_: object, token: str, expected_audience: object = None) -> dict[str, Any]:
    """In place of agno's method: the claims, which are read once, and checked never."""
    return dict(claims_of(token))


def main(kind: str, port: str, issuer: str, jwks_file: str) -> None:
    verifier = Verifier(issuer, audience="my-os") if kind == "adapter" else None
    checks = {}
    if verifier is not None:
        checks = verifier.auth()
    elif kind in {"stock", "unverified"}:
        checks = authorization(jwks_file=jwks_file, verify_audience=True, audience="my-os")
    if kind == "unverified":
        JWTValidator.validate_token = accept_unchecked
    agents = [stub_agent("web"), stub_agent("billing")]
    app = AgentOS(id="my-os", agents=agents, telemetry=False, **checks).get_app()
    if verifier is not None:
        verifier.attach(app)
    uvicorn.run(app, port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
