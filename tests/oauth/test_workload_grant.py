"""A workload gets a token for one of another issuer, without a client id (RFC 7523 §2.1)."""

import json
from typing import Any

import pytest

from tests.builders import URL, Deployment
from tests.dpop.proving import ProvingDriver
from tests.drivers import TokenAnswer, TokenDriver
from tests.federation.test_key_sets import KeyWeb
from tests.oauth.asserting import now, why_refused
from tests.oauth.refreshing import events
from tests.people_of_others import JWT_BEARER
from tests.trusting import POD, OtherIssuer, trust, trusted

WRONG = {"error": "invalid_grant", "error_description": "The assertion cannot be used."}


@pytest.fixture
def cluster(deployment: Deployment) -> OtherIssuer:
    """A cluster whose pod `prod/web` is the client `pod`."""
    cluster = OtherIssuer.new()
    trusted(deployment, cluster)
    workload(deployment, "pod", scopes=["agents:run", "agents:read"])
    return cluster


def workload(deployment: Deployment, client_id: str, **members: Any) -> None:
    deployment.client(client_id, **{"grant_types": [JWT_BEARER], "trusts": [trust()], **members})


def present(endpoint: TokenDriver, assertion: str, **form: str) -> TokenAnswer:
    return endpoint.post(data={"grant_type": JWT_BEARER, "assertion": assertion, **form})


def test_its_token_alone_says_which_client_it_is(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    """The same token again and again: a kubelet replaces it once an hour."""
    token = cluster.token(now(deployment))
    for _ in range(2):
        claims = token_endpoint.claims(present(token_endpoint, token))
        assert (claims["sub"], claims["client_id"]) == ("pod", "pod")
        assert claims["scopes"] == ["agents:read", "agents:run"]
    narrowed = present(token_endpoint, token, scope="agents:read", resource="my-os")
    assert narrowed.body["scope"] == "agents:read"
    assert "refresh_token" not in narrowed.body
    issued = events(deployment, "token.issued")[-1]
    assert (issued.actor, issued.details["grant_type"]) == ("pod", JWT_BEARER)
    assert issued.details["assertion"] == {"issuer": "cluster", "subject": POD}


@pytest.mark.parametrize("audience", [URL, [URL], f"{URL}/oauth2/token", "api://issuer"])
def test_it_is_for_the_issuer_its_token_endpoint_or_what_the_trust_says(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver, audience: Any
):
    """RFC 7523 §3."""
    with deployment.changing() as work:
        work.clients.update("pod", {"trusts": [trust(audience="api://issuer")]})
    assert present(token_endpoint, cluster.token(now(deployment), aud=audience)).status == 200
    as_assertion = {
        "grant_type": "client_credentials",
        "client_id": "pod",
        "client_assertion": cluster.token(now(deployment), aud=f"{URL}/oauth2/token"),
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    assert token_endpoint.post(data=as_assertion).error == "invalid_client"


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"sub": "system:serviceaccount:prod:other"}, "no client trusts its sub"),
        ({"sub": None}, "sub is no text"),
        ({"sub": ["a"]}, "sub is no text"),
        ({"sub": "a\x00"}, "sub is no text"),
        ({"iss": "https://elsewhere.example"}, "of no issuer that it trusts"),
        ({"aud": "https://elsewhere.example"}, "aud does not hold"),
        ({"exp": 1}, "expired"),
        ({"exp": None}, "exp is missing"),
        ({"nbf": 2**32}, "nbf is in the future"),
    ],
)
def test_everything_that_is_wrong_with_it_has_one_answer(
    deployment: Deployment,
    cluster: OtherIssuer,
    token_endpoint: TokenDriver,
    changed: dict[str, Any],
    rule: str,
):
    answer = present(token_endpoint, cluster.token(now(deployment), **changed))
    assert (answer.status, answer.body) == (400, WRONG)
    assert rule in why_refused(deployment)


@pytest.mark.parametrize("text", ["x", "a.b.c", "a.b", ".", "é"])
def test_what_is_no_token_has_the_same_answer(
    cluster: OtherIssuer, token_endpoint: TokenDriver, text: str
):
    assert present(token_endpoint, text).body == WRONG


def test_another_key_and_another_kind_of_token_count_nothing(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    forged = OtherIssuer.new().token(now(deployment))
    assert present(token_endpoint, forged).body == WRONG
    kinds = ("at+jwt", "secevent+jwt", "logout+jwt", "application/at+jwt")
    for typ in kinds:
        token = cluster.token(now(deployment), {"typ": typ})
        assert present(token_endpoint, token).body == WRONG
    for typ in ("oauth-id-jag+jwt", "application/OAUTH-ID-JAG+jwt"):  # about a person
        token = cluster.token(now(deployment), {"typ": typ})
        assert present(token_endpoint, token).error == "invalid_client"
        assert present(token_endpoint, token, client_id="pod").error == "invalid_client"


def test_only_a_client_with_the_grant_is_meant(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    workload(deployment, "other", grant_types=["client_credentials"], scopes=["agents:read"])
    token = cluster.token(now(deployment))
    assert token_endpoint.claims(present(token_endpoint, token))["sub"] == "pod"
    assert present(token_endpoint, token, client_id="other").body == WRONG
    with deployment.changing() as work:
        work.clients.update("pod", {"grant_types": ["client_credentials"]})
    assert present(token_endpoint, token).body == WRONG
    assert "may not use the grant" in why_refused(deployment)


def test_where_several_clients_are_meant_the_request_says_which(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    workload(deployment, "second", scopes=["agents:read"])
    token = cluster.token(now(deployment))
    assert present(token_endpoint, token).body == WRONG
    assert "several clients trust it" in why_refused(deployment)
    for client_id in ("pod", "second"):
        answer = present(token_endpoint, token, client_id=client_id)
        assert token_endpoint.claims(answer)["sub"] == client_id
    assert present(token_endpoint, token, client_id="nobody").body == WRONG
    assert present(token_endpoint, token, client_id="issuer-admin").body == WRONG
    with deployment.changing() as work:
        work.clients.update("second", {"trusts": [trust(claims={"namespace": "prod"})]})
    assert token_endpoint.claims(present(token_endpoint, token))["sub"] == "pod"


def test_more_clients_than_are_looked_at_must_be_named(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    for number in range(20):
        workload(deployment, f"more-{number}", trusts=[trust(claims={"number": number})])
    token = cluster.token(now(deployment))
    assert present(token_endpoint, token).body == WRONG
    assert "more than 20 clients" in why_refused(deployment)
    assert present(token_endpoint, token, client_id="pod").status == 200


def test_what_changes_counts_at_once(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    """Also what this process keeps in memory."""
    token = cluster.token(now(deployment))
    other = cluster.token(now(deployment), sub="system:serviceaccount:prod:other")
    assert present(token_endpoint, token).status == 200

    def changed(**members: Any) -> tuple[int, int]:
        with deployment.changing() as work:
            work.clients.update("pod", members)
        return present(token_endpoint, token).status, present(token_endpoint, other).status

    assert changed(disabled=True) == (400, 400)
    assert changed(disabled=False) == (200, 400)
    of_other = trust(subject="system:serviceaccount:prod:other")
    assert changed(trusts=[of_other, trust(once=True)]) == (200, 200)
    assert present(token_endpoint, token).body == WRONG  # it counts once
    assert changed(trusts=[of_other]) == (400, 200)
    with deployment.changing() as work:
        work.trusted_issuers.update("cluster", {"disabled": True})
    assert present(token_endpoint, other).body == WRONG
    with deployment.changing() as work:
        work.trusted_issuers.delete("cluster", cascade=True)
    assert present(token_endpoint, other).body == WRONG
    with deployment.changing() as work:
        work.clients.delete("pod")


def test_credentials_of_a_client_come_first(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    """With them the assertion is that of a person, as it always was."""
    pod = deployment.secret(deployment.client("pod-2", grant_types=[JWT_BEARER]))
    form = {"grant_type": JWT_BEARER, "assertion": cluster.token(now(deployment))}
    answer = token_endpoint.post(data=form, auth=(pod.client_id, pod.client_secret))
    assert answer.body == WRONG
    assert token_endpoint.post(data=form, auth=("pod", "wrong")).error == "invalid_client"


def test_its_token_may_be_bound_to_a_key(deployment: Deployment, cluster: OtherIssuer):
    proving = ProvingDriver(deployment)
    answer = present(proving, cluster.token(now(deployment)))
    assert answer.body["token_type"] == "DPoP"
    assert proving.claims(answer)["cnf"] == {"jkt": proving.key.jkt}


def test_keys_that_are_not_known_yet_are_fetched(
    deployment: Deployment, token_endpoint: TokenDriver, web: KeyWeb
):
    cluster = OtherIssuer.new()
    url = "https://cluster.example/jwks"
    web.documents[url] = json.dumps(cluster.jwks).encode()
    trusted(deployment, cluster, keys={"jwks_uri": url})
    workload(deployment, "pod", scopes=["agents:run"])
    for _ in range(2):
        assert present(token_endpoint, cluster.token(now(deployment))).status == 200
    assert web.fetched == [url]
