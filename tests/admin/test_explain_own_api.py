"""`/explain` at the issuer's own audience gives the same answers as the API itself."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from issuer.explain.explaining import Explainer, Explanation, Question
from issuer.scopes import ISSUER_RESOURCES, ISSUER_SCOPES
from issuer.server.own_routes import own_routes
from issuer.tokens.authorization import Authorization
from tests.admin.test_access import GAINS
from tests.builders import PASSWORD, Credentials, Deployment
from tests.drivers import AdminApi, TokenDriver, problem
from tests.rows import rows

URLS = ["https://id.example", "https://id.example/auth"]
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
HOLDINGS = [
    [],
    *([scope] for scope in sorted(ISSUER_SCOPES)),
    *([f"issuer:{name}:{do}" for name in ISSUER_RESOURCES] for do in ("read", "write")),
    ["agent_os:admin"],
]
# All scopes together open no less than each of them alone.
WIDEST: list[list[str]] = [
    [],
    [f"issuer:{name}:read" for name in ISSUER_RESOURCES],
    [f"issuer:{name}:write" for name in ISSUER_RESOURCES],
    ["issuer:admin"],
]
ASKED = {"client_id": "unknown", "audience": "my-os", "method": "GET", "path": "/agents"}
WINDOW = {
    "id": "0123456789abcdef",
    "start": "2026-11-25T11:59:00Z",
    "end": "2026-11-25T12:00:00Z",
}
# The bodies of routes that need more than {}: a route is open if any of them is not refused.
BODIES: dict[str, list[dict[str, Any]]] = {
    "POST /audiences": [{"id": "new"}],
    "POST /roles": [{"name": "new"}],
    "POST /trusted-issuers": [
        {"id": "new", "issuer": "https://cluster.example", "keys": {"discovery": True}}
    ],
    "POST /clients": [{"client_id": "new"}],
    "POST /users": [{"username": "new"}],
    "POST /groups": [{"name": "new"}],
    "POST /users/unknown/identities": [{"issuer": "unknown", "subject": "unknown"}],
    "PUT /users/unknown/password": [{"password": PASSWORD}],
    "POST /scopes/lint": [{"scopes": []}],
    "POST /explain": [ASKED, {**ASKED, "client_id": None, "user_id": "unknown"}],
    "POST /preview": [{"client_id": "unknown"}],
    "POST /usage": [{"window": WINDOW, "audience": "my-os", "counts": []}],
}
READ = {200, 201, 204, 403, 404, 409}  # the answers to a request that was understood

on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])
at_any_path = pytest.mark.parametrize(
    "more_settings",
    [
        pytest.param(
            {
                "url": url,
                "metrics_token": "m" * 16,
                "client_registration": "open",
                "smtp_url": "smtps://mail.example",
                "smtp_from": "id@mail.example",
            },
            id=url,
            marks=pytest.mark.slow if url.endswith("/auth") else [],
        )
        for url in URLS
    ],
)


class Asker:
    """A client at the issuer: the explanation it gets, and the response to the request itself."""

    def __init__(self, deployment: Deployment, client: Credentials, token: str) -> None:
        self._deployment = deployment
        self.client_id = client.client_id
        self.api = AdminApi(deployment.http, token)

    @property
    def explainer(self) -> Explainer:
        self._deployment.http.get("/admin/v1/roles")  # the admin API tells it the routes
        return self._deployment.services.administration.explainer

    def explained(self, method: str, path: str) -> Explanation:
        own = self._deployment.services.settings.url
        question = {"client_id": self.client_id, "audience": own, "method": method, "path": path}
        return self.explainer.explain(Question.read(question))

    def opens(self, method: str, path: str) -> bool:
        """Whether the request, with any of its bodies, is not refused for a missing scope."""
        bodies = BODIES.get(f"{method} {path}", [{}])
        if path == "/tokens/revoke":
            bodies = [{"token": token} for token in tokens_to_revoke(self._deployment)]
        is_assignment = method in {"PUT", "DELETE"} and "/roles/" in path.removeprefix("/roles")
        params = {"everywhere": "true"} if is_assignment else {}
        answers = [self.api(method, path, json=body, params=params) for body in bodies]
        assert all(answer.status_code in READ for answer in answers), (method, path, answers)
        return any(answer.status_code != 403 for answer in answers)


def tokens_to_revoke(deployment: Deployment) -> list[str]:
    """Tokens of a client and of a user that hold nothing at the issuer."""
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
def asker(deployment: Deployment, token_endpoint: TokenDriver) -> Callable[[list[str]], Asker]:
    def ask(scopes: list[str]) -> Asker:
        url = deployment.services.settings.url
        client = deployment.client(scopes=scopes, audiences=[url, "my-os"])
        token = token_endpoint.client_credentials(client, audience=url).token
        return Asker(deployment, client, token)

    return ask


def routes_of(deployment: Deployment) -> dict[str, set[str]]:
    """Every path of the running app, its parameters filled in, with its methods."""
    assert isinstance(deployment.http, TestClient)
    found: dict[str, set[str]] = {}
    for route in leaves(deployment.http.app.rest.app().routes):  # type: ignore[attr-defined]
        path = re.sub(r"\{.+?\}", "unknown", route.path)
        # Endpoints that answer 405 themselves have no methods in the router.
        answered = route.methods or getattr(route.endpoint, "methods", {"POST"})
        found.setdefault(path, set()).update(answered)
    for path, methods in found.items():
        if ("/admin/v1/" in path or "/scim/v2/" in path) and "GET" in methods:
            methods.add("HEAD")  # a middleware turns it into a GET
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
@pytest.mark.parametrize(
    "holdings",
    [
        pytest.param(WIDEST, id="several scopes together"),
        pytest.param(HOLDINGS, id="each scope alone", marks=pytest.mark.slow),
    ],
)
def test_the_explanation_of_every_route_is_true(
    deployment: Deployment, asker: Callable[[list[str]], Asker], holdings: list[list[str]]
):
    """Also of a new route, whose scopes stand beside it."""
    for asks in map(asker, holdings):
        for path, methods in below("/admin/v1", deployment).items():
            for method in sorted(methods):
                decision = asks.explained(method, f"/admin/v1{path}").decision
                assert decision.allowed == asks.opens(method, path), (method, path, decision)
                assert decision.allowed == (not decision.smallest_addition)


@on_sqlite
@at_any_path
@rows("scopes", [[], ["issuer:scim"], ["issuer:admin"], ["issuer:users:write"]])
def test_the_explanation_of_scim_is_true(
    deployment: Deployment, asker: Callable[[list[str]], Asker], scopes: list[str]
):
    asks = asker(scopes)
    for path, methods in below("/scim/v2", deployment).items():
        for method in sorted(methods):
            decision = asks.explained(method, f"/scim/v2{path}").decision
            url = f"{deployment.services.settings.url}/scim/v2{path}"
            answer = deployment.http.request(method, url, headers=asks.api.headers, json={})
            assert decision.allowed == (answer.status_code != 403), (method, path, decision)
            assert decision.required == ("issuer:scim",)


@pytest.mark.slow
@on_sqlite
@pytest.mark.parametrize("scopes", HOLDINGS, ids=" ".join)
def test_the_smallest_addition_allows_the_request(
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


@pytest.mark.slow
@on_sqlite
@at_any_path
def test_a_public_route_needs_no_token(deployment: Deployment, asker: Callable[[list[str]], Asker]):
    base = deployment.services.settings.base_path
    with_scopes = (f"{base}/admin/v1", f"{base}/scim/v2")
    for path, methods in routes_of(deployment).items():
        for method in methods if not path.startswith(with_scopes) else ():
            decision = asker([]).explained(method, path).decision
            assert (decision.allowed, decision.required) == (True, ()), (method, path, decision)
            status = bare(deployment, method, path).status_code
            unknown = {403, 405} if "/assets/" in path else {403, 404, 405}
            assert status not in unknown, (method, path)


@pytest.mark.slow
@on_sqlite
@at_any_path
def test_an_unknown_route_or_method_is_404_or_405_for_every_caller(
    deployment: Deployment, asker: Callable[[list[str]], Asker]
):
    admin = asker(["issuer:admin"])
    there = routes_of(deployment)
    for path in there:
        for method in set(METHODS) - taken_at(path, there):
            assert "405 for every caller" in admin.explained(method, path).decision.reason
            assert bare(deployment, method, path).status_code == 405, (method, path)
    base = deployment.services.settings.base_path
    for path in (
        "/nothing",
        "/admin/v1",
        "/admin/v1/roles/",
        "/admin/v1/clients/a/b",
        "/admin/v1/clients/a%252Fb/c",
    ):
        decision = admin.explained("GET", base + path).decision
        assert "404 for every caller" in decision.reason
        assert (decision.allowed, decision.smallest_addition) == (False, ())
        assert bare(deployment, "GET", base + path).status_code == 404


@on_sqlite
@at_any_path
def test_every_line_is_about_an_existing_route(deployment: Deployment):
    there = routes_of(deployment)
    base = deployment.services.settings.base_path
    for route in own_routes(base, has_metrics=True, has_registration=True, has_mail=True):
        taken = [methods for path, methods in there.items() if route.is_at(path)]
        assert route.methods <= set().union(*taken) or "docs-assets" in route.path, route


def taken_at(path: str, there: dict[str, set[str]]) -> set[str]:
    """The methods of the path, also where it looks like one with a parameter.

    The id of an audience may be a URL.
    """
    patterns = {
        each: each.replace("audiences/unknown", "audiences/.+").replace("unknown", "[^/]+")
        for each in there
    }
    alike = [each for each, pattern in patterns.items() if re.fullmatch(pattern, path)]
    return set().union(*(there[each] for each in alike))


def bare(deployment: Deployment, method: str, path: str) -> httpx.Response:
    url = f"https://id.example{path}"
    return deployment.http.request(method, url, follow_redirects=False)


@on_sqlite
@at_any_path
def test_a_path_may_omit_the_path_of_the_issuer(
    deployment: Deployment, asker: Callable[[list[str]], Asker]
):
    reader, base = asker(["issuer:roles:read"]), deployment.services.settings.base_path
    for path in ("/admin/v1/roles", f"{base}/admin/v1/roles?limit=1"):
        assert reader.explained("get", path).decision.allowed


@on_sqlite
@at_any_path
def test_the_metrics_need_their_own_token(
    deployment: Deployment, asker: Callable[[list[str]], Asker]
):
    decision = asker(["issuer:admin"]).explained("GET", "/metrics").decision
    assert decision.reason.endswith("It requires the token of ISSUER_METRICS_TOKEN.")
    assert (
        bare(deployment, "GET", f"{deployment.services.settings.base_path}/metrics").status_code
        == 401
    )


@on_sqlite
def test_metrics_without_a_token_setting_are_404(asker: Callable[[list[str]], Asker]):
    assert "404 for every caller" in asker([]).explained("GET", "/metrics").decision.reason


# Required by no operation of the admin API, by none alone, or by one with an id only.
OF_NO_LIST = {"admin", "audit:write", "clients:register", "introspect", "verifiers:write"}


@on_sqlite
def test_a_scope_of_the_issuer_has_a_request_that_requires_it(asker: Callable[[list[str]], Asker]):
    asks = asker([])
    for scope in sorted(ISSUER_SCOPES):
        example = asks.explainer.example_of(scope)
        if scope.removeprefix("issuer:") in OF_NO_LIST:
            assert example is None, scope
        else:
            assert example is not None, scope
            (method, path) = example
            assert not asks.explained(method, path).decision.allowed
            assert asker([scope]).explained(method, path).decision.allowed, scope


@on_sqlite
def test_the_explanation_names_the_scope_and_its_role(admin: AdminApi, deployment: Deployment):
    own = deployment.services.settings.url
    deployment.role("keeper", ["issuer:roles:write", "agent_os:admin"])
    deployment.client("helper", roles=["keeper"], audiences=[own])
    question = {"client_id": "helper", "audience": own, "method": "GET", "path": "/admin/v1/roles"}
    allowed = admin.post("/explain", **question).json()
    assert allowed == {
        "allowed": True,
        "reason": "The issuer requires issuer:roles:read here, and issuer:roles:write covers it.",
        "scope": "issuer:roles:write",
        "via": [
            {
                "scope": "issuer:roles:write",
                "holder": "helper",
                "role": "keeper",
                "audience": None,
                "through": None,
                "expires_at": None,
            }
        ],
        "required": ["issuer:roles:read"],
        "listing": None,
        "smallest_addition": [],
        "held": ["issuer:roles:write"],
        "audience": own,
        "actors": [],
        "jkt": None,
        "commands": [],
    }
    refused = admin.post("/explain", **{**question, "path": "/admin/v1/keys"}).json()
    assert refused["reason"] == "The issuer requires issuer:keys:read here, and no scope covers it."
    assert (refused["scope"], refused["smallest_addition"]) == (None, ["issuer:keys:read"])


@on_sqlite
@rows("way", [*GAINS])
def test_the_reason_mentions_that_a_change_may_need_an_admin(
    asker: Callable[[list[str]], Asker], way: str
):
    """For every operation that may grant rights at the issuer."""
    method, path = GAINS[way].method, GAINS[way].path
    writer = asker([f"issuer:{name}:write" for name in ISSUER_RESOURCES])
    decision = writer.explained(method, f"/admin/v1{path}").decision
    assert decision.allowed
    assert decision.reason.endswith("rights at the issuer itself requires issuer:admin.")
    for_admins = asker(["issuer:admin"]).explained(method, f"/admin/v1{path}").decision
    assert for_admins.reason.endswith("here, and issuer:admin covers it.")


@on_sqlite
def test_a_token_whose_rights_were_removed_is_explained_as_the_api_treats_it(
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
