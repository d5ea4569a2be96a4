"""Trusts as the platforms sign their tokens: what people know of a workload, as exact values."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from issuer.errors import InvalidField
from issuer.fields.fields import Fields
from issuer.resources.resource_type import Control, Member

GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.com"
ENTRA = "https://login.microsoftonline.com/{}/v2.0"
# No empty segment, and none that is `.` or `..`.
_SPIFFE_ID = re.compile(r"(?P<domain>spiffe://[a-z0-9._-]+)(/(?!\.{1,2}(/|$))[a-zA-Z0-9._-]+)+")


def _named(label: str, metavar: str, help_: str, hint: str = "") -> Member:
    return Member(label=label, metavar=metavar, help=help_, hint=hint)


def _path(label: str, metavar: str, help_: str, more: str = "") -> Member:
    return _named(label, metavar, help_, metavar + more)


_ACCOUNT = _path(
    "Service account", "NAMESPACE/NAME", "A Kubernetes service account.", ", such as prod/web"
)
_REPOSITORY = _path("Repository", "OWNER/REPOSITORY", "Workflows of a repository on GitHub.")
_PROJECT = _path("Project", "GROUP/PROJECT", "Pipelines of a project on GitLab.")
_SPIFFE = _named(
    "SPIFFE id", "spiffe://DOMAIN/PATH", "A SPIFFE id.", "Such as spiffe://prod.example/ns/web"
)
_IDENTITY = _path(
    "Identity",
    "TENANT/OBJECT",
    "A managed identity of Microsoft Entra, by ids.",
    ": the ids of the tenant and of the identity",
)
_SUBJECT = _named(
    "Subject", "SUBJECT", "The sub of the tokens of any other issuer.", "The sub of its tokens"
)
_BRANCH = _named("Branch", "NAME", "With --github and --gitlab: of this branch.", "One of these")
_TAG = _named("Tag", "NAME", "With --github and --gitlab: of this tag.")
_ENVIRONMENT = _named("Environment", "NAME", "With --github: of this environment.")
_OWNER_ID = _named(
    "Id of the owner",
    "NUMBER",
    "With --github: the id of the owner.",
    "owner.id in the answer of https://api.github.com/repos/OWNER/REPOSITORY",
)
_REPOSITORY_ID = _named(
    "Id of the repository", "NUMBER", "With --github: that of the repository.", "id in that answer"
)
_NAMES_ONLY = Member(
    label="Its sub has no ids, as of most repositories made before July 15, 2026",
    help="With --github: its sub has no ids, as of most repositories made before July 15, 2026."
    " The ids are compared as claims.",
    control=Control.SWITCH,
    option="--names-only",
)
_PROJECT_ID = _named(
    "Id of the project",
    "NUMBER",
    "With --gitlab: the id of the project.",
    "project_id in its tokens",
)
_GROUP_ID = _named(
    "Id of the group", "NUMBER", "With --gitlab: the id of the group.", "namespace_id in its tokens"
)


class Workload(Fields):
    """Which workload it is, as its platform names it: one of the first six, with its details."""

    kubernetes: Annotated[str | None, _ACCOUNT] = None
    github: Annotated[str | None, _REPOSITORY] = None
    gitlab: Annotated[str | None, _PROJECT] = None
    spiffe: Annotated[str | None, _SPIFFE] = None
    entra: Annotated[str | None, _IDENTITY] = None
    oidc: Annotated[str | None, _SUBJECT] = None
    branch: Annotated[str | None, _BRANCH] = None
    tag: Annotated[str | None, _TAG] = None
    environment: Annotated[str | None, _ENVIRONMENT] = None
    owner_id: Annotated[str | None, _OWNER_ID] = None
    repository_id: Annotated[str | None, _REPOSITORY_ID] = None
    names_only: Annotated[bool, _NAMES_ONLY] = False
    project_id: Annotated[str | None, _PROJECT_ID] = None
    namespace_id: Annotated[str | None, _GROUP_ID] = None


@dataclass(frozen=True)
class Preset:
    """`issuer` is the `iss` of the tokens; None: it does not follow from the workload."""

    issuer: str | None
    subject: str
    claims: dict[str, Any]


def preset(workload: Workload) -> Preset:
    """What its tokens have; `InvalidField` names what is missing or contradicts another."""
    given = [name for name in PLATFORMS if getattr(workload, name) is not None]
    if len(given) != 1:
        raise InvalidField(given[1] if given else "oidc", f"name one of {', '.join(PLATFORMS)}")
    return PLATFORMS[given[0]].preset(workload)


@dataclass(frozen=True)
class WorkloadPlatform:
    """What a form asks for a workload there; `issuer` says which one is meant if left out."""

    label: str
    about: str
    preset: Callable[[Workload], Preset]
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    issuer: str = ""


def _kubernetes(workload: Workload) -> Preset:
    namespace, account = _two(workload.kubernetes, "kubernetes", "NAMESPACE/NAME")
    return Preset(None, f"system:serviceaccount:{namespace}:{account}", {})


def _github(workload: Workload) -> Preset:
    """Ids are never used again; a name is, after an account was renamed or deleted."""
    owner, repository = _two(workload.github, "github", "OWNER/REPOSITORY")
    owner_id = _number(workload.owner_id, "owner_id", "repository_owner_id")
    repository_id = _number(workload.repository_id, "repository_id", "repository_id")
    named = f"{owner}@{owner_id}/{repository}@{repository_id}"
    if workload.names_only:
        named = f"{owner}/{repository}"
    claims = {"repository_owner_id": owner_id, "repository_id": repository_id}
    # GitHub writes a colon in a name as %3A, so that no name looks like another part.
    environment = workload.environment and workload.environment.replace(":", "%3A")
    parts = {
        "branch": workload.branch and f"ref:refs/heads/{workload.branch}",
        "tag": workload.tag and f"ref:refs/tags/{workload.tag}",
        "environment": environment and f"environment:{environment}",
    }
    return Preset(GITHUB, f"repo:{named}:{_one_of(parts)}", claims)


def _gitlab(workload: Workload) -> Preset:
    project = str(workload.gitlab)
    if "/" not in project:
        raise InvalidField("gitlab", "must be GROUP/PROJECT")
    parts = {
        "branch": workload.branch and f"ref_type:branch:ref:{workload.branch}",
        "tag": workload.tag and f"ref_type:tag:ref:{workload.tag}",
    }
    claims = {
        "project_id": _number(workload.project_id, "project_id", "project_id"),
        "namespace_id": _number(workload.namespace_id, "namespace_id", "namespace_id"),
    }
    return Preset(GITLAB, f"project_path:{project}:{_one_of(parts)}", claims)


def _spiffe(workload: Workload) -> Preset:
    if (found := _SPIFFE_ID.fullmatch(str(workload.spiffe))) is None:
        raise InvalidField("spiffe", "must be spiffe://TRUST-DOMAIN/PATH (SPIFFE-ID §2)")
    return Preset(found["domain"], found[0], {})


def _entra(workload: Workload) -> Preset:
    tenant, object_id = _two(workload.entra, "entra", "TENANT/OBJECT, both ids")
    return Preset(ENTRA.format(tenant), object_id, {"tid": tenant, "oid": object_id})


_IDS = "The ids are required: names can be taken by somebody else."
PLATFORMS = {
    "kubernetes": WorkloadPlatform(
        "Kubernetes",
        "A pod authenticates by the token of its service account.",
        _kubernetes,
        ("kubernetes",),
    ),
    "github": WorkloadPlatform(
        "GitHub",
        f"A workflow of GitHub Actions authenticates by its own token. {_IDS}",
        _github,
        ("github", "owner_id", "repository_id"),
        ("branch", "tag", "environment", "names_only"),
        "The one for GitHub if left out, which is created if it is missing",
    ),
    "gitlab": WorkloadPlatform(
        "GitLab",
        f"A pipeline authenticates by its ID token. {_IDS}",
        _gitlab,
        ("gitlab", "namespace_id", "project_id"),
        ("branch", "tag"),
        "The one for gitlab.com if left out, which is created if it is missing",
    ),
    "spiffe": WorkloadPlatform(
        "SPIFFE",
        "A workload authenticates by its JWT-SVID.",
        _spiffe,
        ("spiffe",),
        issuer="The one for its trust domain if left out",
    ),
    "entra": WorkloadPlatform(
        "Entra",
        "A managed identity or an application authenticates by its token of Microsoft Entra.",
        _entra,
        ("entra",),
        issuer="The one for its tenant if left out",
    ),
    "oidc": WorkloadPlatform(
        "Another",
        "A token of any other trusted issuer, by its sub.",
        lambda workload: Preset(None, str(workload.oidc), {}),
        ("oidc",),
    ),
}


def _two(text: str | None, field: str, form: str) -> tuple[str, str]:
    first, slash, second = str(text).partition("/")
    if not (first and slash and second) or "/" in second:
        raise InvalidField(field, f"must be {form}")
    return first, second


def _number(text: str | None, field: str, claim: str) -> str:
    if text is None or not (text.isascii() and text.isdigit()):
        message = f"must be a number: the claim {claim} of its tokens. Names can be taken by others"
        raise InvalidField(field, message)
    return text


def _one_of(parts: Mapping[str, str | None]) -> str:
    given = [name for name, part in parts.items() if part]
    if len(given) != 1:
        names = ", ".join(parts)
        raise InvalidField(given[1] if given else next(iter(parts)), f"name one of {names}")
    return str(parts[given[0]])
