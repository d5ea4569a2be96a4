"""From an authorization to a signed token."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from issuer.clock import Clock
from issuer.errors import IssuerError
from issuer.keys import Keyring, Signed
from issuer.tokens.authorization import Authorization
from issuer.tokens.claims import access_token_claims
from issuer.vocabulary import ACCESS_TOKEN_TYPE


class TokenTooLarge(IssuerError):
    """The token would be larger than anybody must carry; `largest` claim is the one to blame."""

    def __init__(self, size: int, most: int, largest: str) -> None:
        super().__init__(
            f"The token would have {size} bytes, more than {most}; its largest claim is {largest}."
        )
        self.largest = largest


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed token and what is said about it. `lifetime` is in whole seconds."""

    token: str = field(repr=False)
    jti: str
    kid: str
    scopes: tuple[str, ...]
    lifetime: timedelta


class TokenIssuer:
    """Signs access tokens for one issuer identifier."""

    def __init__(
        self,
        issuer: str,
        keyring: Keyring,
        clock: Clock,
        chance: Random,
        default_lifetime: timedelta,
        most_bytes: int,
    ) -> None:
        self._issuer = issuer
        self._keyring = keyring
        self._clock = clock
        self._chance = chance
        self._default_lifetime = default_lifetime
        self._most_bytes = most_bytes

    def issue(self, authorization: Authorization) -> AccessToken:
        """A token that says exactly what the authorization allows; `TokenTooLarge`."""
        claims, lifetime = self._claims(authorization)
        signed = self._signed(authorization, claims)
        self._require_size(len(signed.token), claims)
        scopes = tuple(sorted(authorization.scopes))
        return AccessToken(signed.token, str(claims["jti"]), signed.kid, scopes, lifetime)

    def preview(self, authorization: Authorization) -> tuple[dict[str, object], int]:
        """What `issue` would say, and the bytes it would take; the signature is thrown away."""
        claims, _ = self._claims(authorization)
        return claims, len(self._signed(authorization, claims).token)

    def _signed(self, authorization: Authorization, claims: dict[str, object]) -> Signed:
        alg = authorization.audience.signing_alg.at(self._clock())
        return self._keyring.sign(alg, ACCESS_TOKEN_TYPE, claims)

    def _claims(self, authorization: Authorization) -> tuple[dict[str, object], timedelta]:
        lifetime = (
            authorization.client.access_token_ttl
            or authorization.audience.access_token_ttl
            or self._default_lifetime
        )
        claims = access_token_claims(
            authorization,
            issuer=self._issuer,
            jti=f"{self._chance.getrandbits(128):032x}",
            now=self._clock(),
            lifetime=lifetime,
        )
        return claims, lifetime

    def _require_size(self, size: int, claims: dict[str, object]) -> None:
        if size > self._most_bytes:
            raise TokenTooLarge(size, self._most_bytes, _largest(claims))


def _largest(claims: dict[str, object]) -> str:
    return max(claims, key=lambda name: len(json.dumps(claims[name])))
