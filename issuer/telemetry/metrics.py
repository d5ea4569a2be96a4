"""What a server measures: each metric is declared once, and its parts report to `Metrics`.

Labels have few, fixed values: none comes from a caller.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

from issuer.vocabulary import AuthorizationErrorCode, ErrorCode, GrantType

# Read by the Prometheus library on import.
FOLDER_OF_WORKERS = "PROMETHEUS_MULTIPROC_DIR"
# In place of an error code, for a request refused by a rate limit.
TOO_MANY_REQUESTS = "too_many_requests"

# How somebody proves who they are on a page, and what may come of it.
METHODS = (PASSWORD := "password", PASSKEY := "passkey", CODE := "code", DEVICE := "device")
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
_LOCKED = ("user", "user_at_a_known_address", "address")
_AT_AUTHORIZATION = (
    *AuthorizationErrorCode,
    ErrorCode.SERVER_ERROR,
    ErrorCode.TEMPORARILY_UNAVAILABLE,
)
_AT_REGISTRATION = (*ErrorCode, "invalid_token", "insufficient_scope", TOO_MANY_REQUESTS)

# In seconds. Most tokens take 1 to 10 ms, those with a password hash 50 to 500 ms.
_OF_TOKENS = (
    *(0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.01, 0.015, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
_OF_TRANSACTIONS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 5.0, 30.0),
)
_OF_WAITS = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)
_OF_REQUESTS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

HTTP_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
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
# Adds an amount to the series of these labels.
Recorder: TypeAlias = Callable[..., None]


@dataclass(frozen=True)
class MetricDeclaration:
    """A counter or, with `buckets` in seconds, a histogram.

    With a series that starts at 0, the first event is an increase: so `series` has what the labels
    may be, if that is known. Any other label counts as `otherwise`.
    """

    name: str
    text: str
    labels: tuple[str, ...] = ()
    series: Sequence[tuple[str, ...]] = ()
    buckets: Sequence[float] = ()
    otherwise: tuple[str, ...] = ()


def _each(labels: Sequence[str]) -> list[tuple[str, ...]]:
    return [(str(label),) for label in labels]


def _refusals(name: str, text: str, errors: Sequence[str]) -> MetricDeclaration:
    return MetricDeclaration(
        name, text, ("error",), _each(errors), otherwise=(ErrorCode.SERVER_ERROR,)
    )


# In the order of `/metrics`.
DECLARED = (
    MetricDeclaration(
        "issuer_tokens_issued", "Access tokens issued.", ("grant_type",), _each([*GrantType])
    ),
    _refusals(
        "issuer_token_requests_refused",
        "Token requests refused, by the error in the answer.",
        [*ErrorCode, TOO_MANY_REQUESTS],
    ),
    MetricDeclaration(
        "issuer_token_request_duration_seconds",
        "Time to answer a token request, without the delay after wrong credentials.",
        buckets=_OF_TOKENS,
    ),
    MetricDeclaration(
        "issuer_rate_limited", "Requests refused by a rate limit.", ("limit",), _each(LIMITS)
    ),
    MetricDeclaration(
        "issuer_sign_in_checks",
        "Passwords, passkeys and codes checked by the sign-in pages.",
        ("method", "outcome"),
        [*product(METHODS, OUTCOMES)],
    ),
    MetricDeclaration(
        "issuer_sign_in_locks",
        "Locks after too many wrong passwords, by what is locked.",
        ("of",),
        _each(_LOCKED),
    ),
    MetricDeclaration("issuer_authorization_codes_issued", "Authorization codes issued."),
    _refusals(
        "issuer_authorization_requests_refused",
        "Authorization requests refused, by the error.",
        _AT_AUTHORIZATION,
    ),
    MetricDeclaration("issuer_clients_registered", "Clients that have registered themselves."),
    _refusals(
        "issuer_client_registrations_refused",
        "Client registrations refused, by the error in the answer.",
        _AT_REGISTRATION,
    ),
    MetricDeclaration(
        "issuer_key_set_fetches",
        "Fetches of the key sets of other servers.",
        ("of", "outcome"),
        [*product(KEY_SETS, ("succeeded", "failed"))],
    ),
    MetricDeclaration(
        "issuer_database_transaction_duration_seconds",
        "Time of a transaction, with all that it waited for.",
        ("kind",),
        _each(TRANSACTIONS),
        _OF_TRANSACTIONS,
    ),
    MetricDeclaration(
        "issuer_database_failures",
        "Transactions that failed since the database could not be used.",
        ("kind",),
        _each(TRANSACTIONS),
    ),
    MetricDeclaration(
        "issuer_database_connection_wait_seconds",
        "Time to get a connection from the pool, or to open one.",
        buckets=_OF_WAITS,
    ),
    MetricDeclaration(
        "issuer_audit_wait_seconds",
        "Time that the first event of a commit has waited until it was durable.",
        buckets=_OF_TRANSACTIONS,
    ),
    MetricDeclaration("issuer_audit_events", "Events of requests that became durable."),
    MetricDeclaration(
        "issuer_worker_pool_wait_seconds",
        "Time until a thread of the pool took up a task.",
        ("pool",),
        buckets=_OF_WAITS,
    ),
    MetricDeclaration(
        "issuer_worker_pool_refusals", "Tasks refused since the pool was full.", ("pool",)
    ),
    MetricDeclaration(
        "issuer_http_requests",
        "Requests answered, without token requests.",
        ("interface", "method", "route", "status"),
    ),
    MetricDeclaration(
        "issuer_http_request_duration_seconds",
        "Time to answer a request, without token requests.",
        ("interface", "method"),
        buckets=_OF_REQUESTS,
    ),
)


class Metrics:
    """Stores nothing without `recorder`: for a server without metrics, and for commands."""

    def __init__(self, recorder: Callable[[MetricDeclaration], Recorder] | None = None) -> None:
        self.is_stored = recorder is not None
        make = recorder or (lambda _: lambda *_: None)
        self._add = {each.name: make(each) for each in DECLARED}

    def token_issued(self, grant_type: str) -> None:
        """An access token was issued, and is in the audit log."""
        self._add["issuer_tokens_issued"](1, grant_type)

    def token_refused(self, error: str) -> None:
        """A token request was refused with that error (RFC 6749 §5.2), or by a rate limit."""
        self._add["issuer_token_requests_refused"](1, error)

    def token_request_took(self, seconds: float) -> None:
        """The time from the head of a token request to its answer."""
        self._add["issuer_token_request_duration_seconds"](seconds)

    def request_answered(self, method: str, route: str, status: int | None, seconds: float) -> None:
        """Any other request has ended; without a status, its caller had gone.

        `route` is the template of its path, empty if none matched.
        """
        if status is not None:
            method = method if method in HTTP_METHODS else _OTHER
            interface = _interface(route)
            labels = (interface, method, route or _OTHER, f"{status // 100}xx")
            self._add["issuer_http_requests"](1, *labels)
            self._add["issuer_http_request_duration_seconds"](seconds, interface, method)

    def sign_in_checked(self, method: str, outcome: str) -> None:
        """A page checked a password, passkey or code: one of `METHODS`, one of `OUTCOMES`."""
        self._add["issuer_sign_in_checks"](1, method, outcome)

    def sign_in_locked(self, what: str) -> None:
        """A user or an address was locked after too many wrong passwords."""
        self._add["issuer_sign_in_locks"](1, what.replace(" ", "_"))

    def authorization_answered(self, error: str) -> None:
        """A code was issued, if `error` is empty; else the request was refused with that error."""
        if error:
            self._add["issuer_authorization_requests_refused"](1, error)
        else:
            self._add["issuer_authorization_codes_issued"](1)

    def client_registered(self) -> None:
        """A client has registered itself (RFC 7591)."""
        self._add["issuer_clients_registered"](1)

    def registration_refused(self, error: str) -> None:
        """A registration was refused with that error (RFC 7591 §3.2.2), or by a rate limit."""
        self._add["issuer_client_registrations_refused"](1, error)

    def rate_limited(self, limit: str) -> None:
        """One of `LIMITS` has refused a request."""
        self._add["issuer_rate_limited"](1, limit)

    def transaction_took(self, kind: str, seconds: float) -> None:
        """A transaction has ended: one of `TRANSACTIONS`, with all that it waited for."""
        self._add["issuer_database_transaction_duration_seconds"](seconds, kind)

    def transaction_failed(self, kind: str) -> None:
        """A transaction has ended since the database could not be used."""
        self._add["issuer_database_failures"](1, kind)

    def connection_took(self, seconds: float) -> None:
        """The time to get a connection from the pool, or to open one."""
        self._add["issuer_database_connection_wait_seconds"](seconds)

    def audit_committed(self, events: int, seconds: float) -> None:
        """`events` are durable; the first of them has waited that long."""
        self._add["issuer_audit_events"](events)
        self._add["issuer_audit_wait_seconds"](seconds)

    def pool_waited(self, pool: str, seconds: float) -> None:
        """The time until a thread of a worker pool took up a task."""
        self._add["issuer_worker_pool_wait_seconds"](seconds, pool)

    def pool_refused(self, pool: str) -> None:
        """A worker pool was full."""
        self._add["issuer_worker_pool_refusals"](1, pool)

    def key_set_fetched(self, of: str, *, is_valid: bool) -> None:
        """A key set of another server was fetched, or could not be; one of `KEY_SETS`."""
        self._add["issuer_key_set_fetches"](1, of, "succeeded" if is_valid else "failed")


def _interface(route: str) -> str:
    """The interface of a route; `other` if none matched."""
    if not route:
        return _OTHER
    return next((of for start, of in _INTERFACES.items() if route.startswith(start)), "pages")
