"""What cannot be right in the arguments of a `Verifier`, said at the start and not at a token."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from issuer.agentos.errors import ConfigurationError

MAX_LEEWAY = 300.0  # RFC 7519 §4.1.4: no more than a few minutes


def require_sound(
    issuer: object,
    audience: object,
    *,
    jwks_url: object,
    verification_keys: object,
    leeway: object,
    typ: object,
) -> None:
    """`ConfigurationError` for what is of the wrong kind, or would have every token pass or none.

    Whether a URL is safe, and an algorithm known, others say.
    """
    _require_text("issuer", issuer)
    if urlsplit(str(issuer)).query or urlsplit(str(issuer)).fragment:
        raise ConfigurationError("issuer may have no query and no fragment (RFC 8414 §2).")
    _require_text("audience", audience)
    for name, value in (("jwks_url", jwks_url), ("typ", typ)):
        if value is not None:
            _require_text(name, value)
    if isinstance(verification_keys, str) or not isinstance(verification_keys, Iterable):
        raise ConfigurationError("verification_keys must be a list of PEM texts.")
    for key in verification_keys:
        _require_text("verification_keys", key, lines=True)
    _require_leeway(leeway)


def _require_text(name: str, value: object, *, lines: bool = False) -> None:
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{name} must be text: not {value!r}.")
    if not lines and (value != value.strip() or not value.isprintable()):
        raise ConfigurationError(f"{name} has spaces around it or control characters: {value!r}.")


def _require_leeway(leeway: object) -> None:
    """With NaN or infinity no token would ever expire."""
    seconds = leeway if isinstance(leeway, int | float) and not isinstance(leeway, bool) else -1
    if not 0 <= seconds <= MAX_LEEWAY:
        raise ConfigurationError(f"leeway must be 0 to {MAX_LEEWAY:.0f} seconds: not {leeway!r}.")
