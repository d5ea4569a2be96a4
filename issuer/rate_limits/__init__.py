"""Rate limits: wrong credentials per network address, token requests per client, registrations.

Counted in the memory of the process, or with `SharedCounts` in Redis for all processes.
"""

from issuer.rate_limits.client_queue import ClientQueues
from issuer.rate_limits.failure_limit import FailureLimit
from issuer.rate_limits.limits import RateLimits, build_limits
from issuer.rate_limits.refusal_pace import RefusalPace
from issuer.rate_limits.registration_limit import RegistrationLimit
from issuer.rate_limits.request_limit import RequestLimit

__all__ = [
    "ClientQueues",
    "FailureLimit",
    "RateLimits",
    "RefusalPace",
    "RegistrationLimit",
    "RequestLimit",
    "build_limits",
]
