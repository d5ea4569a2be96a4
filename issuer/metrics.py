"""What a server measures of its work. Doors tell it; what becomes of it is not their business."""

# Looked for by the library of Prometheus when it is imported.
FOLDER_OF_WORKERS = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """Keeps nothing: for a server whose metrics nobody may read."""

    def token_issued(self, grant_type: str) -> None:
        """An access token is on record and goes out."""

    def token_refused(self, error: str) -> None:
        """A token request was answered with that error (RFC 6749 §5.2)."""

    def token_request_took(self, seconds: float) -> None:
        """From the head of a token request to its answer."""
