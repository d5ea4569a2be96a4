"""A `TokenClient` keeps one current token."""

from collections.abc import Callable

import pytest

from issuer.client import TokenClient, TokenRefused, TokenUnavailable
from issuer.client.lifecycle import RENEWED_FROM, RENEWED_UNTIL
from tests.client.conftest import (
    ISSUER,
    LIFETIME,
    SECRET,
    MovedClock,
    ScriptedIssuer,
    answer,
    refusal,
    settled,
)
from tests.rows import rows

New = Callable[..., TokenClient]


def test_a_token_is_requested_once_and_then_used_again(client: TokenClient, issuer: ScriptedIssuer):
    assert [client.token() for _ in range(3)] == ["token-1"] * 3
    assert issuer.issuer_requests == 1


def test_it_says_who_it_is_and_what_it_asks_for(new_client: New, issuer: ScriptedIssuer):
    """RFC 6749 §2.3.1 and §4.4.2: id and secret are form-encoded before Basic."""
    new_client(audience="my-os", scope=["agents:run", "teams:run"]).token()
    assert issuer.basic == ["ci-bot", SECRET]
    assert issuer.form == {
        "grant_type": "client_credentials",
        "audience": "my-os",
        "scope": "agents:run teams:run",
    }


@rows("scope", [None, "", []])
def test_no_scope_is_not_sent(new_client: New, issuer: ScriptedIssuer, scope: object):
    """RFC 6749 §3.2: a parameter without a value counts as omitted."""
    new_client(scope=scope).token()
    assert "scope" not in issuer.form


def test_a_secret_goes_into_the_form_if_the_issuer_takes_it_only_there(
    client: TokenClient, issuer: ScriptedIssuer
):
    issuer.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    client.token()
    assert "Authorization" not in issuer.requests[-1].headers
    assert (issuer.form["client_id"], issuer.form["client_secret"]) == ("ci-bot", SECRET)


def test_a_token_is_renewed_before_it_expires_while_callers_use_it(
    client: TokenClient, issuer: ScriptedIssuer, clock: MovedClock
):
    client.token()
    issuer.open.clear()
    clock.move(RENEWED_UNTIL * LIFETIME)
    assert [client.token(), client.token()] == ["token-1", "token-1"]
    issuer.open.set()
    settled(client)
    assert client.token() == "token-2"
    assert issuer.issuer_requests == 2


@pytest.mark.parametrize(("random", "part"), [(0.0, RENEWED_FROM), (0.999, RENEWED_UNTIL)])
def test_the_time_of_the_renewal_is_random(
    new_client: New, issuer: ScriptedIssuer, clock: MovedClock, random: float, part: float
):
    """Many clients that started together do not renew together."""
    client = new_client(random=lambda: random)
    client.token()
    clock.move(part * LIFETIME - 2)
    client.token()
    assert issuer.issuer_requests == 1
    clock.move(3)
    client.token()
    settled(client)
    assert issuer.issuer_requests == 2


def test_an_expired_token_is_not_used(
    client: TokenClient, issuer: ScriptedIssuer, clock: MovedClock
):
    client.token()
    clock.move(LIFETIME)
    assert client.token() == "token-2"


def test_a_token_is_used_to_its_end_while_the_issuer_is_away(
    client: TokenClient, issuer: ScriptedIssuer, clock: MovedClock
):
    client.token()
    clock.move(RENEWED_UNTIL * LIFETIME)
    issuer.next_answers = [refusal("temporarily_unavailable", status=503)] * 6
    assert client.token() == "token-1"
    settled(client)
    assert client.token() == "token-1"


def test_a_lifetime_that_is_not_stated_is_one_minute(
    client: TokenClient, issuer: ScriptedIssuer, clock: MovedClock
):
    """RFC 6749 §5.1 only recommends to state it."""
    issuer.next_answers = [answer("token-0", expires_in=...)]
    client.token()
    clock.move(60)
    assert client.token() == "token-1"


def test_an_enormous_lifetime_is_a_day(
    client: TokenClient, issuer: ScriptedIssuer, clock: MovedClock
):
    issuer.next_answers = [answer("token-0", expires_in=10**400)]
    client.token()
    clock.move(86_400)
    assert client.token() == "token-1"


def test_the_metadata_is_read_again_after_an_hour(
    new_client: New, issuer: ScriptedIssuer, clock: MovedClock
):
    client = new_client()
    for _ in range(5):
        client.token()
        clock.move(LIFETIME)
    assert issuer.metadata_reads == 2


@rows("other", [f"{ISSUER}/", "https://ID.example", "https://attacker.example", None, 1])
def test_metadata_of_another_issuer_is_refused(
    new_client: New, issuer: ScriptedIssuer, other: object
):
    """RFC 8414 §3.3: equal byte for byte, or the secret would be sent to another server."""
    issuer.metadata["issuer"] = other
    with pytest.raises(TokenUnavailable, match="is of another issuer"):
        new_client().token()
    assert issuer.issuer_requests == 0


@rows(
    "endpoint",
    [
        "http://id.example/oauth2/token",
        "ftp://id.example/oauth2/token",
        "/oauth2/token",
        "https://user:password@id.example/oauth2/token",
        "http://127.0.0.1.attacker.example/",
        "http://localhost.attacker.example/",
        None,
        7,
    ],
)
def test_a_secret_is_not_sent_to_an_endpoint_without_tls(
    new_client: New, issuer: ScriptedIssuer, endpoint: object
):
    issuer.metadata["token_endpoint"] = endpoint
    with pytest.raises(TokenUnavailable, match="names no usable endpoint"):
        new_client().token()
    assert issuer.issuer_requests == 0


@rows("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_loopback_needs_no_tls(new_client: New, issuer: ScriptedIssuer, host: str):
    url = f"http://{host}:9000"
    issuer.metadata = {"issuer": url, "token_endpoint": f"{url}/oauth2/token"}
    assert new_client(issuer=url).token() == f"token-{issuer.issued}"


def test_the_well_known_path_comes_before_the_path_of_the_issuer(
    new_client: New, issuer: ScriptedIssuer
):
    """RFC 8414 §3.1."""
    issuer.metadata["issuer"] = f"{ISSUER}/auth"
    asked = []
    issuer.metadata_answers = [lambda request: asked.append(request.url.path)]  # type: ignore[list-item, func-returns-value]
    new_client(issuer=f"{ISSUER}/auth").token()
    assert asked == ["/.well-known/oauth-authorization-server/auth"]


@rows(
    "arguments",
    [
        {"issuer": "http://id.example"},
        {"issuer": "id.example"},
        {"issuer": ""},
        {"issuer": "https://id.example?tenant=1"},
        {"issuer": "https://id.example#"},
        {"issuer": "https://user:password@id.example"},
        {"client_id": ""},
        {"client_secret": ""},
        {"client_secret": None},
        {"assertion": "token", "client_secret": "secret"},
        {"assertion": "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJjaS1ib3QifQ.c2lnbmF0dXJl"},
    ],
)
def test_arguments_that_cannot_work_are_refused_at_once(
    new_client: New, issuer: ScriptedIssuer, arguments: dict[str, str]
):
    with pytest.raises(ValueError) as raised:
        new_client(**arguments)
    assert "eyJ" not in str(raised.value)
    assert "password" not in str(raised.value).replace("user, password", "").replace(
        "without user", ""
    )


def test_a_refusal_says_what_the_issuer_says_and_is_not_repeated(
    client: TokenClient, issuer: ScriptedIssuer, clock: MovedClock
):
    issuer.next_answers = [refusal("invalid_scope", "Not permitted: agents:run")]
    with pytest.raises(TokenRefused) as raised:
        client.token()
    assert str(raised.value) == (
        "The issuer refuses a token: invalid_scope (Not permitted: agents:run)"
    )
    assert (raised.value.error, raised.value.description, raised.value.status) == (
        "invalid_scope",
        "Not permitted: agents:run",
        400,
    )
    assert issuer.issuer_requests == 1
    assert clock.slept == []


def test_after_a_failure_calls_fail_at_once_until_a_pause_is_over(
    client: TokenClient, issuer: ScriptedIssuer, clock: MovedClock
):
    """A wrong secret does not cost the issuer one password check a call."""
    issuer.next_answers = [refusal("invalid_client", status=401)] * 2
    for _ in range(10):
        with pytest.raises(TokenRefused, match="invalid_client"):
            client.token()
    assert issuer.issuer_requests == 1
    clock.move(1)
    with pytest.raises(TokenRefused):
        client.token()
    clock.move(1)
    with pytest.raises(TokenRefused):
        client.token()  # the second pause is longer
    assert issuer.issuer_requests == 2
    clock.move(1)
    assert client.token() == "token-1"


def test_each_caller_gets_an_exception_of_its_own(client: TokenClient, issuer: ScriptedIssuer):
    issuer.next_answers = [refusal("invalid_client", "Wrong.", 401)]
    raised = []
    for _ in range(2):
        with pytest.raises(TokenRefused) as each:
            client.token()
        raised.append(each.value)
    assert raised[0] is not raised[1]
    assert [each.description for each in raised] == ["Wrong.", "Wrong."]


def test_what_an_issuer_says_is_printed_in_bounds(client: TokenClient, issuer: ScriptedIssuer):
    issuer.next_answers = [refusal("invalid_client", "\x1b[2J\n" + "x" * 100_000)]
    with pytest.raises(TokenRefused) as raised:
        client.token()
    assert len(str(raised.value)) < 1000
    assert str(raised.value).isprintable()
