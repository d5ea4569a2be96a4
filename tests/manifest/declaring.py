"""Reading, planning, applying and exporting a manifest in one call."""

from issuer.composition import Composition
from issuer.manifest import InvalidManifest, ManifestPlan, apply, export, plan, read
from issuer.manifest.applying import Applied
from tests.builders import OPERATOR, Deployment

MANIFEST = """\
audiences:
  - id: dev-os
  - id: prod-os
roles:
  - name: runner
    scopes: [agents:run]
clients:
  - client_id: ci-bot
    audiences: [dev-os, prod-os]
    roles:
      - {role: runner, audience: prod-os}
users:
  - username: alice
    roles:
      - role: runner
"""


def planned(services: Composition, text: str, *, prune: bool = False) -> ManifestPlan:
    with services.administration.reading(OPERATOR) as work:
        return plan(work, read(text, "issuer.yaml", work, prune=prune), prune=prune)


def declare(services: Composition, text: str, *, prune: bool = False) -> Applied:
    with services.administration.changing(OPERATOR) as work:
        manifest = read(text, "issuer.yaml", work, prune=prune)
        return apply(work, plan(work, manifest, prune=prune))


def exported(services: Composition) -> str:
    with services.administration.reading(OPERATOR) as work:
        return "".join(export(work))


def problems(source: bytes | str) -> list[str]:
    """The problems that `read` finds, line by line."""
    try:
        read(source, "issuer.yaml")
    except InvalidManifest as refused:
        return str(refused).splitlines()
    return []


def sentences(deployment: Deployment, text: str, *, prune: bool = False) -> list[str]:
    """The sentences of the plan about rights."""
    lines = planned(deployment.services, text, prune=prune).lines()
    return [line for line in lines if " gains " in line or " loses " in line]


def steps(deployment: Deployment, text: str, *, prune: bool = False) -> list[str]:
    """The steps of the plan, without members."""
    lines = planned(deployment.services, text, prune=prune).lines()
    return [line for line in lines if line[0] in "+-~"]
