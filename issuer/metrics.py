"""What a server measures of its work. Doors tell it; what becomes of it is not their business."""

# Looked for by the library of Prometheus when it is imported.
FOLDER_OF_WORKERS = "PROMETHEUS_MULTIPROC_DIR"
# In the place of an error, for a request that a limit refused.
TOO_MANY_REQUESTS = "too_many_requests"


class Metrics:
    """Keeps nothing: for a server whose metrics nobody may read."""

    def token_issued(self, grant_type: str) -> None:
        """An access token is on record and goes out."""

    def token_refused(self, error: str) -> None:
        """A token request was answered with that error (RFC 6749 §5.2), or by a limit."""

    def token_request_took(self, seconds: float) -> None:
        """From the head of a token request to its answer."""
