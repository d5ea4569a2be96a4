"""What a server measures. The interfaces report to `Metrics`, whatever stores the numbers."""

# Read by the Prometheus library on import.
FOLDER_OF_WORKERS = "PROMETHEUS_MULTIPROC_DIR"
# In place of an error code, for a request refused by a rate limit.
TOO_MANY_REQUESTS = "too_many_requests"

# How somebody proves who they are on a page, and what may come of it.
METHODS = (PASSWORD := "password", PASSKEY := "passkey", CODE := "code")
OUTCOMES = (SUCCEEDED := "succeeded", REFUSED := "refused", TOO_MANY_REQUESTS)


class Metrics:
    """Stores nothing: for a server without `/metrics`."""

    def token_issued(self, grant_type: str) -> None:
        """An access token was issued, and is in the audit log."""

    def token_refused(self, error: str) -> None:
        """A token request was refused with that error (RFC 6749 §5.2), or by a rate limit."""

    def sign_in_checked(self, method: str, outcome: str) -> None:
        """A page checked a password, passkey or code: one of `METHODS`, one of `OUTCOMES`."""

    def authorization_answered(self, error: str) -> None:
        """A code was issued, if `error` is empty; else the request was refused with that error."""

    def client_registered(self) -> None:
        """A client has registered itself (RFC 7591)."""

    def registration_refused(self, error: str) -> None:
        """A registration was refused with that error (RFC 7591 §3.2.2), or by a rate limit."""

    def token_request_took(self, seconds: float) -> None:
        """The time from the head of a token request to its answer."""
