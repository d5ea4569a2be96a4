"""From an authorization to a signed token."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, TypeAlias

from issuer.errors import IssuerError
from issuer.keys import Keyring
from issuer.keys.private_key import Signed
from issuer.revocations import RevocationView
from issuer.revocations.revocations import issued_so_far
from issuer.tokens.authorization import Authorization
from issuer.values import value
from issuer.vocabulary import ID_TOKEN_TYPE, SigningAlgorithm

# What `acr` may be, from weak to strong: of SAML 2.0 Authentication Context §3.4, OpenID PAPE 1.0
# §4 and OpenID Connect Extended Authentication Profile ACR Values §3.
PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"  # noqa: S105
MULTI_FACTOR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
PHISHING_RESISTANT = "phr"
ACR_VALUES = (PASSWORD, MULTI_FACTOR, PHISHING_RESISTANT)
_SECOND = timedelta(seconds=1)
Signer: TypeAlias = Callable[[str, Mapping[str, object]], Signed]


@dataclass(frozen=True, slots=True)
class Authentication:
    """How and when the user signed in: `methods` as in RFC 8176, `session_id` of the browser."""

    authenticated_at: datetime
    methods: tuple[str, ...]
    session_id: str
    nonce: str | None = field(repr=False)


def id_token_claims(
    authorization: Authorization,
    authentication: Authentication,
    *,
    issuer: str,
    issued_at: int,
    expires_at: int,
    at_hash: str,
) -> dict[str, object]:
    """Every claim of the ID token: who signed in, when and how, for which client."""
    claims: dict[str, object] = {
        "iss": issuer,
        "sub": authorization.subject,
        "aud": authorization.client.client_id,
        "exp": expires_at,
        "iat": issued_at,
        "auth_time": int(authentication.authenticated_at.timestamp()),
        "sid": authentication.session_id,
        "at_hash": at_hash,
    }
    if authentication.methods:  # not every trusted issuer says how somebody signed in there
        claims |= {"amr": list(authentication.methods), "acr": acr_of(authentication.methods)}
    if authentication.nonce is not None:
        claims["nonce"] = authentication.nonce
    return claims


def acr_of(methods: Sequence[str]) -> str:
    """How strong a sign-in by these methods is (OpenID Connect Core §2)."""
    if not {"hwk", "swk"}.isdisjoint(methods):
        return PHISHING_RESISTANT
    return MULTI_FACTOR if "mfa" in methods else PASSWORD


def at_hash(access_token: str, alg: SigningAlgorithm) -> str:
    """The left half of the hash of the access token, by the hash function of `alg`."""
    is_ed25519 = alg in {SigningAlgorithm.EDDSA, SigningAlgorithm.ED25519}
    name = "sha512" if is_ed25519 else "sha256"
    digest = hashlib.new(name, access_token.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")


class TokenTooLarge(IssuerError):
    """The token would exceed the size limit; `largest` names its largest claim."""

    def __init__(self, size: int, most: int, largest: str) -> None:
        super().__init__(
            f"The token would have {size} bytes, more than {most}; its largest claim is {largest}."
        )
        self.largest = largest


@value
class RevokedUntil:
    """No token can be issued yet: one issued before `instant` would already be revoked."""

    instant: datetime

    @classmethod
    def after_revocations(cls, now: datetime) -> "RevokedUntil":
        """When a token is valid again, if all were revoked a moment before `now`."""
        return cls(issued_so_far(now) + timedelta(seconds=1))


@value
class AccessToken:
    """A signed token: `expires_in` and `exp` in seconds, `scope` as in RFC 6749 §3.3.

    `jkt` is the thumbprint of the key to which it is bound.
    """

    token: str = field(repr=False)
    jti: str
    kid: str
    scope: str
    expires_in: int
    exp: int
    jkt: str | None = None

    def details(self, audience_id: str) -> dict[str, object]:
        """What the audit log says of the token."""
        details: dict[str, object] = {
            "audience": audience_id,
            "scope": self.scope,
            "jti": self.jti,
            "kid": self.kid,
            "expires_in": self.expires_in,
        }
        if self.jkt is not None:
            details["jkt"] = self.jkt
        return details

    @property
    def issued_at(self) -> datetime:
        return datetime.fromtimestamp(self.exp - self.expires_in, UTC)

    @property
    def expires_at(self) -> datetime:
        return datetime.fromtimestamp(self.exp, UTC)


@dataclass(eq=False, repr=False)
class TokenIssuer:
    """Signs access tokens for one issuer identifier."""

    _issuer: str
    _keyring: Keyring
    _random: Random
    _default_lifetime: timedelta
    _max_bytes: int
    _revocations: RevocationView

    def issue(self, authorization: Authorization, now: datetime) -> AccessToken | RevokedUntil:
        """A token with exactly what the authorization allows; `TokenTooLarge`."""
        if (revoked_until := self._not_before(authorization, int(now.timestamp()))) is not None:
            return revoked_until
        signer, lifetime = self._signer(authorization, now), self._lifetime(authorization, now)
        if lifetime < _SECOND:  # a right in it has ended since it was authorized
            return RevokedUntil(now)
        return self.issue_signed_by(signer, authorization, lifetime, now)

    def issue_signed_by(
        self, sign: Signer, authorization: Authorization, lifetime: timedelta, now: datetime
    ) -> AccessToken:
        """The token that `issue` gives, with another signer and lifetime."""
        claims = self._claims(authorization, lifetime, now)
        signed = sign(authorization.typ, claims)
        if (size := len(signed.token)) > self._max_bytes:
            largest = max(claims, key=lambda name: len(json.dumps(claims[name])))
            raise TokenTooLarge(size, self._max_bytes, largest)
        return AccessToken(
            token=signed.token,
            jti=claims["jti"],
            kid=signed.kid,
            scope=claims.get("scope", ""),
            expires_in=int(lifetime.total_seconds()),
            exp=claims["exp"],
            jkt=authorization.jkt,
        )

    def has_seen(self, feed_count: int) -> bool:
        """Whether this process knows that change of the revocation feed. Memory only."""
        return self._revocations.revoked.state.count >= feed_count

    def revoked_until(
        self, token: AccessToken, authorization: Authorization
    ) -> RevokedUntil | None:
        """Until when the token is revoked, if that was after it was issued. Reads memory only."""
        return self._not_before(authorization, token.exp - token.expires_in)

    def id_token(
        self,
        authorization: Authorization,
        access_token: AccessToken,
        authentication: Authentication,
        now: datetime,
    ) -> str:
        """The ID token beside an access token, signed by the same algorithm."""
        claims = id_token_claims(
            authorization,
            authentication,
            issuer=self._issuer,
            issued_at=int(now.timestamp()),
            expires_at=access_token.exp,
            at_hash=at_hash(access_token.token, authorization.audience.signing_alg.at(now)),
        )
        return self._signer(authorization, now)(ID_TOKEN_TYPE, claims).token

    def preview(self, authorization: Authorization, now: datetime) -> tuple[dict[str, object], int]:
        """The claims of the token that `issue` would give, and its size in bytes."""
        claims = self._claims(authorization, self._lifetime(authorization, now), now)
        return claims, len(self._signer(authorization, now)(authorization.typ, claims).token)

    def _not_before(self, authorization: Authorization, issued_at: int) -> RevokedUntil | None:
        """When tokens can be issued again, if one issued at `issued_at` is revoked."""
        ids = (authorization.subject, authorization.client.client_id, authorization.audience.id)
        not_after = self._revocations.revoked.not_after(*ids)
        if issued_at > not_after:
            return None
        return RevokedUntil(datetime.fromtimestamp(not_after + 1, UTC))

    def _signer(self, authorization: Authorization, now: datetime) -> Signer:
        return partial(self._keyring.sign, authorization.audience.signing_alg.at(now))

    def _lifetime(self, authorization: Authorization, now: datetime) -> timedelta:
        lifetime = (
            authorization.client.access_token_ttl
            or authorization.audience.access_token_ttl
            or self._default_lifetime
        )
        if (end := authorization.ends_at) is None:
            return lifetime
        return min(lifetime, end - now.replace(microsecond=0))

    def _claims(
        self, authorization: Authorization, lifetime: timedelta, now: datetime
    ) -> dict[str, Any]:
        issued_at = int(now.timestamp())
        return {
            **authorization.common_claims,
            "iss": self._issuer,
            "exp": issued_at + int(lifetime.total_seconds()),
            "iat": issued_at,
            "jti": self._random.randbytes(16).hex(),
        }
