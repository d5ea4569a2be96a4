"""What a workload stands for, as its platform names it."""

from typing import Any

import pytest

from issuer.clients.trust_presets import Workload, preset
from issuer.errors import InvalidField
from tests.rows import rows
from tests.trusting import POD


@rows(
    ("options", "issuer", "subject", "claims"),
    [
        ({"kubernetes": "prod/web"}, None, POD, {}),
        ({"oidc": "abc@clients"}, None, "abc@clients", {}),
        (
            {
                "github": "octo-org/octo-repo",
                "owner_id": "65",
                "repository_id": "74",
                "environment": "prod",
                "names_only": True,
            },
            "https://token.actions.githubusercontent.com",
            "repo:octo-org/octo-repo:environment:prod",
            {"repository_owner_id": "65", "repository_id": "74"},
        ),
        (
            {"github": "o/r", "owner_id": "1", "repository_id": "2", "tag": "v1"},
            "https://token.actions.githubusercontent.com",
            "repo:o@1/r@2:ref:refs/tags/v1",
            {"repository_owner_id": "1", "repository_id": "2"},
        ),
        (
            {"github": "o/r", "owner_id": "1", "repository_id": "2", "environment": "Prod:V1"},
            "https://token.actions.githubusercontent.com",
            "repo:o@1/r@2:environment:Prod%3AV1",
            {"repository_owner_id": "1", "repository_id": "2"},
        ),
        (
            {"gitlab": "my/group/web", "project_id": "22", "namespace_id": "72", "branch": "main"},
            "https://gitlab.com",
            "project_path:my/group/web:ref_type:branch:ref:main",
            {"project_id": "22", "namespace_id": "72"},
        ),
        ({"spiffe": "spiffe://prod/ns/a"}, "spiffe://prod", "spiffe://prod/ns/a", {}),
        (
            {"entra": "t1/o1"},
            "https://login.microsoftonline.com/t1/v2.0",
            "o1",
            {"tid": "t1", "oid": "o1"},
        ),
    ],
)
def test_each_preset_stands_for_exact_values(
    options: dict[str, Any], issuer: str | None, subject: str, claims: dict[str, str]
):
    """As the documentation of each platform describes its tokens."""
    found = preset(Workload(**options))
    assert (found.issuer, found.subject, found.claims) == (issuer, subject, claims)


@rows(
    "options",
    [
        {},
        {"kubernetes": "prod/web", "oidc": "x"},
        {"kubernetes": "prod"},
        {"kubernetes": "prod/web/x"},
        {"github": "o/r", "branch": "main"},
        {"github": "o/r", "owner_id": "1", "repository_id": "o", "branch": "main"},
        {"github": "o/r", "owner_id": "1", "repository_id": "2"},
        {"github": "o/r", "owner_id": "1", "repository_id": "2", "branch": "a", "tag": "b"},
        {"gitlab": "web", "project_id": "1", "namespace_id": "2", "branch": "main"},
        {"gitlab": "g/web", "branch": "main"},
        {"spiffe": "prod/ns"},
        {"spiffe": "spiffe://prod"},
        {"spiffe": "spiffe://prod/"},
        {"spiffe": "spiffe://PROD/ns"},
        {"spiffe": "spiffe://prod/ns/"},
        {"spiffe": "spiffe://prod//ns"},
        {"spiffe": "spiffe://prod/ns/../web"},
        {"spiffe": "spiffe://prod/."},
        {"spiffe": "spiffe://prod/ns web"},
        {"spiffe": "spiffe://prod:443/ns"},
        {"entra": "tenant"},
    ],
)
def test_names_alone_and_contradictions_are_refused(options: dict[str, Any]):
    """A name can be taken by somebody else; an id never is."""
    with pytest.raises(InvalidField):
        preset(Workload(**options))
