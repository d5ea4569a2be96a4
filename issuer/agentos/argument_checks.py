"""Checks the arguments of a `Verifier` when it is created, before any token arrives."""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from issuer.agentos.errors import InvalidConfiguration
from issuer.agentos.key_set import SUPPORTED
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
