"""The guest house: what an AgentOS, or any other service, needs to follow our key set.

Imports no other room, only httpx and PyJWT; agno when it is asked for. `Verifier` is the way in.
"""

from issuer.agentos.errors import ConfigurationError, KeySetUnavailable
from issuer.agentos.verifier import Verifier

__all__ = ["ConfigurationError", "KeySetUnavailable", "Verifier"]
