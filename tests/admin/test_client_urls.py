"""Clients whose ids are URLs: `%2F` in a path is part of the id."""

from urllib.parse import quote

import pytest

from issuer.clients.documents import read_document
from issuer.explain.explaining import Question
from tests.builders import URL, Deployment
from tests.clients.test_documents import body
from tests.drivers import AdminApi, problem
from tests.rows import rows
from tests.sign_in.authorizing import App, Person

IDS = [
    "https://app.example/client.json",
    "https://app.example/secrets",
    "https://app.example/a//b/roles/runner",
    "https://app.example/a%2Fb?c=%25",
]


@pytest.fixture(params=IDS)
def client_id(deployment: Deployment, request: pytest.FixtureRequest) -> str:
    with deployment.changing() as work:
        for client_id in IDS:
            work.clients.keep_document(read_document(client_id, body(client_id)), pinned=True)
    return str(request.param)


def test_such_a_client_is_read_changed_and_deleted(admin: AdminApi, client_id: str):
    path = f"/clients/{quote(client_id, safe='')}"
    assert admin.get(path).json()["client_id"] == client_id
    assert admin("HEAD", path).status_code == 200
    assert admin.patch(path, disabled=True).json()["disabled"] is True
    assert admin.delete(path).status_code == 204
    assert problem(admin.get(path)) == (404, "not-found")
    left = {each["client_id"] for each in admin.get("/clients").json()["items"]}
    assert left & set(IDS) == set(IDS) - {client_id}


def test_so_are_the_resources_below_it(admin: AdminApi, client_id: str):
    path = f"/clients/{quote(client_id, safe='')}"
    assert admin.get(f"{path}/secrets").json()["items"] == []
    assert admin.get(f"{path}/roles").json()["items"] == []
    assert admin.post(f"{path}/revoke-tokens").status_code == 204
    assert problem(admin.get(f"{path}/rotation")) == (404, "not-found")
    assert client_id in admin.get(f"{path}/rotation").json()["detail"]
    assert problem(admin.get(f"{path}/secrets/unknown")) == (404, "not-found")


def test_a_slash_that_is_not_encoded_ends_the_id(admin: AdminApi, client_id: str):
    assert problem(admin.get(f"/clients/{client_id.partition('?')[0]}"))[0] == 404
    twice = quote(quote(client_id, safe=""), safe="")
    assert problem(admin.get(f"/clients/{twice}")) == (404, "not-found")


def test_its_consents_are_withdrawn(admin: AdminApi, alice: Person, self_registered_app: App):
    answer = alice.signs_in_to(self_registered_app, audience="my-os")
    client_id = self_registered_app.client.client_id
    path = f"/users/{alice.user_id}/consents/{quote(client_id, safe='')}"
    assert admin.delete(path).status_code == 204
    assert self_registered_app.refresh(answer.refresh_token).error == "invalid_grant"
    assert problem(admin.delete(path)) == (404, "not-found")


@rows("below", ["", "%2Fsecrets", "%2Froles%2Frunner"])
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_explanations_read_such_paths_alike(deployment: Deployment, below: str):
    path = f"/admin/v1/clients/https%3A%2F%2Fapp.example{below}"
    assert deployment.http.get(path).status_code == 401
    asked = {"client_id": deployment.admin.client_id, "audience": URL, "method": "PATCH"}
    question = Question.read({**asked, "path": path})
    decision = deployment.services.administration.explainer.explain(question).decision
    assert (decision.allowed, decision.required) == (True, ("issuer:clients:write",))
