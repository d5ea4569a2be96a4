"""The scopes of AgentOS as a list to choose from."""

from dataclasses import dataclass
from typing import Any

from issuer.catalogue.catalogue import SUPPORTED, Catalogue
from issuer.catalogue.words import DESCRIPTIONS, POWERFUL
from issuer.scopes import AGENT_OS_ADMIN


@dataclass(frozen=True, slots=True)
class ScopeEntry:
    """A scope without an id, and the AgentOS versions that have it, oldest first.

    `per_resource` is whether it can be narrowed to one id, `powerful` whether it may allow more
    than its name says.
    """

    scope: str
    description: str
    per_resource: bool
    powerful: bool
    versions: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "scope": self.scope,
            "description": self.description,
            "per_resource": self.per_resource,
            "powerful": self.powerful,
            "versions": list(self.versions),
        }


def scopes(version: str | None = None) -> list[ScopeEntry]:
    """Every scope of this version, or of all known ones; else `UnknownVersion`."""
    chosen = SUPPORTED if version is None else (Catalogue.load(version).version,)
    names = {name for one in chosen for name in _names(Catalogue.load(one))}
    return [_entry(name) for name in sorted(names)]


def versions_with(resource: str, action: str) -> tuple[str, ...]:
    """The versions with a route that requires `resource:action`, oldest first."""
    return tuple(one for one in SUPPORTED if Catalogue.load(one).has(resource, action))


def _names(catalogue: Catalogue) -> set[str]:
    of_resources = catalogue.resources.items()
    return {f"{name}:{action}" for name, it in of_resources for action in it.actions} | {
        AGENT_OS_ADMIN
    }


def _entry(name: str) -> ScopeEntry:
    is_admin = name == AGENT_OS_ADMIN
    resource, action = name.split(":")
    versions = SUPPORTED if is_admin else versions_with(resource, action)
    return ScopeEntry(
        scope=name,
        description=DESCRIPTIONS[name],
        per_resource=not is_admin and Catalogue.load(versions[-1]).resources[resource].takes_ids,
        powerful=name in POWERFUL,
        versions=versions,
    )
