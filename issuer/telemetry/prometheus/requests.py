"""Requests to everything but the token endpoint, which has metrics of its own."""

from prometheus_client import CollectorRegistry, Counter, Histogram

# In seconds.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "other"
_INTERFACES = {
    "/admin/": "admin",
    "/console": "console",
    "/oauth2/": "protocol",
    "/.well-known/": "protocol",
    "/healthz": "probes",
    "/readyz": "probes",
    "/metrics": "probes",
}


class HttpRequests:
    """Counts by method, template of the path, and class of the status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answered = Counter(
            "issuer_http_requests",
            "Requests answered, without token requests.",
            ["interface", "method", "route", "status"],
            registry=registry,
        )
        self._took = Histogram(
            "issuer_http_request_duration_seconds",
            "Time to answer a request, without token requests.",
            ["interface", "method"],
            buckets=_BUCKETS,
            registry=registry,
        )

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        method = method if method in _METHODS else _OTHER
        interface = _interface(route)
        self._answered.labels(interface, method, route or _OTHER, f"{status // 100}xx").inc()
        self._took.labels(interface, method).observe(seconds)


def _interface(route: str) -> str:
    """The interface of a route; `other` if none matched."""
    if not route:
        return _OTHER
    return next((of for start, of in _INTERFACES.items() if route.startswith(start)), "pages")
