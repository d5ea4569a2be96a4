"""Tokens of GitHub and GitLab, as they document them, against the trusts of the presets."""

from typing import Any

import pytest

from issuer.clients.trust_presets import Workload, preset
from tests.builders import URL, Deployment
from tests.clients.platform_claims import GITHUB_CLAIMS, GITLAB_CLAIMS
from tests.clients.presenting import Presenting, signed
from tests.rows import rows
from tests.trusting import OtherIssuer, trusted

OTHER_SUBJECT = "sub is not the subject of the trust"
OCTO_REPO: dict[str, Any] = {
    "github": "octo-org/octo-repo",
    "owner_id": "65",
    "repository_id": "74",
    "environment": "prod",
}
MY_PROJECT: dict[str, Any] = {
    "gitlab": "my-group/my-project",
    "project_id": "20",
    "namespace_id": "72",
    "branch": "feature-branch-1",
}
PULL_REQUEST = {
    "event_name": "pull_request",
    "ref": "refs/pull/7/merge",
    "base_ref": "main",
    "head_ref": "patch-1",
}
FORK = {
    "repository": "mallory/octo-repo",
    "repository_id": "666",
    "repository_owner": "mallory",
    "repository_owner_id": "66",
}

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


class Platform:
    """A platform that signs tokens, and a client with the trust of a preset."""

    def __init__(
        self, deployment: Deployment, options: dict[str, Any], documented: dict[str, Any]
    ) -> None:
        self.presenting = Presenting(deployment)
        self.issuer = OtherIssuer.new(documented["iss"])
        self.documented = documented
        found = preset(Workload(**options))
        assert found.issuer == documented["iss"]
        of_preset = {"issuer": "platform", "subject": found.subject, "claims": found.claims}
        trusted(deployment, self.issuer, id="platform")
        deployment.client("ci", trusts=[of_preset])

    def rule(self, changed: dict[str, Any]) -> str | None:
        """Which rule a token breaks whose claims are changed so; None if it is accepted."""
        at = self.presenting.at
        times = {"iat": at, "nbf": at - 600, "exp": at + 300}
        claims = {**self.documented, **times, "aud": URL, **changed}
        token = signed(self.issuer, claims, kid="c1", x5t="example-thumbprint")
        (rule,) = self.presenting.findings(token, "ci")
        assert self.presenting.accepts(token, "ci") is (rule is None)
        return rule


@pytest.fixture
def github(deployment: Deployment) -> Platform:
    return Platform(deployment, OCTO_REPO, GITHUB_CLAIMS)


@pytest.fixture
def old_github(deployment: Deployment) -> Platform:
    """For a repository whose `sub` has no ids."""
    subject = "repo:octo-org/octo-repo:environment:prod"
    options = {**OCTO_REPO, "names_only": True}
    return Platform(deployment, options, {**GITHUB_CLAIMS, "sub": subject})


@pytest.fixture
def gitlab(deployment: Deployment) -> Platform:
    return Platform(deployment, MY_PROJECT, GITLAB_CLAIMS)


def of_repository(named: str, where: str = "environment:prod", **claims: Any) -> dict[str, Any]:
    return {"sub": f"repo:{named}:{where}", **claims}


def test_the_documented_token_of_github_is_accepted(github: Platform):
    assert github.rule({}) is None
    assert github.rule({"run_id": "9872", "run_attempt": "1", "actor": "hubot"}) is None


@rows(
    "changed",
    [
        of_repository("octo-org@65/octo-repo@75", repository_id="75"),
        of_repository("octo-org@66/octo-repo@75", repository_id="75", repository_owner_id="66"),
        of_repository("new-org@65/octo-repo@74", repository_owner="new-org"),
        of_repository("octo-org@65/new-repo@74", repository="octo-org/new-repo"),
        of_repository("octo-org/octo-repo"),
        of_repository("octo-org@65/octo-repo@74", "environment:staging", environment="staging"),
        of_repository("octo-org@65/octo-repo@74", "environment:Prod", environment="Prod"),
        of_repository("octo-org@65/octo-repo@74", "ref:refs/heads/main", environment=None),
        of_repository("octo-org@65/octo-repo@74", "pull_request", **PULL_REQUEST),
        of_repository("mallory@66/octo-repo@666", **FORK),
        of_repository("mallory@66/octo-repo@666", "pull_request", **PULL_REQUEST, **FORK),
        {"sub": "repository_owner:octo-org"},
    ],
)
def test_another_repository_owner_environment_or_a_fork_is_refused(
    github: Platform, changed: dict[str, Any]
):
    assert github.rule(changed) == OTHER_SUBJECT


def test_ids_are_compared_besides_the_subject(github: Platform):
    for name in ("repository_id", "repository_owner_id"):
        right = GITHUB_CLAIMS[name]
        for value in ("0", int(right), f"{right} ", f"0{right}", [right], None):
            assert github.rule({name: value}) == f"the claim {name} is another", value


def test_an_enterprise_with_an_issuer_of_its_own_is_another_issuer(github: Platform):
    changed = {"iss": f"{GITHUB_CLAIMS['iss']}/octocat-inc"}
    assert github.rule(changed) == "the token is not of this issuer, by its iss"


def test_of_subjects_without_ids_the_ids_decide(old_github: Platform):
    """The name of an owner or a repository can be taken by somebody else, its id never is."""
    assert old_github.rule({}) is None
    for name, value in (("repository_id", "75"), ("repository_owner_id", "66")):
        assert old_github.rule({name: value}) == f"the claim {name} is another"
    assert old_github.rule({"sub": GITHUB_CLAIMS["sub"]}) == OTHER_SUBJECT


def test_the_documented_token_of_gitlab_is_accepted(gitlab: Platform):
    assert gitlab.rule({}) is None
    assert gitlab.rule({"pipeline_id": "575", "job_id": "303", "user_login": "other"}) is None


@rows(
    ("changed", "rule"),
    [
        ({"project_id": "21"}, "the claim project_id is another"),
        ({"project_id": 20}, "the claim project_id is another"),
        ({"namespace_id": "73"}, "the claim namespace_id is another"),
        # In a pipeline for a merge request of a fork, these are those of the fork.
        ({"project_id": "666", "namespace_id": "66"}, "the claim project_id is another"),
        ({"sub": "project_path:mallory/my-project:ref_type:branch:ref:feature-branch-1"}, None),
        ({"sub": "project_path:my-group/my-project:ref_type:tag:ref:feature-branch-1"}, None),
        ({"sub": "project_path:my-group/my-project:ref_type:branch:ref:main"}, None),
        ({"sub": "project_path:my-group/my-project"}, None),
        ({"iss": "https://gitlab.example.com"}, "the token is not of this issuer, by its iss"),
    ],
)
def test_another_project_group_or_ref_is_refused(
    gitlab: Platform, changed: dict[str, Any], rule: str | None
):
    assert gitlab.rule(changed) == (rule or OTHER_SUBJECT)
