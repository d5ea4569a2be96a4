"""The rules for audiences, on both databases."""

import pytest

from issuer.errors import AlreadyExists, InUse, InvalidField, NotAllowed
from issuer.roles import Assignment
from tests.builders import URL, Deployment
from tests.drivers import TokenDriver
from tests.rows import rows


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
    deployment: Deployment, token_endpoint: TokenDriver
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


def test_a_resource_names_one_audience(deployment: Deployment):
    """RFC 8707. The id of an audience is a name of it, too."""
    deployment.audience("https://a.example", resources=["https://os.example/mcp/"])
    for taken in ("https://os.example/mcp", "https://a.example"):
        with pytest.raises(InvalidField, match="resources"):
            deployment.audience("other-os", resources=[taken])
    with pytest.raises(AlreadyExists):
        deployment.audience("https://os.example/mcp")


def test_a_token_request_may_name_a_resource_of_the_audience(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """RFC 8707 §2. Clients add a slash to a URL without a path, or not."""
    with deployment.changing() as work:
        work.audiences.update(
            "my-os", {"resources": ["https://os.example", "https://os.example/mcp"]}
        )
    client = deployment.client(scopes=["agents:run"])
    for named in ("https://os.example", "https://os.example/", "https://os.example/mcp", "my-os"):
        answer = token_endpoint.client_credentials(client, resource=named)
        assert token_endpoint.claims(answer)["aud"] == "my-os"
    with deployment.changing() as work:
        work.audiences.update("my-os", {"resources": ["https://os.example/mcp"]})
    deployment.services.tokens.changes.poll()
    answer = token_endpoint.client_credentials(client, resource="https://os.example")
    assert answer.error == "invalid_target"


@rows(
    "resource",
    ["os.example", "ftp://os.example", "https://os.example/?a=b", "https://os.example/#a"],
)
def test_a_resource_is_a_url_without_query_and_fragment(deployment: Deployment, resource: str):
    with pytest.raises(InvalidField, match="resources"):
        deployment.audience("other-os", resources=[resource])
