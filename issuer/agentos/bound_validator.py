"""Replaces the token check of one agno validator that is bound to a `Verifier`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jwt

from issuer.agentos import caller
from issuer.agentos.issuer_token_verifier import TrustedIssuer
from issuer.agentos.rules import other_issuer, read_unverified


class BoundValidator:
    """Replaces `JWTValidator.validate_token`.

    The unverified `iss` decides which keys may verify the token: a trusted issuer has those of its
    key set and no others, and they verify for no other issuer. Tokens of other issuers go to
    agno's own code if static keys are configured. `before()` is called first, each time.
    """

    def __init__(
        self, issuers: Mapping[str, TrustedIssuer], validator: Any, before: Callable[[], None]
    ) -> None:
        self._before = before
        self._issuers = issuers
        self._validator = validator
        self._stock: Callable[[str, Any], dict[str, Any]] = validator.validate_token

    def __call__(
        self, token: str, expected_audience: str | Iterable[str] | None = None
    ) -> dict[str, Any]:
        """The claims of a valid token, else `jwt.InvalidTokenError`. Never blocks."""
        self._before()
        claims = self._verify(token, expected_audience)
        caller.accept(token, claims)
        return claims

    def _verify(self, token: str, expected_audience: str | Iterable[str] | None) -> dict[str, Any]:
        for issuer in self._issuers.values():
            if (claims := issuer.recall(token)) is not None:
                return self._as_agno_expects(claims, issuer, expected_audience)
        try:
            named = read_unverified(token).issuer
        except jwt.InvalidTokenError:
            if not self._validator.verification_keys:
                raise
            named = None  # agno raises the error
        if named is not None and named in self._issuers:
            issuer = self._issuers[named]
            return self._as_agno_expects(issuer.claims(token), issuer, expected_audience)
        if not self._validator.verification_keys:
            raise other_issuer(named, *self._issuers)
        claims = self._stock(token, expected_audience)
        if claims.get("iss") in self._issuers:
            raise jwt.InvalidIssuerError("The token's key is not one of its issuer.")
        return claims

    def _as_agno_expects(
        self, claims: dict[str, Any], issuer: TrustedIssuer, expected: str | Iterable[str] | None
    ) -> dict[str, Any]:
        """Check also the audience and (since 3.1) the issuer that agno is configured with."""
        audience = claims[issuer.rules.audience_claim]
        named = set(audience if isinstance(audience, list) else [audience])
        if expected and named.isdisjoint([expected] if isinstance(expected, str) else expected):
            raise jwt.InvalidAudienceError("The token is for another audience.")
        pinned = getattr(self._validator, "issuer", None)
        if pinned and claims["iss"] != pinned:
            raise other_issuer(claims["iss"], pinned)
        if issuer.scopes_claim:
            claims[self._validator.scopes_claim] = claims["scopes"]
        return claims


class FetchedKeys(dict[str, Any]):
    """In place of keys of a file: true, as agno requires some; empty, so that it finds none."""

    def __bool__(self) -> bool:
        return True
