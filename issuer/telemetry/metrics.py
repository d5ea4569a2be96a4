"""What a server measures. Its parts report to `Metrics`, whatever stores the numbers."""

# Read by the Prometheus library on import.
FOLDER_OF_WORKERS = "PROMETHEUS_MULTIPROC_DIR"
# In place of an error code, for a request refused by a rate limit.
TOO_MANY_REQUESTS = "too_many_requests"

# How somebody proves who they are on a page, and what may come of it.
METHODS = (PASSWORD := "password", PASSKEY := "passkey", CODE := "code")
OUTCOMES = (SUCCEEDED := "succeeded", REFUSED := "refused", TOO_MANY_REQUESTS)

# The limits that refuse requests.
LIMITS = (
    WRONG_CREDENTIALS := "wrong_credentials",
    TOKEN_REQUESTS := "token_requests",
    REGISTRATIONS := "registrations",
    REVOCATIONS := "revocations",
    ASSERTIONS := "assertions",
    LINTS := "lints",
    PASSWORDS := "passwords",
)
# What a transaction is for.
TRANSACTIONS = (READ := "read", WRITE := "write", AUDIT := "audit")
# Whose key sets are fetched.
KEY_SETS = (
    OF_CLIENTS := "clients",
    OF_REGISTERED := "registered_clients",
    OF_TRUSTED := "trusted_issuers",
)


class Metrics:
    """Stores nothing: for a server without metrics, and for commands."""

    is_stored = False

    def start(self) -> None:
        """Begin to write what is not written as it happens."""

    def stop(self) -> None:
        """End that."""

    def token_issued(self, grant_type: str) -> None:
        """An access token was issued, and is in the audit log."""

    def token_refused(self, error: str) -> None:
        """A token request was refused with that error (RFC 6749 §5.2), or by a rate limit."""

    def token_request_took(self, seconds: float) -> None:
        """The time from the head of a token request to its answer."""

    def request_answered(self, method: str, route: str, status: int | None, seconds: float) -> None:
        """Any other request has ended; without a status, its caller had gone.

        `route` is the template of its path, empty if none matched.
        """

    def sign_in_checked(self, method: str, outcome: str) -> None:
        """A page checked a password, passkey or code: one of `METHODS`, one of `OUTCOMES`."""

    def sign_in_locked(self, what: str) -> None:
        """A user or an address was locked after too many wrong passwords."""

    def authorization_answered(self, error: str) -> None:
        """A code was issued, if `error` is empty; else the request was refused with that error."""

    def client_registered(self) -> None:
        """A client has registered itself (RFC 7591)."""

    def registration_refused(self, error: str) -> None:
        """A registration was refused with that error (RFC 7591 §3.2.2), or by a rate limit."""

    def rate_limited(self, limit: str) -> None:
        """One of `LIMITS` has refused a request."""

    def transaction_took(self, kind: str, seconds: float) -> None:
        """A transaction has ended: one of `TRANSACTIONS`, with all that it waited for."""

    def transaction_failed(self, kind: str) -> None:
        """A transaction has ended since the database could not be used."""

    def connection_took(self, seconds: float) -> None:
        """The time to get a connection from the pool, or to open one."""

    def audit_committed(self, events: int, seconds: float) -> None:
        """`events` are durable; the first of them has waited that long."""

    def pool_waited(self, pool: str, seconds: float) -> None:
        """The time until a thread of a worker pool took up a task."""

    def pool_refused(self, pool: str) -> None:
        """A worker pool was full."""

    def key_set_fetched(self, of: str, *, is_valid: bool) -> None:
        """A key set of another server was fetched, or could not be; one of `KEY_SETS`."""
