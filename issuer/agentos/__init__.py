"""Verification of the issuer's tokens in an AgentOS or any other service.

Imports no other package of ours, only httpx and PyJWT, and agno on demand. Start at `Verifier`.
"""

from issuer.agentos.errors import InvalidConfiguration, KeySetUnavailable, NoSubjectToken
from issuer.agentos.verifier import Verifier

__all__ = ["InvalidConfiguration", "KeySetUnavailable", "NoSubjectToken", "Verifier"]
