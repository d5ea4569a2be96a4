"""`/console/explain/token`: which rule a token of another issuer breaks."""

import httpx
import pytest

from tests.builders import Deployment
from tests.federation.test_key_sets import KeyWeb
from tests.oauth.conftest import web
from tests.trusting import OtherIssuer, trust, trusted
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn, stored

__all__ = ["web"]

PAGE = "/console/explain/token"
URL = "https://cluster.example/keys"


@pytest.fixture
def cluster(deployment: Deployment, web: KeyWeb) -> OtherIssuer:
    other = OtherIssuer.new(alg="ES256")
    trusted(deployment, other, keys={"jwks_uri": URL})
    web.publish(URL, other)
    deployment.client("pod", trusts=[trust(), trust(subject="another")])
    return other


@pytest.fixture
def reader(signed_in: SignedIn) -> Browser:
    return signed_in("issuer:clients:read")


def explain(browser: Browser, token: str, client: str = "pod") -> PageSeen:
    return browser.submit(browser.get(PAGE), PAGE, client=client, token=token)


def test_each_trust_says_which_rule_is_broken(
    reader: Browser, deployment: Deployment, cluster: OtherIssuer, web: KeyWeb
):
    """The keys are fetched for it, once."""
    now = deployment.clock().timestamp()
    page = explain(reader, cluster.token(now))
    assert "Accepted as pod" in page.text
    assert "refused sub is not the subject of the trust" in page.text
    assert "Without a client id, in the grant jwt-bearer, it is of no client." in page.text
    wrong = explain(reader, cluster.token(now, aud="another"))
    assert "Refused as pod" in wrong.text
    assert "aud does not hold the audience of the trust" in wrong.text
    assert '"aud": "another"' in wrong.text
    assert web.fetched == [URL]


def test_an_unknown_key_is_looked_for_once_in_five_seconds(
    reader: Browser, deployment: Deployment, cluster: OtherIssuer, web: KeyWeb
):
    for _ in range(5):
        forged = OtherIssuer.new(alg="ES256", kid="c9").token(deployment.clock().timestamp())
        assert "no key of this kid and algorithm" in explain(reader, forged).text
    assert len(web.fetched) == 2


def test_the_token_is_in_no_answer_no_log_and_no_table(
    reader: Browser,
    deployment: Deployment,
    cluster: OtherIssuer,
    capfd: pytest.CaptureFixture[str],
):
    now = deployment.clock().timestamp()
    before = stored(deployment)
    for token in (cluster.token(now), cluster.token(now, aud="another"), "not-a.real.token"):
        for client in ("pod", "no-such-client"):
            page = explain(reader, token, client)
            assert page.response.headers["cache-control"] == "no-store"
            assert token not in page.response.text + str(page.response.headers)
    assert stored(deployment) == before
    printed = "".join(capfd.readouterr())
    assert "not-a.real.token" not in printed
    assert cluster.token(now).split(".")[0] not in printed


@pytest.mark.parametrize(
    ("client", "token", "message"),
    [
        ("pod", "", "Paste the token."),
        ("pod", "nonsense", "not a JWT"),
        ("pod", "eyJ9." * 3_000, "not a JWT"),
        ("no-such-client", "a.b.c", "There is no client"),
        ("", "a.b.c", "There is no client"),
    ],
)
def test_what_cannot_be_explained_stands_at_its_field(
    reader: Browser, cluster: OtherIssuer, client: str, token: str, message: str
):
    page = explain(reader, token, client)
    assert page.status == httpx.codes.BAD_REQUEST
    assert message in page.text


def test_claims_that_are_nested_deeply_are_refused(
    reader: Browser, deployment: Deployment, cluster: OtherIssuer
):
    deep: list[object] = []
    for _ in range(900):
        deep = [deep]
    page = explain(reader, cluster.token(deployment.clock().timestamp(), deep=deep))
    assert page.status in {httpx.codes.OK, httpx.codes.BAD_REQUEST}


def test_a_client_without_trusts_is_said_to_have_none(
    reader: Browser, deployment: Deployment, cluster: OtherIssuer
):
    deployment.client("plain")
    token = cluster.token(deployment.clock().timestamp())
    assert "Refused as plain : it has no trusts" in explain(reader, token, "plain").text
