"""A self-hosted token issuer for AgentOS.

`issuer.server.app` is the server, `issuer.cli` the command line, `issuer.agentos` the verifier for
AgentOS, `issuer.client` the token client for services.
"""

__version__ = "0.1.0"
