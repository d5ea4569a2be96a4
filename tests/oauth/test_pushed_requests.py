"""Pushed authorization requests (RFC 9126): a client sends them, and a browser names them."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from issuer.sign_in.authorization_request import ConsentNeeded, Redirection, RequestProblem
from tests.builders import URL, Credentials, Deployment
from tests.dpop.proving import ProvingDriver
from tests.sign_in.authorizing import BROWSER, CALLBACK, App, Person, code_of, returned, rows, visit

PREFIX = "urn:ietf:params:oauth:request_uri:"


def push(app: App, proving: ProvingDriver | None = None, **parameters: Any) -> httpx.Response:
    """The answer to what the app would otherwise send through the browser."""
    form, secret = app.request(**parameters), app.client.client_secret
    auth = (form.pop("client_id"), secret) if secret else None
    headers = {"DPoP": proving.proof("POST", f"{URL}/oauth2/par")} if proving else {}
    return app.endpoint.http.post("/oauth2/par", data=form, auth=auth, headers=headers)


def pushed(app: App, proving: ProvingDriver | None = None, **parameters: Any) -> dict[str, str]:
    """What the browser brings instead."""
    answer = push(app, proving, **parameters)
    assert answer.status_code == 201, answer.text
    return {"client_id": app.client.client_id, "request_uri": answer.json()["request_uri"]}


def allowed(person: Person, request: dict[str, str]) -> Any:
    """What follows once the person has allowed what was pushed."""
    people = person.deployment.services.people
    validated = people.validation.validate(list(request.items()))
    assert isinstance(validated, tuple), validated
    step = people.flow.next_step(validated[0], person.session, BROWSER)
    if isinstance(step, ConsentNeeded):
        step = people.flow.allow(step, person.session, BROWSER)
    return step


def is_refused(deployment: Deployment, request: dict[str, str], person: Person) -> bool:
    answer = visit(deployment, request, person.cookie)
    assert "location" not in answer.headers or "code=" not in answer.headers["location"]
    return answer.status_code == 400


def test_a_pushed_request_does_what_the_same_request_does_in_a_browser(
    deployment: Deployment, alice: Person, app: App
):
    before = rows(deployment)
    answer = push(app)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {"request_uri": answer.json()["request_uri"], "expires_in": 90}
    assert answer.json()["request_uri"].startswith(PREFIX)
    assert rows(deployment) == before
    step = allowed(alice, pushed(app))
    assert isinstance(step, Redirection)
    assert returned(step.url)["state"] == app.request()["state"]
    assert app.redeem(code_of(step.url)).status == 200


def test_the_metadata_name_the_endpoint(deployment: Deployment):
    described = deployment.http.get("/.well-known/oauth-authorization-server").json()
    assert described["pushed_authorization_request_endpoint"] == f"{URL}/oauth2/par"


def test_nothing_counts_beside_what_was_pushed(deployment: Deployment, alice: Person, app: App):
    alice.allows(app)
    request = pushed(app, state="pushed")
    beside = {"state": "sent", "redirect_uri": "https://x.example", "prompt": "login"}
    answer = returned(visit(deployment, {**request, **beside}, alice.cookie))
    assert answer["state"] == "pushed"
    assert "code" in answer


def test_it_serves_once_and_until_then_can_be_loaded_again(
    deployment: Deployment, alice: Person, app: App
):
    request = pushed(app)
    for _ in range(3):
        location = visit(deployment, request, alice.cookie).headers["location"]
        assert location.startswith(f"{URL}/consent")
    assert isinstance(allowed(alice, request), Redirection)
    assert isinstance(allowed(alice, request), RequestProblem)
    assert is_refused(deployment, request, alice)


def test_it_serves_once_whatever_the_browsers_keep(deployment: Deployment, alice: Person, app: App):
    """Opened at the last moment it lives longest: the code made at first still stands then."""
    people, request = deployment.services.people, pushed(app)
    step = allowed(alice, request)
    assert isinstance(step, Redirection)
    deployment.clock.move(timedelta(seconds=89))
    late, _ = people.validation.validate(list(request.items()))
    deployment.clock.move(timedelta(minutes=9, seconds=59))
    people.codes.delete_expired()
    step = people.flow.next_step(late, alice.session, BROWSER)
    assert isinstance(step, RequestProblem)


def test_it_expires_and_is_bound_to_its_client(deployment: Deployment, alice: Person, app: App):
    other = deployment.client("other", grant_types=["authorization_code"], redirect_uris=[CALLBACK])
    request = pushed(app)
    assert is_refused(deployment, {**request, "client_id": other.client_id}, alice)
    assert is_refused(deployment, {"request_uri": request["request_uri"]}, alice)
    assert is_refused(deployment, {**request, "request_uri": request["request_uri"] + "A"}, alice)
    assert is_refused(deployment, {**request, "request_uri": PREFIX}, alice)
    deployment.clock.move(timedelta(seconds=89))
    assert visit(deployment, request, alice.cookie).status_code == 303
    deployment.clock.move(timedelta(seconds=1))
    assert is_refused(deployment, request, alice)


def test_what_a_browser_keeps_is_no_request_uri(deployment: Deployment, alice: Person, app: App):
    kept = visit(deployment, app.request(), alice.cookie)
    (cookie,) = (v for name, v in kept.cookies.items() if name.startswith("__Host-request"))
    request = {"client_id": app.client.client_id, "request_uri": PREFIX + cookie}
    assert is_refused(deployment, request, alice)


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uris": ["https://app.example/elsewhere"]},
        {"grant_types": ["client_credentials"]},
        {"disabled": True},
    ],
)
def test_it_is_checked_again_when_it_is_used(
    deployment: Deployment, alice: Person, app: App, change: dict[str, Any]
):
    request = pushed(app)
    with deployment.changing() as work:
        work.clients.update(app.client.client_id, change)
    assert is_refused(deployment, request, alice)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"redirect_uri": "https://x.example"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"audience": "nowhere"}, "invalid_target"),
        ({"scope": "a b:"}, "invalid_scope"),
        ({"state": "s" * 4097}, "invalid_request"),
        ({"nonce": "n" * 4097}, "invalid_request"),
        ({"id_token_hint": "x"}, "login_required"),
        ({"request": "x"}, "request_not_supported"),
        ({"request_uri": f"{PREFIX}x"}, "request_uri_not_supported"),
        ({"dpop_jkt": "x"}, "invalid_request"),
    ],
)
def test_what_the_authorization_endpoint_refuses_is_refused_at_once(
    deployment: Deployment, app: App, change: dict[str, Any], error: str
):
    before = rows(deployment)
    answer = push(app, **change)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert rows(deployment) - before <= 1  # the audit event


def test_a_client_authenticates_as_for_a_token(deployment: Deployment, app: App):
    wrong = App(app.endpoint, Credentials(app.client.client_id, "wrong"))
    answer = push(wrong)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    without = deployment.http.post("/oauth2/par", data=app.request())
    assert (without.status_code, without.json()["error"]) == (401, "invalid_client")
    no_grant = deployment.client("ci-bot", scopes=["agents:run"])
    answer = push(App(app.endpoint, no_grant))
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


def test_a_public_client_pushes_by_its_id_alone(deployment: Deployment, alice: Person, app: App):
    deployment.client(
        "phone",
        grant_types=["authorization_code"],
        token_endpoint_auth_method="none",
        redirect_uris=[CALLBACK],
    )
    phone = App(app.endpoint, Credentials("phone", ""))
    step = allowed(alice, pushed(phone, scope="openid"))
    assert isinstance(step, Redirection)
    assert phone.redeem(code_of(step.url)).status == 200


def test_a_client_may_be_required_to_push(deployment: Deployment, alice: Person, app: App):
    """RFC 9126 §4, §6."""
    name = "require_pushed_authorization_requests"
    with deployment.changing() as work:
        work.clients.update(app.client.client_id, {name: True})
    refused = returned(alice.visits(app))
    assert refused["error"] == "invalid_request"
    assert refused["error_description"] == (
        "The client must push its requests (RFC 9126): send request_uri."
    )
    assert isinstance(allowed(alice, pushed(app)), Redirection)


@pytest.mark.parametrize("more_settings", [{"client_registration": "open"}])
def test_a_client_that_registers_itself_may_say_that_it_pushes(deployment: Deployment):
    name = "require_pushed_authorization_requests"
    asked = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}
    answer = deployment.http.post("/oauth2/register", json={**asked, name: True}).json()
    assert answer[name] is True
    assert name not in deployment.http.post("/oauth2/register", json=asked).json()


def test_a_proof_binds_the_code_to_its_key(deployment: Deployment, alice: Person, app: App):
    """RFC 9449 §10.1."""
    proving = ProvingDriver(deployment)
    step = allowed(alice, pushed(app, proving))
    assert isinstance(step, Redirection)
    code = code_of(step.url)
    assert app.redeem(code).error == "invalid_grant"
    assert App(ProvingDriver(deployment), app.client).redeem(code).error == "invalid_grant"
    bound = App(proving, app.client).redeem(code)
    assert (bound.status, bound.body["token_type"]) == (200, "DPoP")
    same = push(app, proving, dpop_jkt=proving.key.jkt)
    assert same.status_code == 201
    other = push(app, proving, dpop_jkt=ProvingDriver(deployment).key.jkt)
    assert (other.status_code, other.json()["error"]) == (400, "invalid_request")


def test_a_wrong_proof_is_refused(deployment: Deployment, app: App):
    form = app.request()
    auth = (form["client_id"], app.client.client_secret)
    answer = deployment.http.post("/oauth2/par", data=form, auth=auth, headers={"DPoP": "x"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
