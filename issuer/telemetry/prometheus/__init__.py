"""The metrics for Prometheus. Import it only where metrics are on: the library needs memory.

Several workers count in files, which the library adds up; those of an ended worker stay, since
no count may go down. Labels have few, fixed values: none comes from a caller.
"""

from issuer.telemetry.prometheus.counting import PrometheusMetrics
from issuer.telemetry.prometheus.watching import Watched

__all__ = ["PrometheusMetrics", "Watched"]
