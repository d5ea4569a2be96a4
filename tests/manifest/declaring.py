"""What one does with a manifest, in one line."""

from issuer.manifest import Applied, InvalidManifest, Plan, apply, export, plan, read
from issuer.services import Services
from tests.builders import OPERATOR


def planned(services: Services, text: str, *, prune: bool = False) -> Plan:
    with services.reading(OPERATOR) as rooms:
        return plan(rooms, read(text, "house.yaml", rooms, prune=prune), prune=prune)


def declare(services: Services, text: str, *, prune: bool = False) -> Applied:
    with services.changing(OPERATOR) as rooms:
        manifest = read(text, "house.yaml", rooms, prune=prune)
        return apply(rooms, plan(rooms, manifest, prune=prune))


def exported(services: Services) -> str:
    with services.reading(OPERATOR) as rooms:
        return export(rooms)


def problems(source: bytes | str) -> list[str]:
    """What `read` says of it, line by line."""
    try:
        read(source, "house.yaml")
    except InvalidManifest as refused:
        return str(refused).splitlines()
    return []
