"""Which scopes the requests to AgentOS needed, by day, as verifiers report it."""

from issuer.usage.usage import KEPT_FOR, Usage, UsageReport, delete_old_usage, within_kept

__all__ = ["KEPT_FOR", "Usage", "UsageReport", "delete_old_usage", "within_kept"]
