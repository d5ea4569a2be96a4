"""The trusts on the page of a client: add by preset, edit, remove."""

import httpx
import pytest

from tests.builders import URL, Deployment
from tests.html_forms import FormsOnPage
from tests.oauth.refreshing import events
from tests.trusting import GITHUB, POD, OtherIssuer, trust, trusted
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn, send

PAGE = "/console/clients/ci-bot"
WRITE = "issuer:clients:write"
REMOVE = ("do", "remove-trust")
REPOSITORY = {
    **{"kind": "github", "github": "octo-org/web", "owner_id": "65", "repository_id": "74"},
    "environment": "prod",
}


@pytest.fixture(autouse=True)
def cluster(deployment: Deployment) -> OtherIssuer:
    other = OtherIssuer.new(alg="ES256")
    trusted(deployment, other)
    deployment.client("ci-bot")
    return other


def trusts(deployment: Deployment) -> list[dict[str, object]]:
    with deployment.services.administration.reading() as work:
        return [each.model_dump() for each in work.clients.get("ci-bot").trusts]


def add(browser: Browser, **typed: str) -> PageSeen:
    return send(browser, f"{PAGE}?kind={typed['kind']}", do="add-trust", **typed)


def test_a_pod_is_trusted_after_saying_what_its_token_must_have(
    signed_in: SignedIn, deployment: Deployment
):
    browser = signed_in(WRITE)
    asked = add(browser, kind="kubernetes", issuer="cluster", kubernetes="prod/web")
    said = f"of the trusted issuer cluster, its sub is {POD}, and its aud is {URL}, alone"
    assert said in asked.text
    assert "can do what ci-bot may do" in asked.text
    assert trusts(deployment) == []
    done = browser.follow(browser.submit(asked, PAGE))
    assert f"issuer client trust add ci-bot --issuer cluster --oidc {POD}" in done.text
    assert trusts(deployment) == [
        {"issuer": "cluster", "subject": POD, "audience": None, "claims": {}, "once": False}
    ]
    assert events(deployment, "client.updated")[-1].target == "ci-bot"


def test_the_issuer_of_a_platform_is_created_with_the_first_trust(
    admin: Browser, deployment: Deployment
):
    """Once that was confirmed."""
    asked = add(admin, **REPOSITORY)
    assert "its sub is repo:octo-org@65/web@74:environment:prod" in asked.text
    assert 'repository_owner_id is "65"' in asked.text
    assert [each.target for each in events(deployment, "trusted_issuer.created")] == ["cluster"]
    done = admin.follow(admin.submit(asked, PAGE))
    assert "--claim 'repository_owner_id=\"65\"'" in done.text
    with deployment.services.administration.reading() as work:
        assert work.trusted_issuers.get("github").issuer == GITHUB
    assert trusts(deployment)[0]["issuer"] == "github"


def test_which_needs_the_right_to_create_it(signed_in: SignedIn, deployment: Deployment):
    browser = signed_in(WRITE)
    for confirmed in ("no", "yes"):
        page = add(browser, **REPOSITORY, confirmed=confirmed)
        assert page.status == httpx.codes.FORBIDDEN
        assert "This needs the scope issuer:trusted-issuers:write." in page.text
    assert trusts(deployment) == []


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({**REPOSITORY, "owner_id": "octo"}, "must be a number: the claim repository_owner_id"),
        ({**REPOSITORY, "tag": "v1"}, "name one of branch, tag, environment"),
        ({"kind": "kubernetes", "kubernetes": "prod/web"}, "name the trusted issuer"),
        ({"kind": "kubernetes", "kubernetes": "web", "issuer": "cluster"}, "NAMESPACE/NAME"),
        ({"kind": "oidc", "oidc": "a*", "issuer": "cluster"}, "compared exactly"),
        ({"kind": "oidc", "oidc": "a", "issuer": "no-such"}, "there is no trusted issuer"),
        ({"kind": "oidc", "oidc": "a", "issuer": "cluster", "claims": "[]"}, "JSON object"),
        ({"kind": "oidc", "oidc": "a", "issuer": "cluster", "claims": '{"aud": 1}'}, "aud is"),
        ({"kind": "spiffe", "spiffe": "spiffe://p.example/a"}, "create a trusted issuer for"),
        ({"kind": "oidc"}, "name the trusted issuer"),
        ({"kind": "oidc", "issuer": "cluster"}, "at least"),
    ],
)
def test_what_cannot_be_one_stands_at_its_field(
    admin: Browser, deployment: Deployment, typed: dict[str, str], message: str
):
    for confirmed in ("no", "yes"):
        page = add(admin, **typed, confirmed=confirmed)
        assert page.status == httpx.codes.BAD_REQUEST
        assert message in page.text
    assert trusts(deployment) == []


def test_the_same_trust_is_not_added_twice(admin: Browser, deployment: Deployment):
    for _ in range(2):
        page = add(admin, kind="oidc", issuer="cluster", oidc="a", confirmed="yes")
    assert page.status == httpx.codes.BAD_REQUEST
    assert "has the same trust twice" in page.text


def test_a_trust_is_changed_and_removed(admin: Browser, deployment: Deployment):
    with deployment.changing() as work:
        work.clients.update("ci-bot", {"trusts": [trust(), trust(subject="other")]})
    form = admin.get(PAGE, trust="0").form(PAGE).fields
    kept = {name: value for name, value in form.items() if name != "once"}
    asked = admin.post(PAGE, {**kept, "audience": "https://a.example", "do": "save-trust"})
    assert "its aud is https://a.example, alone or among others" in asked.text
    done = admin.follow(admin.submit(asked, PAGE))
    assert "issuer client trust remove ci-bot" in done.text
    assert [each["audience"] for each in trusts(deployment)] == ["https://a.example", None]
    (remove, *_) = [f for f in FormsOnPage(done.response.text).forms if REMOVE in f.buttons]
    asked = admin.post(PAGE, {**remove.fields, "do": "remove-trust"})
    assert "no longer authenticate ci-bot" in asked.text
    assert "Removed the trust" in admin.follow(admin.submit(asked, PAGE)).text
    assert [each["subject"] for each in trusts(deployment)] == ["other"]


def test_what_somebody_else_changed_meanwhile_is_not_replaced(
    admin: Browser, deployment: Deployment
):
    with deployment.changing() as work:
        work.clients.update("ci-bot", {"trusts": [trust()]})
    form = admin.get(PAGE, trust="0").form(PAGE).fields
    with deployment.changing() as work:
        work.clients.update("ci-bot", {"trusts": [trust(once=True)]})
    for do in ("save-trust", "remove-trust"):
        page = admin.post(PAGE, {**form, "do": do, "confirmed": "yes"})
        assert page.status == httpx.codes.NOT_FOUND
    assert [each["once"] for each in trusts(deployment)] == [True]
