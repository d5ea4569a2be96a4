"""`/console/trusted-issuers`: the list, new ones, and one of them."""

import json
from datetime import timedelta

import httpx
import pytest

from tests.builders import Deployment
from tests.federation.test_key_sets import KeyWeb
from tests.oauth.conftest import web
from tests.oauth.refreshing import events
from tests.trusting import CLUSTER, GITHUB, OtherIssuer, trust, trusted
from tests.web.browsing import Browser
from tests.web.console.conftest import SignedIn, forged, send

__all__ = ["web"]

LIST = "/console/trusted-issuers"
PAGE = f"{LIST}/cluster"
READ, WRITE = "issuer:trusted-issuers:read", "issuer:trusted-issuers:write"


@pytest.fixture
def cluster(deployment: Deployment) -> OtherIssuer:
    other = OtherIssuer.new(alg="ES256")
    trusted(deployment, other)
    return other


def test_github_needs_nothing_but_a_button(signed_in: SignedIn, deployment: Deployment):
    browser = signed_in(WRITE)
    form = browser.get(LIST, new="github").form(LIST).fields
    typed = {name: value for name, value in form.items() if value != "yes"}
    done = browser.follow(browser.post(LIST, {**typed, "RS256": "yes"}))
    assert "The trusted issuer github is created." in done.text
    assert f"issuer trusted-issuer create github --issuer {GITHUB} --discovery" in done.text
    assert events(deployment, "trusted_issuer.created")[-1].target == "github"
    assert "github" in browser.get(LIST, search="gi").text


def test_a_cluster_is_trusted_by_its_keys_alone(admin: Browser, deployment: Deployment):
    other = OtherIssuer.new(alg="ES256")
    form = admin.get(LIST, new="kubernetes")
    typed = {"issuer": CLUSTER, "source": "jwks", "jwks": json.dumps(other.jwks)}
    fields = {name: value for name, value in form.form(LIST).fields.items() if value != "yes"}
    page = admin.follow(admin.post(LIST, {**fields, **typed, "ES256": "yes"}))
    assert "c1 ES256" in page.text
    with deployment.services.administration.reading() as work:
        assert work.trusted_issuers.get("cluster").keys == {"jwks": {"keys": [other.jwk]}}


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"issuer": "http://id.example"}, "must be an https URL"),
        ({"issuer": "spiffe://prod.example"}, "discovery needs an https issuer"),
        ({"source": "jwks", "jwks": "{"}, "is not JSON"),
        ({"source": "jwks_uri", "jwks_uri": "https://10.0.0.1/keys"}, "names a private address"),
        ({"ca_certificate": "nonsense"}, "must be a CA certificate in PEM"),
        ({"id": "a b"}, "must"),
    ],
)
def test_what_cannot_be_one_stands_at_its_field(
    admin: Browser, deployment: Deployment, typed: dict[str, str], message: str
):
    given = {"kind": "oidc", "id": "partner", "issuer": "https://p.example", "RS256": "yes"}
    page = send(admin, f"{LIST}?new=oidc", **{**given, **typed})
    assert page.status == httpx.codes.BAD_REQUEST
    assert message in page.text
    assert not events(deployment, "trusted_issuer.created")


def test_an_id_that_is_taken_stands_at_its_field(admin: Browser, cluster: OtherIssuer):
    typed = {"id": "cluster", "issuer": "https://p.example", "RS256": "yes"}
    page = send(admin, f"{LIST}?new=oidc", **typed)
    assert page.status == httpx.codes.CONFLICT
    assert "is taken" in page.text


def test_one_is_shown_with_the_clients_that_trust_it(
    signed_in: SignedIn, deployment: Deployment, cluster: OtherIssuer
):
    """To those who may read clients. A client that only names it in a claim does not trust it."""
    trusted(deployment, OtherIssuer.new("https://o.example", "ES256"), id="other")
    deployment.client("pod", trusts=[trust()])
    claims = {"cluster": "cluster"}
    deployment.client("another", trusts=[trust(issuer="other", claims=claims)])
    page = signed_in(READ, "issuer:clients:read").get(PAGE)
    assert "/console/clients/pod#trusts" in page.response.text
    assert "/console/clients/another" not in page.response.text
    assert "c1 ES256" in page.text
    unseen = signed_in(READ, username="narrow").get(PAGE)
    assert "pod" not in unseen.text
    assert "<button" not in unseen.response.text.partition('class="screen"')[2]


def test_a_change_is_saved_and_a_conflict_shows_both_versions(
    admin: Browser, deployment: Deployment, cluster: OtherIssuer
):
    form = admin.get(PAGE, edit="yes").form(PAGE).fields
    kept = {name: value for name, value in form.items() if not name.startswith(("RS", "PS"))}
    typed = {"source": "jwks", "jwks": json.dumps(cluster.jwks), "ES256": "yes", "do": "save"}
    typed = {**{n: v for n, v in kept.items() if v != "yes"}, **typed}
    done = admin.follow(admin.post(PAGE, {**typed, "RS256": "yes"}))
    assert "The trusted issuer cluster is changed." in done.text
    assert "--algorithm RS256 --algorithm ES256" in done.text
    late = admin.post(PAGE, typed)
    assert late.status == httpx.codes.CONFLICT
    assert "Somebody changed the trusted issuer meanwhile" in late.text
    assert len(events(deployment, "trusted_issuer.updated")) == 1


def test_disabling_asks_first(admin: Browser, deployment: Deployment, cluster: OtherIssuer):
    asked = send(admin, PAGE, do="disable")
    assert "none of its tokens authenticates a client any more" in asked.text
    assert not events(deployment, "trusted_issuer.updated")
    done = admin.follow(admin.submit(asked, PAGE))
    assert "issuer trusted-issuer update cluster --disabled" in done.text
    assert events(deployment, "trusted_issuer.updated")[-1].details["to"] == {"disabled": True}
    assert "is enabled" in admin.follow(send(admin, PAGE, do="enable")).text


def test_deleting_says_which_clients_lose_it_and_needs_its_id(
    admin: Browser, deployment: Deployment, cluster: OtherIssuer
):
    deployment.client("pod", trusts=[trust()])
    asked = send(admin, PAGE, do="delete")
    assert "pod can no longer authenticate by its tokens." in asked.text
    wrong = admin.submit(asked, PAGE, typed="another")
    assert wrong.status == httpx.codes.BAD_REQUEST
    done = admin.follow(admin.submit(wrong, PAGE, typed="cluster"))
    assert "The trusted issuer cluster is deleted." in done.text
    with deployment.services.administration.reading() as work:
        assert work.clients.get("pod").trusts == []


def test_keys_are_fetched_by_a_button_and_shown_with_their_age(
    admin: Browser, deployment: Deployment, web: KeyWeb
):
    """A page alone fetches nothing."""
    other = OtherIssuer.new(alg="ES256")
    url = "https://cluster.example/keys"
    trusted(deployment, other, keys={"jwks_uri": url})
    assert "This process holds none" in admin.get(PAGE).text
    assert web.fetched == []
    failed = admin.follow(send(admin, PAGE, do="fetch-keys"))
    assert "answered 404" in failed.text
    web.publish(url, other)
    deployment.clock.move(timedelta(seconds=6))
    fetched = admin.follow(send(admin, PAGE, do="fetch-keys"))
    assert "One key is fetched, and followed from now on." in fetched.text
    assert "c1 ES256" in fetched.text
    assert "This process fetched them just now" in fetched.text


def test_the_question_names_no_client_to_a_person_who_may_not_read_clients(
    signed_in: SignedIn, cluster: OtherIssuer, deployment: Deployment
):
    deployment.client("ci-bot", trusts=[trust()])
    asked = send(signed_in(WRITE), PAGE, do="delete")
    assert "Clients that trust it can no longer authenticate" in asked.text
    assert "ci-bot" not in asked.text
    reader = signed_in(WRITE, "issuer:clients:read", username="reader")
    assert "ci-bot can no longer authenticate" in send(reader, PAGE, do="delete").text


@pytest.mark.parametrize("path", [LIST, PAGE, "/console/configuration"])
def test_a_large_form_is_read_of_people_alone_who_may_send_it(
    signed_in: SignedIn, admin: Browser, cluster: OtherIssuer, deployment: Deployment, path: str
):
    large = {"id": "x", "do": "plan", "source": "", "jwks": "x" * 100_000}
    for scopes in ([READ, "issuer:clients:write"], ["issuer:audit:read"]):
        browser = signed_in(*scopes, username=f"user-{len(scopes)}")
        refused = forged(deployment, browser, path, **large)
        assert refused.status == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    taken = forged(deployment, admin, path, **large)
    assert taken.status in {httpx.codes.OK, httpx.codes.BAD_REQUEST, httpx.codes.SEE_OTHER}
