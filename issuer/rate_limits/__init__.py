"""Rate limits: credentials of users and network addresses, token requests, registrations.

Counted in the memory of the process, or with `SharedCounts` in Redis for all processes.
"""

from issuer.rate_limits.client_queue import ClientQueues
from issuer.rate_limits.limits import RateLimits, build_limits
from issuer.rate_limits.outcome_limit import OutcomeLimit, UserLimited
from issuer.rate_limits.password_pool import PasswordPool, user_key
from issuer.rate_limits.rate import RefusalPace
from issuer.rate_limits.request_limits import RegistrationLimit, RequestLimit

__all__ = [
    "ClientQueues",
    "OutcomeLimit",
    "PasswordPool",
    "RateLimits",
    "RefusalPace",
    "RegistrationLimit",
    "RequestLimit",
    "UserLimited",
    "build_limits",
    "user_key",
]
