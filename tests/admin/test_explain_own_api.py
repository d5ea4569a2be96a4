"""`/explain` at the issuer's own audience: what it says is what the doors do."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from issuer.catalogue.own_routes import own_routes
from issuer.explaining import Explanation, Question
from issuer.scopes import ISSUER_RESOURCES, ISSUER_SCOPES
from issuer.tokens import Authorization
from tests.admin.test_access import GAINS
from tests.builders import PASSWORD, Credentials, Deployment
from tests.drivers import AdminApi, TokenEndpoint, problem

URLS = ["https://id.example", "https://id.example/auth"]
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
HOLDINGS = [
    [],
    *([scope] for scope in sorted(ISSUER_SCOPES)),
    *([f"issuer:{name}:{do}" for name in ISSUER_RESOURCES] for do in ("read", "write")),
    ["agent_os:admin"],
]
ASKED = {"client_id": "nobody", "audience": "my-os", "method": "GET", "path": "/agents"}
# What each route reads, where that is more than {}: it opens if any of these is not refused.
BODIES: dict[str, list[dict[str, Any]]] = {
    "POST /audiences": [{"id": "new"}],
    "POST /roles": [{"name": "new"}],
    "POST /clients": [{"client_id": "new"}],
    "POST /users": [{"username": "new"}],
    "PUT /users/nobody/password": [{"password": PASSWORD}],
    "POST /scopes/lint": [{"scopes": []}],
    "POST /explain": [ASKED, {**ASKED, "client_id": None, "user_id": "nobody"}],
    "POST /preview": [{"client_id": "nobody"}],
}
READ = {200, 201, 204, 403, 404, 409}  # the answers to a request that was understood

on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])
at_any_path = pytest.mark.parametrize(
    "more_settings", [{"url": url, "metrics_token": "m" * 16} for url in URLS], ids=URLS
)


class Asker:
    """A client at the issuer: what it is told, and what then happens."""

    def __init__(self, deployment: Deployment, client: Credentials, token: str) -> None:
        self._deployment = deployment
        self.client_id = client.client_id
        self.api = AdminApi(deployment.http, token)

    def explained(self, method: str, path: str) -> Explanation:
        own = self._deployment.services.settings.url
        question = {"client_id": self.client_id, "audience": own, "method": method, "path": path}
        return self._deployment.services.administration.explainer.explain(Question.read(question))

    def opens(self, method: str, path: str) -> bool:
        """Whether the request, in any of its forms, is not refused for want of a scope."""
        bodies = BODIES.get(f"{method} {path}", [{}])
        if path == "/tokens/revoke":
            bodies = [{"token": token} for token in tokens_to_revoke(self._deployment)]
        is_assignment = method in {"PUT", "DELETE"} and "/roles/" in path.removeprefix("/roles")
        params = {"everywhere": "true"} if is_assignment else {}
        answers = [self.api(method, path, json=body, params=params) for body in bodies]
        assert all(answer.status_code in READ for answer in answers), (method, path, answers)
        return any(answer.status_code != 403 for answer in answers)


def tokens_to_revoke(deployment: Deployment) -> list[str]:
    """A client's and a user's, who hold nothing at the issuer."""
    directory = deployment.services.tokens.directory
    client = directory.load_client(deployment.client().client_id)
    user = directory.load_user(deployment.user(f"user of {client.client_id}", password=None))
    audience = client.audiences["my-os"]
    of_both = (
        Authorization.of_client(client, audience),
        Authorization.of_user(user, client, audience),
    )
    return [
        deployment.services.tokens.issuer.issue(each, deployment.clock()).token for each in of_both
    ]


@pytest.fixture
def asker(deployment: Deployment, token_endpoint: TokenEndpoint) -> Callable[[list[str]], Asker]:
    def ask(scopes: list[str]) -> Asker:
        client = deployment.client(scopes=scopes, audiences=[deployment.services.settings.url])
        return Asker(deployment, client, token_endpoint.client_credentials(client).token)

    return ask


def routes_of(deployment: Deployment) -> dict[str, set[str]]:
    """Every path of the running app, its names filled in, with the methods it takes."""
    assert isinstance(deployment.http, TestClient)
    found: dict[str, set[str]] = {}
    for route in leaves(deployment.http.app.rest.routes):  # type: ignore[attr-defined]
        path = re.sub(r"\{.+?\}", "nobody", route.path)
        found.setdefault(path, set()).update(route.methods or {"POST"})  # none: it says so itself
    for path, methods in found.items():
        if "/admin/v1/" in path and "GET" in methods:
            methods.add("HEAD")  # it is made a GET before the routes see it
    return found


def leaves(routes: list[Any]) -> Iterator[Any]:
    for route in routes:
        included = getattr(route, "effective_candidates", None)
        if included is not None:
            yield from leaves(included())
        elif hasattr(route, "methods"):  # not a folder of files
            yield route


def below(prefix: str, deployment: Deployment) -> dict[str, set[str]]:
    prefix = deployment.services.settings.base_path + prefix
    return {
        path.removeprefix(prefix): methods
        for path, methods in routes_of(deployment).items()
        if path.startswith(prefix)
    }


@on_sqlite
@at_any_path
@pytest.mark.parametrize("scopes", HOLDINGS, ids=" ".join)
def test_every_route_opens_to_whom_it_is_said_to(
    deployment: Deployment, asker: Callable[[list[str]], Asker], scopes: list[str]
):
    """A new route has no line in `own_routes.py` yet, and fails here."""
    asks = asker(scopes)
    for path, methods in below("/admin/v1", deployment).items():
        for method in sorted(methods):
            said = asks.explained(method, f"/admin/v1{path}").decision
            assert said.allowed == asks.opens(method, path), (method, path, said)
            assert said.allowed == (not said.smallest_addition)


@on_sqlite
@pytest.mark.parametrize("scopes", HOLDINGS, ids=" ".join)
def test_the_smallest_addition_opens_it(
    deployment: Deployment, asker: Callable[[list[str]], Asker], scopes: list[str]
):
    asks = asker(scopes)
    closed = {
        (method, path): asks.explained(method, f"/admin/v1{path}").decision.smallest_addition
        for path, methods in below("/admin/v1", deployment).items()
        for method in methods
    }
    for addition in set(closed.values()) - {()}:
        wider = asker([*scopes, *addition])
        for (method, path), missing in closed.items():
            assert missing != addition or wider.opens(method, path), (method, path, addition)


@on_sqlite
@at_any_path
def test_what_needs_no_scope_asks_for_no_token(
    deployment: Deployment, asker: Callable[[list[str]], Asker]
):
    admin_api = f"{deployment.services.settings.base_path}/admin/v1"
    for path, methods in routes_of(deployment).items():
        for method in methods if not path.startswith(admin_api) else ():
            said = asker([]).explained(method, path).decision
            assert (said.allowed, said.required) == (True, ()), (method, path, said)
            assert bare(deployment, method, path).status_code not in {403, 404, 405}, (method, path)


@on_sqlite
@at_any_path
def test_what_is_not_there_is_not_there_for_anybody(
    deployment: Deployment, asker: Callable[[list[str]], Asker]
):
    admin = asker(["issuer:admin"])
    there = routes_of(deployment)
    for path in there:
        for method in set(METHODS) - taken_at(path, there):
            assert "405 for anybody" in admin.explained(method, path).decision.reason
            assert bare(deployment, method, path).status_code == 405, (method, path)
    base = deployment.services.settings.base_path
    for path in ("/", "/nothing", "/admin/v1", "/admin/v1/roles/", "/admin/v1/clients/a%2Fb"):
        said = admin.explained("GET", base + path).decision
        assert "404 for anybody" in said.reason
        assert (said.allowed, said.smallest_addition) == (False, ())
        assert bare(deployment, "GET", base + path).status_code == 404


@on_sqlite
@at_any_path
def test_no_line_speaks_of_a_route_that_is_not_there(deployment: Deployment):
    there = routes_of(deployment)
    for route in own_routes(deployment.services.settings.base_path, has_metrics=True):
        taken = [methods for path, methods in there.items() if route.is_at(path)]
        assert route.methods <= set().union(*taken) or "docs-assets" in route.path, route


def taken_at(path: str, there: dict[str, set[str]]) -> set[str]:
    """What the path can do, also where it looks like one with a name in it."""
    alike = [each for each in there if re.fullmatch(each.replace("nobody", "[^/]+"), path)]
    return set().union(*(there[each] for each in alike))


def bare(deployment: Deployment, method: str, path: str) -> httpx.Response:
    return deployment.http.request(method, f"https://id.example{path}")


@on_sqlite
@at_any_path
def test_a_path_goes_with_or_without_that_of_the_issuer(
    deployment: Deployment, asker: Callable[[list[str]], Asker]
):
    reader, base = asker(["issuer:roles:read"]), deployment.services.settings.base_path
    for path in ("/admin/v1/roles", f"{base}/admin/v1/roles?limit=1"):
        assert reader.explained("get", path).decision.allowed


@on_sqlite
@at_any_path
def test_the_metrics_take_a_token_of_their_own(
    deployment: Deployment, asker: Callable[[list[str]], Asker]
):
    said = asker(["issuer:admin"]).explained("GET", "/metrics").decision
    assert said.reason.endswith("It takes the token of ISSUER_METRICS_TOKEN.")
    assert (
        bare(deployment, "GET", f"{deployment.services.settings.base_path}/metrics").status_code
        == 401
    )


@on_sqlite
def test_metrics_that_nobody_may_read_are_not_there(asker: Callable[[list[str]], Asker]):
    assert "404 for anybody" in asker([]).explained("GET", "/metrics").decision.reason


@on_sqlite
def test_the_answer_names_the_scope_and_the_role_it_came_through(
    admin: AdminApi, deployment: Deployment
):
    own = deployment.services.settings.url
    deployment.role("keeper", ["issuer:roles:write", "agent_os:admin"])
    deployment.client("helper", roles=["keeper"], audiences=[own])
    question = {"client_id": "helper", "audience": own, "method": "GET", "path": "/admin/v1/roles"}
    allowed = admin.post("/explain", **question).json()
    assert allowed == {
        "allowed": True,
        "reason": "The issuer wants issuer:roles:read here, and issuer:roles:write covers it.",
        "scope": "issuer:roles:write",
        "via": [
            {
                "scope": "issuer:roles:write",
                "holder": "helper",
                "role": "keeper",
                "audience": None,
            }
        ],
        "required": ["issuer:roles:read"],
        "listing": None,
        "smallest_addition": [],
        "held": ["issuer:roles:write"],
    }
    refused = admin.post("/explain", **{**question, "path": "/admin/v1/keys"}).json()
    assert refused["reason"] == "The issuer wants issuer:keys:read here, and no scope covers it."
    assert (refused["scope"], refused["smallest_addition"]) == (None, ["issuer:keys:read"])


@on_sqlite
@pytest.mark.parametrize("way", GAINS)
def test_where_it_may_take_an_admin_the_reason_says_so(
    asker: Callable[[list[str]], Asker], way: str
):
    """Every way in which rights at the issuer are given (CONTRACT §4)."""
    method, path, _ = GAINS[way]
    writer = asker([f"issuer:{name}:write" for name in ISSUER_RESOURCES])
    said = writer.explained(method, f"/admin/v1{path}").decision
    assert said.allowed
    assert said.reason.endswith("rights at the issuer itself takes issuer:admin.")
    for_admins = asker(["issuer:admin"]).explained(method, f"/admin/v1{path}").decision
    assert for_admins.reason.endswith("here, and issuer:admin covers it.")


@on_sqlite
def test_a_token_of_which_something_was_taken_away_is_explained_as_the_door_sees_it(
    admin: AdminApi, deployment: Deployment, asker: Callable[[list[str]], Asker]
):
    helper = asker(["issuer:roles:read", "issuer:keys:read"])
    token = helper.api.headers["Authorization"].removeprefix("Bearer ")
    client = f"/clients/{helper.client_id}"
    question = {"token": token, "method": "GET", "path": "/admin/v1/roles"}
    assert admin.post("/explain", **question).json()["allowed"] is True
    admin.patch(client, scopes=["issuer:keys:read"])
    narrowed = admin.post("/explain", **question).json()
    assert (narrowed["allowed"], narrowed["held"]) == (False, ["issuer:keys:read"])
    assert problem(helper.api.get("/roles")) == (403, "forbidden")
    admin.patch(client, disabled=True)
    assert problem(admin.post("/explain", **question)) == (422, "invalid-fields")
    assert problem(helper.api.get("/roles")) == (401, "unauthenticated")
