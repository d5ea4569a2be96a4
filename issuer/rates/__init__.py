"""How often something may be done: wrong credentials of an address, requests of a client.

Counted in the memory of this process; with `SharedCounts` also where all processes look.
"""

from issuer.rates.failure_limit import FailureLimit
from issuer.rates.limits import Limits, build_limits
from issuer.rates.request_limit import RequestLimit

__all__ = ["FailureLimit", "Limits", "RequestLimit", "build_limits"]
