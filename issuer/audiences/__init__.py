"""Audiences: the AgentOS deployments that tokens are issued for (RFC 8707 resource servers).

The issuer's own admin API is one of them; its id is `ISSUER_URL`.
"""

from issuer.audiences.audiences import AUDIENCE, Audience, AudienceFields, Audiences

__all__ = ["AUDIENCE", "Audience", "AudienceFields", "Audiences"]
