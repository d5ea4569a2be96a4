"""Reads scopes from the claim in which another issuer states what a token may do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from issuer.agentos.errors import InvalidConfiguration
from issuer.agentos.protected_resource import is_scope


@dataclass(frozen=True, slots=True)
class ScopesClaim:
    """The claim at `path`: an array of strings, or a string with spaces between them.

    `path` is the name of a claim and, for nested ones, the names within it. With `mapping`, each
    value grants the scopes that it is mapped to, and a value that is not mapped grants nothing.
    """

    path: Sequence[str]
    mapping: Mapping[str, Sequence[str]] | None = None

    def apply_to(self, claims: Mapping[str, Any]) -> dict[str, Any]:
        """The claims with these scopes in `scopes` and `scope`, whatever the token had there."""
        values = self._values(claims)
        if self.mapping is not None:
            values = [scope for value in values for scope in self.mapping.get(value, ())]
        scopes = list(dict.fromkeys(filter(is_scope, values)))
        return {**claims, "scopes": scopes, "scope": " ".join(scopes)}

    def _values(self, claims: Mapping[str, Any]) -> list[str]:
        found: Any = claims
        for name in self.path:
            found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, str):
            return found.split(" ")
        return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def scopes_claim_at(
    path: object, mapping: Mapping[str, Sequence[str]] | None
) -> ScopesClaim | None:
    """The claim at `path`, a name or a sequence of names; None if AgentOS itself reads `scopes`.

    `InvalidConfiguration` for anything else, or a mapping to something that is not a scope.
    """
    names = [path] if isinstance(path, str) else path
    if not isinstance(names, list | tuple) or not names or not all(map(_is_name, names)):
        raise InvalidConfiguration(
            f"scopes_claim must be the name of a claim, or a list of names, not {path!r}."
        )
    if mapping is not None:
        _require_mapping(mapping)
        mapping = {value: tuple(scopes) for value, scopes in mapping.items()}
    elif list(names) == ["scopes"]:
        return None
    return ScopesClaim(tuple(names), mapping)


def _require_mapping(mapping: object) -> None:
    entries = mapping.items() if isinstance(mapping, Mapping) else [(None, None)]
    for value, scopes in entries:
        if not _is_name(value) or not isinstance(scopes, list | tuple):
            raise InvalidConfiguration(
                'scope_mapping must map each value to a list of scopes: {"admins": ["agents:run"]}.'
            )
        for scope in scopes:
            if not isinstance(scope, str) or not is_scope(scope):
                raise InvalidConfiguration(f"scope_mapping names {scope!r}, which is no scope.")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)
