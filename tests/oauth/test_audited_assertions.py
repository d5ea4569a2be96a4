"""The audit event of a token says which assertion obtained it: which pod, pipeline or key."""

from typing import Any

import pytest

from tests.builders import Deployment
from tests.drivers import TokenDriver
from tests.oauth.asserting import AssertingClient, ask, form_of, now, with_keys
from tests.oauth.refreshing import events
from tests.trusting import POD, OtherIssuer, trust, trusted


@pytest.fixture
def cluster(deployment: Deployment) -> OtherIssuer:
    """A cluster whose pod `prod/web` is the client `pod`, which also signs people in."""
    cluster = OtherIssuer.new()
    trusted(deployment, cluster)
    grants = ["client_credentials", "password", "refresh_token"]
    deployment.client("pod", trusts=[trust()], grant_types=grants)
    return cluster


def audited(deployment: Deployment) -> list[Any]:
    """What the event of each issued token says about the assertion."""
    return [each.details.get("assertion") for each in events(deployment, "token.issued")]


def test_it_names_the_trusted_issuer_the_subject_and_the_jti_at_each_request(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    """A workload repeats the same bytes while its token is valid."""
    token = cluster.token(now(deployment), jti="e3b0c442")
    for _ in range(3):
        assert ask(token_endpoint, token, client_id="pod").status == 200
    expected = {"issuer": "cluster", "subject": POD, "jti": "e3b0c442"}
    assert audited(deployment) == [expected] * 3


def test_a_jti_that_is_no_short_printable_text_is_left_out(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    """Whoever signs it chooses it: it must not fill the log, or write to a terminal."""
    for jti in (None, "", 7, "x" * 256, "a\nb", "\ud800", "\u202e", "\0"):
        token = cluster.token(now(deployment), jti=jti)
        assert ask(token_endpoint, token, client_id="pod").status == 200
        assert audited(deployment)[-1] == {"issuer": "cluster", "subject": POD}, jti


def test_an_assertion_of_the_client_itself_has_only_its_jti(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = AssertingClient.new("batch")
    with_keys(deployment, client)
    answer = ask(token_endpoint, client.assertion(now(deployment), jti="first"))
    assert answer.status == 200
    assert audited(deployment) == [{"jti": "first"}]


def test_a_token_obtained_by_a_secret_has_none(deployment: Deployment, token_endpoint: TokenDriver):
    client = deployment.client("ci-bot")
    for _ in range(2):
        assert token_endpoint.client_credentials(client).status == 200
    assert audited(deployment) == [None, None]


def test_tokens_of_people_name_that_of_the_client(
    deployment: Deployment, cluster: OtherIssuer, token_endpoint: TokenDriver
):
    deployment.user("alice", password="correct horse battery")
    evidence = cluster.token(now(deployment), jti="once")
    signing_in = {
        "grant_type": "password",
        "username": "alice",
        "password": "correct horse battery",
    }
    signed_in = token_endpoint.post(data=form_of(evidence, client_id="pod", **signing_in))
    refreshing = {"grant_type": "refresh_token", "refresh_token": signed_in.body["refresh_token"]}
    answer = token_endpoint.post(data=form_of(evidence, client_id="pod", **refreshing))
    assert answer.status == 200
    assert audited(deployment) == [{"issuer": "cluster", "subject": POD, "jti": "once"}] * 2
