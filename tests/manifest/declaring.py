"""What one does with a manifest, in one line."""

from issuer.composition import Composition
from issuer.manifest import Applied, InvalidManifest, Plan, apply, export, plan, read
from tests.builders import OPERATOR, Deployment

HOUSE = """\
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


def planned(services: Composition, text: str, *, prune: bool = False) -> Plan:
    with services.administration.reading(OPERATOR) as work:
        return plan(work, read(text, "house.yaml", work, prune=prune), prune=prune)


def declare(services: Composition, text: str, *, prune: bool = False) -> Applied:
    with services.administration.changing(OPERATOR) as work:
        manifest = read(text, "house.yaml", work, prune=prune)
        return apply(work, plan(work, manifest, prune=prune))


def exported(services: Composition) -> str:
    with services.administration.reading(OPERATOR) as work:
        return export(work)


def problems(source: bytes | str) -> list[str]:
    """What `read` says of it, line by line."""
    try:
        read(source, "house.yaml")
    except InvalidManifest as refused:
        return str(refused).splitlines()
    return []


def sentences(deployment: Deployment, text: str, *, prune: bool = False) -> list[str]:
    """What the plan says of rights."""
    lines = planned(deployment.services, text, prune=prune).lines()
    return [line for line in lines if " gains " in line or " loses " in line]


def steps(deployment: Deployment, text: str, *, prune: bool = False) -> list[str]:
    """What the plan does, without members."""
    lines = planned(deployment.services, text, prune=prune).lines()
    return [line for line in lines if line[0] in "+-~"]
