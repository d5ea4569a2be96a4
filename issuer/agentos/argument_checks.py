"""Checks the arguments of a `Verifier` when it is created, and reads the claim with the scopes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from issuer.agentos.errors import InvalidConfiguration
from issuer.agentos.key_set import SUPPORTED
from issuer.agentos.protected_resource import is_scope
from issuer.agentos.rules import TokenRules

_SHORTEST_LIMIT = 30.0
MAX_LEEWAY = 300.0  # RFC 7519 §4.1.4: no more than a few minutes


def require_valid_arguments(rules: TokenRules, jwks_url: object, verification_keys: object) -> None:
    """`InvalidConfiguration` for a wrong type, or a value that accepts or refuses every token."""
    _require_text("issuer", rules.issuer)
    if urlsplit(rules.issuer).query or urlsplit(rules.issuer).fragment:
        raise InvalidConfiguration("issuer may have no query and no fragment (RFC 8414 §2).")
    _require_text("audience", rules.audience)
    _require_text("audience_claim", rules.audience_claim)
    _require_claims(rules.required_claims)
    for name, value in (("jwks_url", jwks_url), ("typ", rules.typ)):
        if value is not None:
            _require_text(name, value)
    if isinstance(verification_keys, str) or not isinstance(verification_keys, Iterable):
        raise InvalidConfiguration("verification_keys must be a list of PEM texts.")
    for key in verification_keys:
        _require_text("verification_keys", key, lines=True)
    _require_leeway(rules.leeway)


def require_valid_limits(algorithms: Sequence[str], feed_away_limit: float | None) -> None:
    """`InvalidConfiguration` for unknown algorithms, or a limit that a short outage exceeds."""
    if isinstance(algorithms, str) or not algorithms or not SUPPORTED.issuperset(algorithms):
        raise InvalidConfiguration(
            f"algorithms must be a list of {', '.join(sorted(SUPPORTED))}, not {algorithms!r}."
        )
    if feed_away_limit is not None and not feed_away_limit >= _SHORTEST_LIMIT:
        raise InvalidConfiguration(
            f"feed_away_limit must be None or at least {_SHORTEST_LIMIT:.0f} seconds,"
            f" not {feed_away_limit!r}."
        )


def _require_leeway(leeway: object) -> None:
    seconds = leeway if isinstance(leeway, int | float) and not isinstance(leeway, bool) else -1
    if not 0 <= seconds <= MAX_LEEWAY:  # with NaN or infinity no token would ever expire
        raise InvalidConfiguration(f"leeway must be 0 to {MAX_LEEWAY:.0f} seconds, not {leeway!r}.")


def _require_text(name: str, value: object, *, lines: bool = False) -> None:
    if not isinstance(value, str) or not value:
        raise InvalidConfiguration(f"{name} must be non-empty text, not {value!r}.")
    if not lines and (value != value.strip() or not value.isprintable()):
        raise InvalidConfiguration(
            f"{name} has surrounding spaces or control characters: {value!r}."
        )


def _require_claims(required: object) -> None:
    """Exact values: a list would leave open whether one or all of its members are meant."""
    if not isinstance(required, Mapping):
        raise InvalidConfiguration('required_claims must be a mapping: {"token_use": "access"}.')
    for name, value in required.items():
        _require_text("required_claims", name)
        if not isinstance(value, bool):
            _require_text(f"required_claims[{name!r}]", value)


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
