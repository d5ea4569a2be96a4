"""The token endpoint in this process, where Hypothesis shrinks a failing request."""

import base64
import re
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issuer.vocabulary import ErrorCode
from tests.builders import PASSWORD, Credentials, Deployment

FORM = b"application/x-www-form-urlencoded"
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*")  # RFC 6749 §5.2
ANYTHING = "surrogatepass"  # also what is no Unicode text
SECRET = "<the secret of the client>"

names = (
    st.text()
    | st.sampled_from(["username", "password", "refresh_token"])
    | st.sampled_from(
        ["grant_type", "scope", "audience", "resource", "session_id", "client_id", "client_secret"]
    )
)
good_values = st.sampled_from(
    [
        *("client_credentials", "password", "refresh_token"),
        *("my-os", "agents:run", "alice", PASSWORD, "good", SECRET),
    ]
)
values = good_values | st.text()
pairs = st.lists(st.tuples(names, values))
good_form = st.just([("grant_type", "client_credentials"), ("scope", "agents:run")])
forms = st.one_of(good_form, pairs, st.tuples(good_form, pairs).map(lambda both: both[0] + both[1]))
credentials = st.none() | st.just(("good", SECRET)) | st.tuples(values, values)
content_types = st.sampled_from([FORM, FORM, FORM, FORM + b";charset=utf-8", b"text/plain", b""])


@pytest.fixture
def good(deployment: Deployment) -> Credentials:
    deployment.user("alice")
    grants = ["client_credentials", "password", "refresh_token"]
    return deployment.client(
        "good", scopes=["agents:run"], grant_types=grants, may_set_session=True
    )


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(form=forms, basic=credentials, content_type=content_types)
def test_a_form_gets_a_token_or_a_refusal(
    deployment: Deployment,
    good: Credentials,
    form: list[tuple[str, str]],
    basic: tuple[str, str] | None,
    content_type: bytes,
):
    def filled(text: str) -> str:
        return good.client_secret if text == SECRET else text

    body = urlencode([(name, filled(value)) for name, value in form], errors=ANYTHING)
    header = basic and ":".join(quote(filled(part), errors=ANYTHING) for part in basic).encode()
    assert_token_or_refusal(deployment, body.encode(), header, content_type)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.binary(), header=st.none() | st.binary(), content_type=content_types)
def test_arbitrary_bytes_get_a_token_or_a_refusal(
    deployment: Deployment, body: bytes, header: bytes | None, content_type: bytes
):
    assert_token_or_refusal(deployment, body, header, content_type)


def assert_token_or_refusal(
    deployment: Deployment, body: bytes, basic: bytes | None, content_type: bytes
) -> None:
    """RFC 6749 §5.1, §5.2. `basic` is the text after the scheme, before Base64."""
    headers = [(b"Content-Type", content_type)]
    if basic is not None:
        headers.append((b"Authorization", b"Basic " + base64.b64encode(basic)))
    answer = deployment.http.post("/oauth2/token", content=body, headers=headers)
    if answer.status_code == httpx.codes.OK:
        assert answer.json()["token_type"] == "Bearer"
        return
    assert answer.status_code in {400, 401}
    assert answer.json()["error"] in set(ErrorCode) - {ErrorCode.SERVER_ERROR}
    assert DESCRIPTION.fullmatch(answer.json()["error_description"])
