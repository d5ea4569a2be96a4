"""How often something may be done: wrong credentials of an address, requests of a client.

Counted in the memory of this process; with `SharedCounts` also where all processes look.
"""

from issuer.rate_limits.failure_limit import FailureLimit
from issuer.rate_limits.limits import RateLimits, build_limits
from issuer.rate_limits.refusal_pace import RefusalPace
from issuer.rate_limits.request_limit import RequestLimit

__all__ = ["FailureLimit", "RateLimits", "RefusalPace", "RequestLimit", "build_limits"]
