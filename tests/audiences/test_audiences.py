"""The rules for audiences, on both databases."""

import pytest

from issuer.audiences import AudienceFields
from issuer.errors import AlreadyExists, Forbidden, InUse, InvalidField, NotAllowed
from issuer.roles import Assignment
from tests.builders import OPERATOR, URL, Deployment
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


def test_an_audience_has_the_url_of_its_agentos_without_a_slash_at_its_end(
    deployment: Deployment,
):
    deployment.audience("other", url="https://os.example:8443/base/")
    with deployment.changing() as work:
        assert work.audiences.get("other").url == "https://os.example:8443/base"
        assert work.audiences.update("other", {"url": None}).url is None


@rows(
    "url",
    [
        "os.example",
        "ftp://os.example",
        "http://os.example",
        "https://",
        "https://os.example:99999",
        "https://alice:secret@os.example",
        "https://os.example/?a=b",
        "https://os.example/#a",
        "https://os.example/a/../b",
        "https://os.example/a b",
        "https://os.example/\n",
        "https://[os.example",
        "https://os.example/" + "a" * 1024,
    ],
)
def test_the_url_is_https_or_on_loopback_and_names_no_more(deployment: Deployment, url: str):
    with pytest.raises(InvalidField, match="url"):
        deployment.audience("other-os", url=url)


def test_the_url_may_be_http_on_loopback(deployment: Deployment):
    for number, host in enumerate(("127.0.0.1:7777", "[::1]:7777", "localhost")):
        deployment.audience(f"os-{number}", url=f"http://{host}")


@pytest.mark.parametrize("more_settings", [{"dangerously_allow_http": "true"}])
def test_the_url_may_be_http_where_the_setting_allows_it(deployment: Deployment):
    deployment.audience("other", url="http://os.internal")


def test_the_issuers_own_audience_has_no_url(deployment: Deployment):
    with pytest.raises(InvalidField, match="url"), deployment.changing() as work:
        work.audiences.update(URL, {"url": "https://os.example"})


def test_only_an_admin_may_set_or_change_where_tokens_are_sent(deployment: Deployment):
    """To the `url` by inspections, to the `resources` by clients that know only the URL."""
    administration = deployment.services.administration
    resources = ["https://os.example/mcp", "https://os.example/a"]
    deployment.audience("other", url="https://os.example", resources=resources)
    theirs = {"resources": ["https://evil.example/mcp"]}
    held = ("issuer:audiences:write",)
    with administration.changing(OPERATOR, held) as work:
        work.audiences.create(AudienceFields.read({"id": "third"}))
        work.audiences.update("other", {"name": "Other", "resources": [*reversed(resources)]})
        refused = [
            lambda: work.audiences.create(AudienceFields.read({"id": "a", **theirs})),
            lambda: work.audiences.update("third", theirs),
            lambda: work.audiences.update(
                "other", {"resources": [*resources, *theirs["resources"]]}
            ),
            lambda: work.audiences.update("other", {"resources": []}),
            lambda: work.audiences.create(AudienceFields.read({"id": "a", "url": "https://a.b"})),
            lambda: work.audiences.update("third", {"url": "https://a.example"}),
            lambda: work.audiences.update("other", {"url": "https://a.example"}),
            lambda: work.audiences.update("other", {"url": None}),
        ]
        for change in refused:
            with pytest.raises(Forbidden, match="issuer:admin"):
                change()


@rows(
    "resource",
    ["os.example", "ftp://os.example", "https://os.example/?a=b", "https://os.example/#a"],
)
def test_a_resource_is_a_url_without_query_and_fragment(deployment: Deployment, resource: str):
    with pytest.raises(InvalidField, match="resources"):
        deployment.audience("other-os", resources=[resource])
