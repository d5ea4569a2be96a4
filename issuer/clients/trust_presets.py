"""Trusts as the platforms sign their tokens: what people know of a workload, as exact values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from issuer.errors import InvalidField

GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.com"
ENTRA = "https://login.microsoftonline.com/{}/v2.0"
# No empty segment, and none that is `.` or `..`.
_SPIFFE_ID = re.compile(r"(?P<domain>spiffe://[a-z0-9._-]+)(/(?!\.{1,2}(/|$))[a-zA-Z0-9._-]+)+")


@dataclass(frozen=True)
class Workload:
    """Which workload it is, as its platform names it: one of the first six, with its details."""

    kubernetes: str | None = None
    github: str | None = None
    gitlab: str | None = None
    spiffe: str | None = None
    entra: str | None = None
    oidc: str | None = None
    branch: str | None = None
    tag: str | None = None
    environment: str | None = None
    owner_id: str | None = None
    repository_id: str | None = None
    project_id: str | None = None
    namespace_id: str | None = None
    names_only: bool = False


@dataclass(frozen=True)
class Preset:
    """`issuer` is the `iss` of the tokens; None: it does not follow from the workload."""

    issuer: str | None
    subject: str
    claims: dict[str, Any]


def preset(workload: Workload) -> Preset:
    """What its tokens have; `InvalidField` names what is missing or contradicts another."""
    given = [name for name in PRESETS if getattr(workload, name) is not None]
    if len(given) != 1:
        raise InvalidField(given[1] if given else "oidc", f"name one of {', '.join(PRESETS)}")
    return PRESETS[given[0]](workload)


def _oidc(workload: Workload) -> Preset:
    return Preset(None, str(workload.oidc), {})


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
    found = _SPIFFE_ID.fullmatch(str(workload.spiffe))
    if found is None:
        raise InvalidField("spiffe", "must be spiffe://TRUST-DOMAIN/PATH (SPIFFE-ID §2)")
    return Preset(found["domain"], found[0], {})


def _entra(workload: Workload) -> Preset:
    tenant, object_id = _two(workload.entra, "entra", "TENANT/OBJECT, both ids")
    return Preset(ENTRA.format(tenant), object_id, {"tid": tenant, "oid": object_id})


PRESETS = {
    "kubernetes": _kubernetes,
    "github": _github,
    "gitlab": _gitlab,
    "spiffe": _spiffe,
    "entra": _entra,
    "oidc": _oidc,
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
