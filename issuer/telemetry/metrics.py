"""What a server measures. Labels have few, fixed values: none comes from a caller."""

from collections.abc import Iterable, Sequence
from itertools import product

from issuer.vocabulary import AuthorizationErrorCode, ErrorCode, GrantType

# Read by the Prometheus library on import.
FOLDER_OF_WORKERS = "PROMETHEUS_MULTIPROC_DIR"
# In place of an error code, for a request refused by a rate limit.
TOO_MANY_REQUESTS = "too_many_requests"

# How somebody proves who they are on a page, and what may come of it.
METHODS = ("password", "passkey", "code", "device", "provider")
PASSWORD, PASSKEY, CODE, DEVICE, PROVIDER = METHODS
OUTCOMES = (SUCCEEDED := "succeeded", REFUSED := "refused", TOO_MANY_REQUESTS)
UNAVAILABLE = "unavailable"  # the trusted issuer where the person wanted to sign in

# The limits that refuse requests.
LIMITS = (
    WRONG_CREDENTIALS := "wrong_credentials",
    TOKEN_REQUESTS := "token_requests",
    REGISTRATIONS := "registrations",
    REVOCATIONS := "revocations",
    ASSERTIONS := "assertions",
    PASSWORD_RESETS := "password_resets",
    LINTS := "lints",
    LOGOUTS := "frontchannel_logouts",
    PASSWORDS := "passwords",
)
# What messages are about, and what became of them.
MAILS = ("invitation", "password_reset", "new_address", "address_changed", "new_place", "test")
INVITATION, PASSWORD_RESET, NEW_ADDRESS, ADDRESS_CHANGED, NEW_PLACE, TEST = MAILS
_OF_MAIL = (SENT := "sent", FAILED := "failed", DROPPED := "dropped")
# What inspections of AgentOS found: the most severe, if anything.
INSPECTED = (NOTHING := "nothing", "low", "medium", "high", NOT_INSPECTED := "failed")
# What a transaction is for.
TRANSACTIONS = (READ := "read", WRITE := "write", AUDIT := "audit")
# Whose key sets are fetched.
KEY_SETS = ("clients", "registered_clients", "trusted_issuers")
OF_CLIENTS, OF_REGISTERED, OF_TRUSTED = KEY_SETS
_LOCKED = ("user", "user_at_a_known_address", "address")
_AT_AUTHORIZE = (*AuthorizationErrorCode, ErrorCode.SERVER_ERROR, ErrorCode.TEMPORARILY_UNAVAILABLE)
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
    **{"/admin/": "admin", "/scim/": "scim", "/console": "console"},
    **dict.fromkeys(("/oauth2/", "/.well-known/"), "protocol"),
    **dict.fromkeys(("/healthz", "/readyz", "/metrics"), "probes"),
}


class Instrument:
    """A counter or, with `buckets` in seconds, a histogram. Each label has its values.

    With a series that starts at 0, the first event is an increase: so `series` has all values of
    the labels, and `more`, if they are known. An unknown `error` counts as `server_error`.
    """

    def __init__(
        self,
        name: str,
        text: str,
        buckets: Sequence[float] = (),
        more: Iterable[tuple[str, ...]] = (),
        **labels: Iterable[str],
    ) -> None:
        self.name, self.text, self.labels = name, text, tuple(labels)
        self.buckets, self.otherwise = buckets, (ErrorCode.SERVER_ERROR,)
        values = ([str(each) for each in of_label] for of_label in labels.values())
        self.series = [*product(*values), *more] if labels else []

    def __call__(self, *labels: str, amount: float = 1) -> None:
        """Add `amount` to the series of these labels: here, to nothing."""


class Metrics:
    """In the order of `/metrics`. Stores nothing: for a server without metrics, and for commands.

    Each is called with its labels, histograms with the `amount` of seconds as well.
    """

    is_stored = False

    token_issued = Instrument("issuer_tokens_issued", "Access tokens issued.", grant_type=GrantType)
    token_refused = Instrument(
        "issuer_token_requests_refused",
        "Token requests refused, by the error in the answer.",
        error=[*ErrorCode, TOO_MANY_REQUESTS],
    )
    token_request_took = Instrument(
        "issuer_token_request_duration_seconds",
        "Time to answer a token request, without the delay after wrong credentials.",
        _OF_TOKENS,
    )
    rate_limited = Instrument(
        "issuer_rate_limited", "Requests refused by a rate limit.", limit=LIMITS
    )
    sign_in_checked = Instrument(
        "issuer_sign_in_checks",
        "Passwords, passkeys, codes and answers of trusted issuers checked by the sign-in pages.",
        more=[(PROVIDER, UNAVAILABLE)],
        method=METHODS,
        outcome=OUTCOMES,
    )
    sign_in_locked = Instrument(
        "issuer_sign_in_locks",
        "Locks after too many wrong passwords, by what is locked.",
        of=_LOCKED,
    )
    mailed = Instrument(
        "issuer_mails",
        "Messages by what they are about, and what became of them.",
        kind=MAILS,
        outcome=_OF_MAIL,
    )
    inspected = Instrument(
        "issuer_inspections",
        "Inspections of AgentOS by the most severe finding.",
        outcome=INSPECTED,
    )
    code_issued = Instrument("issuer_authorization_codes_issued", "Authorization codes issued.")
    authorization_refused = Instrument(
        "issuer_authorization_requests_refused",
        "Authorization requests refused, by the error.",
        error=_AT_AUTHORIZE,
    )
    client_registered = Instrument(
        "issuer_clients_registered", "Clients that have registered themselves."
    )
    registration_refused = Instrument(
        "issuer_client_registrations_refused",
        "Client registrations refused, by the error in the answer.",
        error=_AT_REGISTRATION,
    )
    key_set_fetched = Instrument(
        "issuer_key_set_fetches",
        "Fetches of the key sets of other servers.",
        of=KEY_SETS,
        outcome=("succeeded", "failed"),
    )
    transaction_took = Instrument(
        "issuer_database_transaction_duration_seconds",
        "Time of a transaction, with all that it waited for.",
        _OF_TRANSACTIONS,
        kind=TRANSACTIONS,
    )
    transaction_failed = Instrument(
        "issuer_database_failures",
        "Transactions that failed since the database could not be used.",
        kind=TRANSACTIONS,
    )
    connection_took = Instrument(
        "issuer_database_connection_wait_seconds",
        "Time to get a connection from the pool, or to open one.",
        _OF_WAITS,
    )
    audit_waited = Instrument(
        "issuer_audit_wait_seconds",
        "Time that the first event of a commit has waited until it was durable.",
        _OF_TRANSACTIONS,
    )
    audit_committed = Instrument("issuer_audit_events", "Events of requests that became durable.")
    pool_waited = Instrument(
        "issuer_worker_pool_wait_seconds",
        "Time until a thread of the pool took up a task.",
        _OF_WAITS,
        pool=(),
    )
    pool_refused = Instrument(
        "issuer_worker_pool_refusals", "Tasks refused since the pool was full.", pool=()
    )
    http_requests = Instrument(
        "issuer_http_requests",
        "Requests answered, without token requests.",
        interface=(),
        method=(),
        route=(),
        status=(),
    )
    http_request_took = Instrument(
        "issuer_http_request_duration_seconds",
        "Time to answer a request, without token requests.",
        _OF_REQUESTS,
        interface=(),
        method=(),
    )

    def authorization_answered(self, error: str) -> None:
        """A code was issued, if `error` is empty; else the request was refused with that error."""
        if error:
            self.authorization_refused(error)
        else:
            self.code_issued()

    def request_answered(self, method: str, route: str, status: int | None, seconds: float) -> None:
        """A request other than for a token; without a status, its caller had gone.

        `route` is the template of its path, empty if none matched.
        """
        if status is not None:
            method = method if method in HTTP_METHODS else _OTHER
            found = (of for start, of in _INTERFACES.items() if route.startswith(start))
            interface = next(found, "pages") if route else _OTHER
            self.http_requests(interface, method, route or _OTHER, f"{status // 100}xx")
            self.http_request_took(interface, method, amount=seconds)


NO_METRICS = Metrics()
