"""What an AgentOS consists of, as the last inspection of it found."""

from issuer.inspection.components import Component, Components, not_found

__all__ = ["Component", "Components", "not_found"]
