"""A self-hosted token issuer for AgentOS.

`issuer.app` serves it, `issuer.cli` runs it, `issuer.agentos` makes an AgentOS follow it.
"""

__version__ = "0.1.0"
