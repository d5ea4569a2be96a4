"""Trusts as the platforms sign their tokens: each option stands for exact values."""

from dataclasses import dataclass
from typing import Any

import typer

GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.com"
ENTRA = "https://login.microsoftonline.com/{}/v2.0"


@dataclass(frozen=True)
class TrustOptions:
    """The options of `issuer client trust add`, as typed."""

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
    """`issuer` is the `iss` of the tokens; None: `--issuer` must say whose they are."""

    issuer: str | None
    subject: str
    claims: dict[str, Any]


def preset(options: TrustOptions) -> Preset:
    """What the options stand for; `typer.BadParameter` if they do not fit together."""
    presets = {
        "oidc": _oidc,
        "kubernetes": _kubernetes,
        "github": _github,
        "gitlab": _gitlab,
        "spiffe": _spiffe,
        "entra": _entra,
    }
    given = [name for name in presets if getattr(options, name) is not None]
    if len(given) != 1:
        raise typer.BadParameter(f"name one of {', '.join(f'--{name}' for name in presets)}")
    return presets[given[0]](options)


def _oidc(options: TrustOptions) -> Preset:
    return Preset(None, str(options.oidc), {})


def _kubernetes(options: TrustOptions) -> Preset:
    namespace, account = _two(str(options.kubernetes), "--kubernetes", "NAMESPACE/SERVICE-ACCOUNT")
    return Preset(None, f"system:serviceaccount:{namespace}:{account}", {})


def _github(options: TrustOptions) -> Preset:
    """Ids are never used again; a name is, after an account was renamed or deleted."""
    owner, repository = _two(str(options.github), "--github", "OWNER/REPOSITORY")
    owner_id = _number(options.owner_id, "--owner-id", "repository_owner_id")
    repository_id = _number(options.repository_id, "--repository-id", "repository_id")
    named = f"{owner}@{owner_id}/{repository}@{repository_id}"
    if options.names_only:
        named = f"{owner}/{repository}"
    claims = {"repository_owner_id": owner_id, "repository_id": repository_id}
    return Preset(GITHUB, f"repo:{named}:{_of_github(options)}", claims)


def _of_github(options: TrustOptions) -> str:
    parts = {
        "--branch": options.branch and f"ref:refs/heads/{options.branch}",
        "--tag": options.tag and f"ref:refs/tags/{options.tag}",
        "--environment": options.environment and f"environment:{options.environment}",
    }
    return _one_of(parts)


def _gitlab(options: TrustOptions) -> Preset:
    project = str(options.gitlab)
    if "/" not in project:
        raise typer.BadParameter("--gitlab is GROUP/PROJECT")
    parts = {
        "--branch": options.branch and f"ref_type:branch:ref:{options.branch}",
        "--tag": options.tag and f"ref_type:tag:ref:{options.tag}",
    }
    claims = {
        "project_id": _number(options.project_id, "--project-id", "project_id"),
        "namespace_id": _number(options.namespace_id, "--namespace-id", "namespace_id"),
    }
    return Preset(GITLAB, f"project_path:{project}:{_one_of(parts)}", claims)


def _spiffe(options: TrustOptions) -> Preset:
    domain, slash, path = str(options.spiffe).removeprefix("spiffe://").partition("/")
    if not (domain and slash and path) or not str(options.spiffe).startswith("spiffe://"):
        raise typer.BadParameter("--spiffe is spiffe://TRUST-DOMAIN/PATH")
    return Preset(f"spiffe://{domain}", str(options.spiffe), {})


def _entra(options: TrustOptions) -> Preset:
    tenant, object_id = _two(str(options.entra), "--entra", "TENANT-ID/OBJECT-ID")
    return Preset(ENTRA.format(tenant), object_id, {"tid": tenant, "oid": object_id})


def _two(text: str, option: str, form: str) -> tuple[str, str]:
    first, slash, second = text.partition("/")
    if not (first and slash and second) or "/" in second:
        raise typer.BadParameter(f"{option} is {form}")
    return first, second


def _number(text: str | None, option: str, claim: str) -> str:
    if text is None or not (text.isascii() and text.isdigit()):
        raise typer.BadParameter(
            f"{option} is required, a number: the claim {claim} of its tokens. Names can be"
            " taken by others"
        )
    return text


def _one_of(parts: dict[str, str | None]) -> str:
    given = [part for part in parts.values() if part]
    if len(given) != 1:
        raise typer.BadParameter(f"name one of {', '.join(parts)}")
    return given[0]
