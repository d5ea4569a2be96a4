"""The metrics of a server."""

from issuer.metrics import Metrics
from issuer.settings import Settings


def build_metrics(settings: Settings) -> Metrics:
    """Stored only if something may read them."""
    if settings.metrics_token is None:
        return Metrics()
    # Imported here: the library needs memory, and reads the environment on import.
    from issuer.prometheus import PrometheusMetrics  # noqa: PLC0415

    return PrometheusMetrics()
