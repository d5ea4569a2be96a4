"""Client authentication (RFC 6749 §2.3, RFC 7617): the same response for every wrong credential."""

import base64
from datetime import timedelta

from tests.builders import Credentials, Deployment, FakeClock
from tests.drivers import TokenAnswer, TokenDriver
from tests.oauth.asserting import GRANT, INVALID_CLIENT
from tests.rows import rows


def test_basic_and_post_both_authenticate(shared: Deployment, shared_endpoint: TokenDriver):
    client = shared.client()
    basic = shared_endpoint.post(data=GRANT, auth=(client.client_id, client.client_secret))
    post = shared_endpoint.post(data={**GRANT, **in_form(client)})
    assert (basic.status, post.status) == (200, 200)


def test_every_wrong_credential_gets_the_same_response(
    shared: Deployment, shared_endpoint: TokenDriver
):
    """Unknown, wrong, disabled, none: nothing in the response tells them apart."""
    client, disabled = shared.client(), shared.client(disabled=True)
    answers = [
        shared_endpoint.post(data=GRANT, auth=("unknown", client.client_secret)),
        shared_endpoint.post(data=GRANT, auth=(client.client_id, "wrong")),
        shared_endpoint.post(data=GRANT, auth=(client.client_id, disabled.client_secret)),
        shared_endpoint.post(data=GRANT, auth=(client.client_id.upper(), client.client_secret)),
        shared_endpoint.post(data=GRANT, auth=(disabled.client_id, disabled.client_secret)),
        shared_endpoint.post(data={**GRANT, **in_form(disabled)}),
        shared_endpoint.post(data=GRANT, auth=("", "")),
        shared_endpoint.post(data=GRANT),
        shared_endpoint.post(data={**GRANT, "client_id": client.client_id}),
        shared_endpoint.post(data=GRANT, headers={"Authorization": "Bearer x"}),
    ]
    assert {seen(answer) for answer in answers} == {seen(answers[0])}
    assert (answers[0].status, answers[0].body) == (401, INVALID_CLIENT)
    assert answers[0].response.headers["www-authenticate"].startswith("Basic realm=")


def test_ids_are_form_encoded_before_basic(shared: Deployment, shared_endpoint: TokenDriver):
    """RFC 6749 §2.3.1; ids that are not encoded are accepted where they are not ambiguous."""
    client = shared.client("svc:a+b@c|d~e")
    encoded = shared_endpoint.post(data=GRANT, auth=("svc%3Aa%2Bb%40c%7Cd~e", client.client_secret))
    plain = shared.client("a+b@c")
    raw = shared_endpoint.post(data=GRANT, auth=("a+b@c", plain.client_secret))
    with_colon = shared_endpoint.post(data=GRANT, auth=(client.client_id, client.client_secret))
    assert (encoded.status, raw.status, with_colon.status) == (200, 200, 200)


def test_two_methods_at_once_are_refused(shared: Deployment, shared_endpoint: TokenDriver):
    """RFC 6749 §2.3: a client MUST NOT use more than one."""
    client = shared.client()
    answer = shared_endpoint.post(
        data={**GRANT, **in_form(client)}, auth=(client.client_id, client.client_secret)
    )
    assert (answer.status, answer.body) == (
        400,
        {
            "error": "invalid_request",
            "error_description": "Use one method of client authentication, not several.",
        },
    )


def test_the_form_may_repeat_the_client_id_but_not_name_another(
    shared: Deployment, shared_endpoint: TokenDriver
):
    """RFC 6749 §3.2.1."""
    client = shared.client()
    auth = (client.client_id, client.client_secret)
    same = shared_endpoint.post(data={**GRANT, "client_id": client.client_id}, auth=auth)
    other = shared_endpoint.post(data={**GRANT, "client_id": "other"}, auth=auth)
    assert same.status == 200
    assert (other.status, other.error) == (400, "invalid_request")


@rows(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no-colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic " + base64.b64encode(b"%ff:x").decode(),
    ],
)
def test_undecodable_basic_is_invalid_request(
    shared: Deployment, shared_endpoint: TokenDriver, header: str
):
    answer = shared_endpoint.post(data=GRANT, headers={"Authorization": header})
    assert (answer.status, answer.body) == (
        400,
        {
            "error": "invalid_request",
            "error_description": "The Authorization header cannot be read.",
        },
    )


def test_several_secrets_are_valid_at_a_time_and_a_deleted_one_is_not(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    first = deployment.client()
    clock.move(timedelta(seconds=1))
    second = deployment.secret(first)
    assert token_endpoint.client_credentials(first).status == 200
    with deployment.changing() as work:
        oldest = work.clients.secrets(first.client_id)[0]
        work.clients.delete_secret(first.client_id, oldest.id)
    assert token_endpoint.client_credentials(first).error == "invalid_client"
    assert token_endpoint.client_credentials(second).status == 200


def test_a_recreated_client_cannot_use_its_old_secret(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """An id may be reused; its secrets and rights are not restored."""
    deployment.role("runner", ["agents:run"])
    old = deployment.client("ci-bot", roles=["runner"])
    with deployment.changing() as work:
        work.clients.delete("ci-bot")
    assert token_endpoint.client_credentials(old).error == "invalid_client"
    new = deployment.client("ci-bot")
    assert token_endpoint.client_credentials(old).error == "invalid_client"
    assert token_endpoint.client_credentials(new).scope == set()


def test_the_scheme_of_basic_is_case_insensitive(shared: Deployment, shared_endpoint: TokenDriver):
    """RFC 9110 §11.1."""
    client = shared.client()
    pair = base64.b64encode(f"{client.client_id}:{client.client_secret}".encode()).decode()
    answer = shared_endpoint.post(data=GRANT, headers={"Authorization": f"bAsIc {pair}"})
    assert answer.status == 200


def in_form(client: Credentials) -> dict[str, str]:
    return {"client_id": client.client_id, "client_secret": client.client_secret}


def seen(answer: TokenAnswer) -> tuple[object, ...]:
    """All that a caller sees, except the request id."""
    headers = {k: v for k, v in answer.response.headers.items() if k != "x-request-id"}
    return answer.status, answer.response.content, tuple(sorted(headers.items()))
