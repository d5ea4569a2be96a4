"""The device authorization grant (RFC 8628)."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from issuer.errors import InvalidCredentials
from issuer.roles import Assignment
from issuer.sign_in.authorization_request import ConsentNeeded, RequestProblem
from tests.builders import URL, Deployment
from tests.drivers import TokenDriver
from tests.interleaving import right_after
from tests.oauth.refreshing import events, families, revoked_families
from tests.rows import rows
from tests.sign_in.authorizing import BROWSER, App, Person, sign_in
from tests.sign_in.devices import GRANT, GRANTS, DeviceClient, allows, asked, denies
from tests.sign_in.fixtures import SCOPES


@pytest.fixture
def device(deployment: Deployment, token_endpoint: TokenDriver) -> DeviceClient:
    """A command line: it keeps no secret, and its users have all that they hold."""
    client = deployment.client(
        "cli", grant_types=GRANTS, token_endpoint_auth_method="none", user_rights="all"
    )
    return DeviceClient(deployment, token_endpoint, client)


def test_a_device_gets_a_token_for_the_user_who_allowed_it_elsewhere(
    alice: Person, device: DeviceClient
):
    """§3.2 to §3.5."""
    codes = device.asks(scope="agents:run offline_access")
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", codes["user_code"])
    assert codes["verification_uri"] == f"{URL}/device"
    assert codes["verification_uri_complete"] == f"{URL}/device?user_code={codes['user_code']}"
    assert (codes["expires_in"], codes["interval"]) == (600, 5)
    assert device.polls().error == "authorization_pending"
    allows(alice, device)
    device.waits()
    answer = device.polls()
    claims = device.endpoint.claims(answer)
    assert (claims["sub"], claims["client_id"], claims["aud"]) == (alice.user_id, "cli", "my-os")
    assert claims["scopes"] == ["agents:run"]
    assert device.refresh(answer.refresh_token).status == 200
    assert events(alice.deployment, "device_code.issued")[-1].target == "cli"
    granted = events(alice.deployment, "consent.granted")[-1]
    assert granted.details["redirect_uri"] == f"{URL}/device"
    asked_for = events(alice.deployment, "device_code.issued")[-1].details["request"]
    assert granted.details["request"] == asked_for
    issued = next(e for e in events(alice.deployment, "token.issued") if e.target == alice.user_id)
    assert issued.details["grant_type"] == GRANT


def test_the_metadata_names_the_endpoint_and_the_grant(device: DeviceClient):
    """§4."""
    document = device.endpoint.http.get("/.well-known/oauth-authorization-server").json()
    assert document["device_authorization_endpoint"] == f"{URL}/oauth2/device_authorization"
    assert GRANT in document["grant_types_supported"]


def test_answers_of_the_endpoint_are_not_cached(device: DeviceClient):
    """§3.2."""
    answer = device.request()
    assert answer.headers["cache-control"] == "no-store"


def test_a_device_that_asks_too_often_is_told_to_slow_down_from_then_on(
    alice: Person, device: DeviceClient
):
    """§3.5: five seconds more, for this and all later requests."""
    device.asks()
    assert device.polls().error == "authorization_pending"
    assert device.polls().error == "slow_down"
    device.waits(6)
    assert device.polls().error == "slow_down"
    device.waits(15)
    assert device.polls().error == "authorization_pending"
    allows(alice, device)
    assert device.polls().status == 200  # what it waited for it gets at once


def test_what_a_waiting_device_is_told_is_not_audited(device: DeviceClient, deployment: Deployment):
    device.asks()
    device.polls()
    device.polls()
    assert not events(deployment, "token.refused")


def test_a_device_learns_that_the_user_denied_it(alice: Person, device: DeviceClient):
    device.asks()
    denies(alice, device)
    device.waits()
    assert device.polls().error == "access_denied"
    with pytest.raises(InvalidCredentials):
        asked(alice, device)


def test_a_device_learns_that_its_code_has_expired(alice: Person, device: DeviceClient):
    device.asks()
    device.waits(600)
    assert device.polls().error == "expired_token"
    with pytest.raises(InvalidCredentials):
        asked(alice, device)
    device.deployment.services.people.delete_expired()
    assert device.polls().error == "expired_token"
    device.waits(601)
    device.deployment.services.people.delete_expired()
    assert device.polls().error == "invalid_grant"


def test_what_was_allowed_is_lost_if_the_device_does_not_come_in_time(
    alice: Person, device: DeviceClient
):
    device.asks()
    allows(alice, device)
    device.waits(601)
    assert device.polls().error == "expired_token"
    assert families(alice.deployment) == 0


def test_a_code_that_is_used_again_ends_what_it_gave(alice: Person, device: DeviceClient):
    device.asks()
    allows(alice, device)
    answer = device.polls()
    assert device.polls().error == "invalid_grant"
    assert device.refresh(answer.refresh_token).error == "invalid_grant"
    sid = device.endpoint.claims(answer)["sid"]
    assert revoked_families(alice.deployment) == {sid}


def test_of_many_concurrent_requests_one_gets_the_token(alice: Person, device: DeviceClient):
    device.asks()
    allows(alice, device)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: device.polls().status, range(8)))
    assert answers.count(200) == 1


def test_an_answer_counts_once(alice: Person, device: DeviceClient):
    device.asks()
    flow = alice.deployment.services.people.flow
    step = asked(alice, device)
    flow.deny(step.request, alice.session, BROWSER)
    flow.allow(step, alice.session, BROWSER)
    device.waits()
    assert device.polls().error == "access_denied"


def test_a_later_answer_changes_nothing_and_says_so(alice: Person, device: DeviceClient):
    device.asks()
    flow = alice.deployment.services.people.flow
    step = asked(alice, device)
    flow.allow(step, alice.session, BROWSER)
    assert isinstance(flow.deny(step.request, alice.session, BROWSER), RequestProblem)
    assert not events(alice.deployment, "consent.denied")
    assert device.polls().status == 200


def test_an_answer_that_comes_too_late_says_so(alice: Person, device: DeviceClient):
    device.asks()
    device.waits(599)
    alice = sign_in(alice.deployment, alice.user_id)
    step = asked(alice, device)
    device.waits(2)
    said = alice.deployment.services.people.flow.allow(step, alice.session, BROWSER)
    assert isinstance(said, RequestProblem)
    assert "has expired" in said.sentence


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_an_answer_during_a_request_of_the_device_is_not_taken_for_a_refusal(
    alice: Person, device: DeviceClient
):
    device.asks()
    step, flow = asked(alice, device), alice.deployment.services.people.flow

    def allow() -> None:
        flow.allow(step, alice.session, BROWSER)

    with right_after(alice.deployment, "FROM authorization_codes", allow):
        assert device.polls().error == "authorization_pending"
    assert device.polls().status == 200


def test_answered_codes_do_not_count_as_waiting(alice: Person, device: DeviceClient):
    for _ in range(50):
        device.asks()
        denies(alice, device)
    assert device.request().status_code == 200


@rows(
    ("form", "error"),
    [
        ({"device_code": None}, "invalid_request"),
        ({"device_code": "x"}, "invalid_grant"),
        ({"device_code": "aidevice_" + "a" * 51}, "invalid_grant"),
    ],
)
def test_a_wrong_device_code_is_refused(device: DeviceClient, form: dict[str, str], error: str):
    sent = {"grant_type": GRANT, **{name: value for name, value in form.items() if value}}
    assert device.post(sent).error == error


def test_a_device_code_is_of_one_client_and_no_authorization_code(
    alice: Person, device: DeviceClient, app: App
):
    device.asks()
    allows(alice, device)
    with alice.deployment.changing() as work:
        work.clients.update("app", {"grant_types": [*GRANTS, "authorization_code"]})
    code = device.codes["device_code"]
    assert app.post({"grant_type": GRANT, "device_code": code}).error == "invalid_grant"
    assert app.redeem(code).error == "invalid_grant"
    assert device.polls().status == 200


@rows(
    ("parameters", "error"),
    [
        ({"audience": "unknown"}, "invalid_target"),
        ({"scope": "a::b"}, "invalid_scope"),
        ({"scope": " ".join(f"agents:a{i}:run" for i in range(400))}, "invalid_request"),
    ],
)
def test_what_cannot_be_allowed_is_refused_at_once(
    device: DeviceClient, parameters: dict[str, str], error: str
):
    answer = device.request(**parameters)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_client_without_the_grant_is_refused(deployment: Deployment, app: App):
    device = DeviceClient(deployment, app.endpoint, app.client)
    assert device.request().json()["error"] == "unauthorized_client"
    assert device.polls("aidevice_" + "a" * 51).error == "unauthorized_client"


def test_a_client_with_a_secret_must_use_it(deployment: Deployment, token_endpoint: TokenDriver):
    """§3.1: as at the token endpoint."""
    client = deployment.client("tv", grant_types=GRANTS)
    device = DeviceClient(deployment, token_endpoint, client)
    assert device.request().status_code == 200
    answer = token_endpoint.http.post(
        "/oauth2/device_authorization", data={"client_id": client.client_id}
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_only_as_many_codes_wait_as_an_address_may_have(
    device: DeviceClient, deployment: Deployment
):
    for _ in range(50):
        device.asks()
    answer = device.request()
    assert (answer.status_code, answer.json()["error"]) == (429, "temporarily_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    device.waits(600)
    assert device.request().status_code == 200


def test_devices_that_gave_up_and_other_clients_stop_nobody(
    device: DeviceClient, deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client("tv", grant_types=GRANTS, token_endpoint_auth_method="none")
    other = DeviceClient(deployment, token_endpoint, client)
    for _ in range(50):
        device.asks()
    assert device.request().status_code == 429
    assert other.request().status_code == 200
    device.waits(115)
    device.polls()
    device.waits(10)
    for _ in range(49):
        device.asks()
    assert device.request().status_code == 429


def test_a_device_code_ends_with_its_client(
    alice: Person, device: DeviceClient, deployment: Deployment
):
    """Also where another one gets the id, and what was allowed but not fetched."""
    fields = {"grant_types": GRANTS, "token_endpoint_auth_method": "none", "user_rights": "all"}
    for answer in (None, allows, denies):
        device.asks()
        codes = device.codes
        request = asked(alice, device) if answer is None else None
        if answer is not None:
            answer(alice, device)
        with deployment.changing() as work:
            work.clients.delete("cli")
        deployment.client("cli", **fields)
        alice = sign_in(deployment, alice.user_id)
        assert device.polls(codes["device_code"]).error == "invalid_grant"
        with pytest.raises(InvalidCredentials, match=""):
            asked(alice, device)
        if isinstance(request, ConsentNeeded):
            flow = deployment.services.people.flow
            assert isinstance(flow.allow(request, alice.session, BROWSER), RequestProblem)


def test_a_client_that_was_deleted_meanwhile_gets_no_device_code(
    device: DeviceClient, deployment: Deployment
):
    """By another process, after this one has authenticated it."""

    def delete() -> None:
        with deployment.changing() as work:
            work.clients.delete("cli")

    with right_after(deployment, "FROM device_codes", delete):
        answer = device.request()
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


def test_the_user_is_asked_each_time_whatever_was_allowed_before(
    alice: Person, device: DeviceClient
):
    """§5.4: the device may be somebody else's."""
    with alice.deployment.changing() as work:
        work.clients.update("cli", {"first_party": True})
    for _ in range(2):
        device.asks()
        allows(alice, device)


def test_the_end_of_the_session_ends_what_was_allowed_and_not_fetched(
    alice: Person, device: DeviceClient
):
    device.asks()
    allows(alice, device)
    alice.deployment.services.people.sessions.sign_out(alice.session, BROWSER)
    assert device.polls().error == "invalid_grant"


def test_a_withdrawn_consent_ends_what_was_allowed_and_not_fetched(
    alice: Person, device: DeviceClient
):
    device.asks()
    allows(alice, device)
    with alice.deployment.changing() as work:
        work.consents.withdraw(alice.user_id, "cli")
    assert device.polls().error == "access_denied"


def test_a_promotion_ends_what_was_allowed_before(alice: Person, device: DeviceClient):
    """Rights at the issuer begin without what was given before."""
    device.asks()
    allows(alice, device)
    alice.deployment.role("operator", ["issuer:users:write"])
    with alice.deployment.changing() as work:
        assignment = Assignment(role="operator", audience=URL)
        work.assignments.assign(alice.user_id, assignment)
    assert device.polls().error == "invalid_grant"


def test_rights_are_those_at_the_time_of_the_token(alice: Person, device: DeviceClient):
    device.asks()
    allows(alice, device)
    with alice.deployment.changing() as work:
        work.roles.update("runner", {"scopes": ["sessions:read"]})
    assert device.endpoint.claims(device.polls())["scopes"] == ["sessions:read"]


def test_another_user_may_answer_who_gets_the_token(alice: Person, device: DeviceClient):
    bob = sign_in(alice.deployment, alice.deployment.user("bob", roles=["runner"]))
    device.asks()
    allows(bob, device)
    assert device.endpoint.claims(device.polls())["sub"] == bob.user_id


def test_an_id_token_comes_where_openid_was_asked(alice: Person, device: DeviceClient):
    device.asks(scope="openid agents:run")
    allows(alice, device)
    answer = device.polls()
    assert answer.body["id_token"]
    assert set(SCOPES) > {"agents:run"} == set(device.endpoint.claims(answer)["scopes"])


def test_codes_of_earlier_days_leave_no_rows(alice: Person, device: DeviceClient):
    device.asks()
    device.deployment.wait(timedelta(days=1))
    device.deployment.services.people.delete_expired()
    device.asks()
    assert device.polls().error == "authorization_pending"
