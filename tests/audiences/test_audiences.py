"""The rules for audiences, on both databases."""

import pytest

from issuer.errors import InUse, InvalidField, NotAllowed
from issuer.roles import Assignment
from tests.builders import URL, Deployment
from tests.drivers import TokenEndpoint


def test_a_new_audience_has_the_first_configured_algorithm(deployment: Deployment):
    with deployment.changing() as work:
        assert work.audiences.get("my-os").signing_alg == "ES256"


def test_an_algorithm_that_is_not_configured_is_refused(deployment: Deployment):
    with pytest.raises(InvalidField, match="ISSUER_SIGNING_ALGORITHMS"):
        deployment.audience("other", signing_alg="RS256")


def test_the_issuers_own_audience_cannot_be_deleted(deployment: Deployment):
    with pytest.raises(NotAllowed), deployment.changing() as work:
        work.audiences.delete(URL, cascade=True)


def test_an_audience_in_use_is_deleted_only_with_cascade(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    deployment.audience("other-os")
    deployment.role("runner", ["agents:run"])
    client = deployment.client("ci-bot", audiences=["my-os", "other-os"])
    with deployment.changing() as work:
        work.assignments.assign("ci-bot", Assignment(role="runner", audience="other-os"))
    with pytest.raises(InUse) as refused, deployment.changing() as work:
        work.audiences.delete("other-os")
    assert refused.value.users_of_it == ["client ci-bot", "an assignment of ci-bot"]
    with deployment.changing() as work:
        work.audiences.delete("other-os", cascade=True)
    assert token_endpoint.client_credentials(client).status == 200
    assert token_endpoint.client_credentials(client, audience="other-os").error == "invalid_target"
