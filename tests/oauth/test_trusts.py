"""Tokens of trusted issuers authenticate clients (RFC 7521 §4.2): matched exactly."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.builders import URL, Deployment
from tests.directory.test_directory import statements
from tests.drivers import TokenAnswer, TokenDriver
from tests.federation.test_key_sets import KeyWeb
from tests.oauth.asserting import (
    INVALID_CLIENT,
    AssertingClient,
    ask,
    form_of,
    now,
    why_refused,
    with_keys,
)
from tests.rows import rows
from tests.trusting import CLUSTER, POD, OtherIssuer, trust, trusted


@pytest.fixture
def cluster(deployment: Deployment) -> OtherIssuer:
    """A cluster whose pod `prod/web` is the client `pod`."""
    cluster = OtherIssuer.new()
    trusted(deployment, cluster)
    deployment.role("runner", ["agents:run"])
    deployment.client("pod", ["runner"], trusts=[trust()])
    return cluster


def present(token_endpoint: TokenDriver, token: str, client_id: str = "pod") -> TokenAnswer:
    return ask(token_endpoint, token, client_id=client_id)


def test_a_pod_gets_a_token_by_that_of_its_service_account(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    """The same token again and again: a kubelet replaces it once an hour."""
    token = cluster.token(now(deployment))
    for _ in range(3):
        answer = present(token_endpoint, token)
        assert token_endpoint.claims(answer)["scopes"] == ["agents:run"]
    deployment.wait(timedelta(hours=1))
    assert present(token_endpoint, token).body == INVALID_CLIENT


def test_a_token_that_memory_confirms_takes_no_query(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    assert present(token_endpoint, cluster.token(now(deployment))).status == 200
    with statements(deployment) as seen:
        assert present(token_endpoint, cluster.token(now(deployment))).status == 200
    assert seen == []


@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
def test_a_token_may_have_either_name_of_ed25519(
    deployment: Deployment, token_endpoint: TokenDriver, name: str
):
    """Whichever the trusted issuer and its key have (RFC 9864)."""
    cluster = OtherIssuer.new(alg="EdDSA")
    keys = {"jwks": {"keys": [{**cluster.jwk, "alg": name}]}}
    trusted(deployment, cluster, algorithms=[name], keys=keys)
    deployment.client("pod", trusts=[trust()])
    for header in ("EdDSA", "Ed25519"):
        signed = replace(cluster, alg=header).token(now(deployment))
        assert present(token_endpoint, signed).status == 200


def test_the_request_must_name_the_client(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    assert ask(token_endpoint, cluster.token(now(deployment))).body == INVALID_CLIENT


@rows(
    ("changed", "rule"),
    [
        ({"iss": None}, "of no issuer that it trusts"),
        ({"iss": "https://other.example"}, "of no issuer that it trusts"),
        ({"iss": f"{CLUSTER}/"}, "of no issuer that it trusts"),
        ({"sub": None}, "sub is not the subject"),
        ({"sub": "system:serviceaccount:prod:web2"}, "sub is not the subject"),
        ({"sub": "system:serviceaccount:prod:WEB"}, "sub is not the subject"),
        ({"sub": [POD]}, "sub is not the subject"),
        ({"aud": None}, "aud does not hold"),
        ({"aud": []}, "aud does not hold"),
        ({"aud": ["https://other.example"]}, "aud does not hold"),
        ({"aud": [URL, 1]}, "aud does not hold"),
        ({"aud": {URL: True}}, "aud does not hold"),
        ({"exp": None}, "exp is missing"),
        ({"exp": 1}, "expired"),
        ({"exp": "later"}, "exp is not a number"),
        ({"nbf": 2**32}, "nbf is in the future"),
        ({"iat": 2**32}, "iat is in the future"),
    ],
)
def test_each_rule_is_kept_and_the_audit_log_says_which_was_broken(
    deployment: Deployment,
    cluster: OtherIssuer,
    token_endpoint: TokenDriver,
    changed: dict[str, Any],
    rule: str,
):
    answer = present(token_endpoint, cluster.token(now(deployment), **changed))
    assert (answer.status, answer.body) == (401, INVALID_CLIENT)
    assert rule in why_refused(deployment)


def test_an_access_token_is_no_assertion_unless_the_trusted_issuer_says_so(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    """RFC 8725 §3.11: it was given to a resource server, which could present it here."""

    def accepts(typ: object) -> bool:
        header = {} if typ is ... else {"typ": typ}
        return present(token_endpoint, cluster.token(now(deployment), header)).status == 200

    assert not accepts("at+jwt")
    assert "access token by its typ" in why_refused(deployment)
    assert not accepts("application/AT+JWT")
    assert all(accepts(typ) for typ in ("JWT", "jwt", "workload+jwt", ...))
    about_people = ("secevent+jwt", "logout+jwt", "global-token-revocation+jwt")
    assert not any(accepts(typ) for typ in about_people)
    with deployment.changing() as work:
        work.trusted_issuers.update("cluster", {"typ": "at+jwt"})
    assert accepts("at+jwt")
    assert accepts("application/at+jwt")
    assert not any(accepts(typ) for typ in ("JWT", ...))
    assert "typ is not at+jwt" in why_refused(deployment)


@pytest.mark.parametrize("audience", [URL, [URL], ["https://other.example", URL]])
def test_an_audience_may_be_one_of_several(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver, audience: Any
):
    """Kubernetes always sends an array."""
    token = cluster.token(now(deployment), aud=audience)
    assert present(token_endpoint, token).status == 200


def test_another_audience_is_that_of_the_trust(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    deployment.client("other", trusts=[trust(audience="api://issuer")])
    theirs = cluster.token(now(deployment), aud="api://issuer")
    assert present(token_endpoint, theirs, "other").status == 200
    ours = cluster.token(now(deployment))
    assert present(token_endpoint, ours, "other").body == INVALID_CLIENT


@rows(
    ("wanted", "sent", "is_equal"),
    [
        ("1", "1", True),
        ("1", 1, False),
        (1, True, False),
        (1, 1.0, False),
        (None, None, True),
        (["a", "b"], ["a", "b"], True),
        (["a", "b"], ["b", "a"], False),
        (["a"], ["a", "b"], False),
        ("a", ["a"], False),
        ({"name": "web", "uid": "1"}, {"uid": "1", "name": "web"}, True),
        ({"name": "web"}, {"name": "web", "uid": "1"}, False),
    ],
)
def test_claims_are_compared_as_whole_json_values(
    deployment: Deployment,
    cluster: OtherIssuer,
    token_endpoint: TokenDriver,
    wanted: Any,
    sent: Any,
    is_equal: bool,
):
    strict = deployment.client(trusts=[trust(claims={"c": wanted})]).client_id
    claims = {"c": sent} if sent is not None else {}
    token = cluster.token(now(deployment), **claims)
    if sent is None:
        assert present(token_endpoint, token, strict).body == INVALID_CLIENT  # it is missing
        return
    assert (present(token_endpoint, token, strict).status == 200) is is_equal


def test_a_disabled_issuer_and_a_deleted_trust_count_no_more(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    token = cluster.token(now(deployment))
    for disabled, status in ((True, 401), (False, 200)):
        with deployment.changing() as work:
            work.trusted_issuers.update("cluster", {"disabled": disabled})
        assert present(token_endpoint, token).status == status
    with deployment.changing() as work:
        work.clients.update("pod", {"trusts": []})
    assert present(token_endpoint, token).body == INVALID_CLIENT


def test_a_token_of_another_cluster_with_the_same_iss_is_refused(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    """A trust names one trusted issuer, and only its keys count (RFC 8725 §3.8)."""
    second = OtherIssuer.new(kid="c2")
    trusted(deployment, second, id="second")
    token = second.token(now(deployment))
    assert present(token_endpoint, token).body == INVALID_CLIENT
    deployment.client("both", trusts=[trust(), trust(issuer="second")])
    assert present(token_endpoint, token, "both").status == 200
    assert present(token_endpoint, cluster.token(now(deployment)), "both").status == 200


def test_once_means_once_by_jti_or_by_the_token_itself(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    deployment.client("careful", trusts=[trust(once=True)])
    for claims in ({"jti": "a"}, {}):
        token = cluster.token(now(deployment), **claims)
        assert present(token_endpoint, token, "careful").status == 200
        assert present(token_endpoint, token, "careful").body == INVALID_CLIENT
        assert "used before" in why_refused(deployment)
        assert present(token_endpoint, token, "pod").status == 200


def test_a_jti_counts_for_its_issuer_alone(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    """Two issuers may use the same `jti`."""
    second = OtherIssuer.new("https://second.example")
    trusted(deployment, second, id="second")
    trusts = [trust(once=True), trust(issuer="second", once=True)]
    deployment.client("careful", trusts=trusts)
    for each in (cluster, second):
        token = each.token(now(deployment), jti="same")
        assert present(token_endpoint, token, "careful").status == 200


def test_a_client_may_have_keys_a_secret_and_trusts(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    client = AssertingClient.new("rich")
    secret = with_keys(
        deployment, client, trusts=[trust()], token_endpoint_auth_method="client_secret_basic"
    )
    secret = deployment.secret(secret)
    assert present(token_endpoint, cluster.token(now(deployment)), "rich").status == 200
    assert ask(token_endpoint, client.assertion(now(deployment))).status == 200
    assert token_endpoint.client_credentials(secret).status == 200


def test_an_access_token_of_this_issuer_is_no_evidence(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    token = present(token_endpoint, cluster.token(now(deployment))).token
    assert present(token_endpoint, token).body == INVALID_CLIENT


def test_it_revokes_its_token_by_the_same_evidence(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    evidence = cluster.token(now(deployment))
    token = present(token_endpoint, evidence).token
    form = form_of(evidence, client_id="pod", token=token)
    assert token_endpoint.http.post("/oauth2/revoke", data=form).status_code == 200


class TestSpiffe:
    """JWT-SVID: no `iss`, no `jti`, keys without `alg`, used again and again."""

    DOMAIN, WORKLOAD = "spiffe://prod.example", "spiffe://prod.example/ns/prod/sa/web"

    @pytest.fixture
    def spire(self, deployment: Deployment) -> OtherIssuer:
        spire = OtherIssuer.new(self.DOMAIN, "ES256")
        key = {name: value for name, value in spire.jwk.items() if name != "alg"}
        jwks = {"keys": [{**key, "use": "jwt-svid"}]}
        trusted(deployment, spire, id="mesh", keys={"jwks": jwks})
        deployment.client("pod", trusts=[trust(issuer="mesh", subject=self.WORKLOAD)])
        return spire

    def test_its_issuer_is_its_trust_domain(
        self, deployment: Deployment, spire: OtherIssuer, token_endpoint: TokenDriver
    ):
        svid = spire.token(now(deployment), iss=None, sub=self.WORKLOAD)
        assert present(token_endpoint, svid).status == 200
        assert present(token_endpoint, svid).status == 200

    @rows(
        "subject",
        [
            "spiffe://prod.example",
            "spiffe://prod.example/ns/prod/sa/web/more",
            "spiffe://prod.example.evil.example/ns/prod/sa/web",
            "spiffe://other.example/ns/prod/sa/web",
            "spiffe://PROD.example/ns/prod/sa/web",
        ],
    )
    def test_no_other_id_of_it_or_another_domain_counts(
        self,
        deployment: Deployment,
        spire: OtherIssuer,
        token_endpoint: TokenDriver,
        subject: str,
    ):
        svid = spire.token(now(deployment), iss=None, sub=subject)
        assert present(token_endpoint, svid).body == INVALID_CLIENT


URI = "https://cluster.example/openid/v1/jwks"


def test_keys_at_a_url_are_followed(
    deployment: Deployment, web: KeyWeb, token_endpoint: TokenDriver
):
    first, second = OtherIssuer.new(), OtherIssuer.new(kid="c2")
    web.publish(URI, first)
    trusted(deployment, first, keys={"jwks_uri": URI})
    deployment.client("pod", trusts=[trust()])
    assert present(token_endpoint, first.token(now(deployment))).status == 200
    web.publish(URI, second)
    assert present(token_endpoint, second.token(now(deployment))).status == 200
    assert present(token_endpoint, first.token(now(deployment))).body == INVALID_CLIENT


@pytest.mark.parametrize("names", ["the issuer", "another issuer"])
def test_keys_are_found_by_discovery_of_the_same_issuer_alone(
    deployment: Deployment, web: KeyWeb, token_endpoint: TokenDriver, names: str
):
    """RFC 8414 §3.3."""
    cluster = OtherIssuer.new("https://cluster.example")
    named = cluster.issuer if names == "the issuer" else "https://evil.example"
    web.documents["https://cluster.example/.well-known/openid-configuration"] = json.dumps(
        {"issuer": named, "jwks_uri": URI}
    ).encode()
    web.publish(URI, cluster)
    trusted(deployment, cluster, keys={"discovery": True})
    deployment.client("pod", trusts=[trust()])
    answer = present(token_endpoint, cluster.token(now(deployment)))
    assert answer.status == (200 if names == "the issuer" else 401)


def test_an_issuer_that_is_away_fails_alone(
    deployment: Deployment, cluster: OtherIssuer, web: KeyWeb, token_endpoint: TokenDriver
):
    away = OtherIssuer.new("https://away.example")
    trusted(deployment, away, id="away", keys={"jwks_uri": "https://away.example/jwks"})
    deployment.client("lonely", trusts=[trust(issuer="away")])
    assert present(token_endpoint, away.token(now(deployment)), "lonely").body == INVALID_CLIENT
    assert present(token_endpoint, cluster.token(now(deployment))).status == 200
