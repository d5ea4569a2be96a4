"""An AgentOS to measure: without verification, with agno's key file, or with the adapter."""

import sys

import uvicorn
from agno.os import AgentOS

from issuer.agentos import Verifier
from tests.agentos.server import authorization, stub_agent


def main(kind: str, port: str, issuer: str, jwks_file: str) -> None:
    verifier = Verifier(issuer, audience="my-os") if kind == "adapter" else None
    checks = {}
    if verifier is not None:
        checks = verifier.auth()
    elif kind == "stock":
        checks = authorization(jwks_file=jwks_file, verify_audience=True, audience="my-os")
    agents = [stub_agent("web"), stub_agent("billing")]
    app = AgentOS(id="my-os", agents=agents, telemetry=False, **checks).get_app()
    if verifier is not None:
        verifier.attach(app)
    uvicorn.run(app, port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
