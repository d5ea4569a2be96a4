"""The form of a token request and its errors (RFC 6749 §3.2, §5.2)."""

import logging
from datetime import timedelta

import pytest

from tests.builders import Deployment, FakeClock
from tests.drivers import TokenDriver
from tests.rows import rows

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def refused(description: str, error: str = "invalid_request") -> dict[str, str]:
    return {"error": error, "error_description": description}


@rows("repeated", ["scope", "audience", "grant_type", "client_id", "unknown"])
def test_a_repeated_parameter_is_refused(
    shared: Deployment, shared_endpoint: TokenDriver, repeated: str
):
    """RFC 6749 §3.2: even if the values are equal."""
    client = shared.client()
    body = f"grant_type=client_credentials&{repeated}=a&{repeated}=a"
    if repeated == "grant_type":
        body = "grant_type=client_credentials&grant_type=client_credentials"
    answer = shared_endpoint.post(
        content=body, headers=FORM, auth=(client.client_id, client.client_secret)
    )
    assert (answer.status, answer.body) == (400, refused("A parameter is repeated."))


@rows(
    "content_type",
    [
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        "",
        FORM["Content-Type"] + "; charset=latin-1",
    ],
)
def test_another_content_type_is_refused(shared_endpoint: TokenDriver, content_type: str):
    answer = shared_endpoint.post(
        content="grant_type=client_credentials", headers={"Content-Type": content_type}
    )
    assert (answer.status, answer.body) == (
        400,
        refused("The content type must be application/x-www-form-urlencoded."),
    )


def test_a_charset_of_utf_8_is_accepted(shared: Deployment, shared_endpoint: TokenDriver):
    client = shared.client()
    answer = shared_endpoint.post(
        content="grant_type=client_credentials",
        headers={"Content-Type": 'Application/X-WWW-Form-Urlencoded; Charset="UTF-8"'},
        auth=(client.client_id, client.client_secret),
    )
    assert answer.status == 200


def test_a_missing_grant_type_is_invalid_request(shared_endpoint: TokenDriver):
    for body in ("", "grant_type=", "foo=bar"):
        answer = shared_endpoint.post(content=body, headers=FORM)
        assert (answer.status, answer.body) == (400, refused("grant_type is missing."))


@rows("grant_type", ["implicit", "device_code", 'x"\\é', "CLIENT_CREDENTIALS"])
def test_an_unknown_grant_type_is_unsupported(shared_endpoint: TokenDriver, grant_type: str):
    answer = shared_endpoint.post(data={"grant_type": grant_type})
    assert (answer.status, answer.body) == (
        400,
        refused(
            "grant_type must be client_credentials or authorization_code or"
            " urn:ietf:params:oauth:grant-type:device_code or password or refresh_token or"
            " urn:ietf:params:oauth:grant-type:token-exchange or"
            " urn:ietf:params:oauth:grant-type:jwt-bearer.",
            "unsupported_grant_type",
        ),
    )


def test_a_parameter_without_a_value_is_treated_as_omitted(
    shared: Deployment, shared_endpoint: TokenDriver
):
    """RFC 6749 §3.2."""
    client = shared.client(scopes=["agents:run"])
    answer = shared_endpoint.client_credentials(client, scope="", audience="")
    assert answer.scope == {"agents:run"}


def test_unknown_parameters_are_ignored(shared: Deployment, shared_endpoint: TokenDriver):
    """RFC 6749 §3.2."""
    assert shared_endpoint.client_credentials(shared.client(), foo="bar").status == 200


@rows(
    "body",
    [b"grant_type=%ff", b"grant_type=\xff", b"a=%00", b"&".join(b"p%d=1" % i for i in range(101))],
)
def test_a_body_that_is_not_a_form_is_invalid_request(shared_endpoint: TokenDriver, body: bytes):
    answer = shared_endpoint.post(content=body, headers=FORM)
    assert (answer.status, answer.error) == (400, "invalid_request")


def test_a_body_over_16_kib_is_413(shared: Deployment, shared_endpoint: TokenDriver):
    """Declared or not."""
    body = b"grant_type=client_credentials&x=" + b"a" * 16 * 1024
    declared = shared_endpoint.post(content=body, headers=FORM)
    streamed = shared_endpoint.post(content=iter([body[:9000], body[9000:]]), headers=FORM)
    for answer in (declared, streamed):
        assert (answer.status, answer.body) == (413, refused("The body may have 16384 bytes."))


def test_parameters_in_the_url_are_refused(shared: Deployment, shared_endpoint: TokenDriver):
    """RFC 6749 §2.3.1: credentials in a URL end up in logs."""
    client = shared.client()
    answer = shared_endpoint.http.post(
        f"/oauth2/token?client_id={client.client_id}&client_secret={client.client_secret}",
        data={"grant_type": "client_credentials"},
    )
    assert (answer.status_code, answer.json()) == (
        400,
        refused("Send parameters in the body, not in the URL."),
    )


@rows("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_post_is_allowed(shared_endpoint: TokenDriver, method: str):
    answer = shared_endpoint.http.request(method, "/oauth2/token")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_audience_and_resource_may_agree_but_not_differ(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """RFC 8707 §2: by what they name, as at the authorization endpoint."""
    resource = "https://other.example/mcp"
    deployment.audience("other-os", resources=[resource])
    client = deployment.client(audiences=["my-os", "other-os"])
    agree = token_endpoint.client_credentials(client, audience="other-os", resource=f"{resource}/")
    differ = token_endpoint.client_credentials(client, audience="my-os", resource="other-os")
    assert token_endpoint.claims(agree)["aud"] == "other-os"
    two = refused("A token is for one audience.", "invalid_target")
    assert (differ.status, differ.body) == (400, two)


def test_error_responses_are_no_store(shared_endpoint: TokenDriver):
    answer = shared_endpoint.post(data={"grant_type": "client_credentials"})
    assert answer.response.headers["cache-control"] == "no-store"


def test_a_valid_request_id_of_the_caller_is_returned(shared_endpoint: TokenDriver):
    def request_id(given: str) -> str:
        answer = shared_endpoint.http.get("/healthz", headers={"X-Request-Id": given})
        return answer.headers["x-request-id"]

    assert request_id("a.B_c-1") == "a.B_c-1"
    for given in ("", "x" * 129, "a b", "a/b"):
        assert request_id(given) != given


def test_an_unexpected_error_is_server_error_without_detail(
    deployment: Deployment, token_endpoint: TokenDriver, caplog: pytest.LogCaptureFixture
):
    """A broken key stands for any bug: the cause is in the log, not in the response."""
    client = deployment.client()
    deployment.break_keys()
    with caplog.at_level(logging.ERROR):
        answer = token_endpoint.client_credentials(client)
    assert (answer.status, answer.body) == (500, {"error": "server_error"})
    assert "x-request-id" in answer.response.headers


def test_an_unavailable_database_is_503_with_retry_after(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    """No token is issued from data whose age is unknown."""
    client = deployment.client()
    deployment.services.tokens.changes.stop()
    clock.move(timedelta(seconds=11))
    answer = token_endpoint.client_credentials(client)
    assert (answer.status, answer.body) == (
        503,
        refused("The server cannot answer now.", "temporarily_unavailable"),
    )
    assert answer.response.headers["retry-after"] == "1"
