"""Verifying access tokens of this issuer, as a resource server does (RFC 9068 §4)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, partial
from hashlib import blake2b
from secrets import token_bytes
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from issuer.clock import Clock
from issuer.directory import ClientRecord, Directory, UserRecord
from issuer.errors import InvalidCredentials
from issuer.keys import Keyring
from issuer.revocations import RevocationView, TokenIdentity
from issuer.scopes import OPENID, OPENID_SCOPES, covers
from issuer.tokens.authorization import scopes_through
from issuer.vocabulary import ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE

_MAX_VERIFIED = 4_096
_LONGEST_REMEMBERED = 4_096  # bytes; of a longer one the signature is verified each time
_MAX_KEYS = 64


@dataclass(frozen=True, slots=True)
class VerifiedToken(TokenIdentity):
    """The claims of an access token of this issuer, verified."""

    kid: str
    expires_at: datetime
    scopes: frozenset[str]
    openid_scopes: frozenset[str]
    claims: Mapping[str, Any] = field(repr=False)

    @property
    def is_of_user(self) -> bool:
        return self.subject != self.client_id

    @property
    def is_for_user_info(self) -> bool:
        """Whether it is for user info alone, and so needs no audience."""
        return OPENID in self.openid_scopes and not self.scopes

    @property
    def jkt(self) -> str | None:
        """The thumbprint of the key to which it is bound (RFC 9449 §6.1); None if it is not."""
        confirmation: Mapping[str, str] = self.claims.get("cnf", {})
        return confirmation.get("jkt")

    @property
    def actors(self) -> tuple[str, ...]:
        """Who acts for the subject, the last one first (RFC 8693 §4.1); nobody, if nobody does."""
        found, act = [], self.claims.get("act")
        while act is not None:
            found.append(act["sub"])
            act = act.get("act")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class VerifiedIdToken(TokenIdentity):
    """The claims of an ID token of this issuer, verified. It has no `jti`, and its client's `aud`.

    `sid` is the session in which the user signed in.
    """

    sid: str
    kid: str
    expires_at: datetime
    claims: Mapping[str, Any] = field(repr=False)


def _verified_claims(keyring: Keyring, token: str, typ: str) -> tuple[str, dict[str, Any]]:
    """The `kid` and the claims of a token that this issuer signed; `InvalidCredentials`."""
    try:
        header = jws.extract_compact(token.encode()).headers()
        if (key := keyring.verifying(str(header.get("kid")))) is None:
            raise InvalidCredentials("signed by an unknown key")
        # The algorithm is the key's, not the header's (RFC 8725 §3.1).
        public = _import_key(json.dumps(dict(key.public_jwk)))
        claims: dict[str, Any] = jwt.decode(token, public, algorithms=[key.alg.value]).claims
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise InvalidCredentials(f"not a token of this issuer: {error}") from None
    if header.get("typ") != typ:
        raise InvalidCredentials(f"not a token of the type {typ}")
    return key.kid, claims


@lru_cache(_MAX_KEYS)
def _import_key(jwk: str) -> Key:
    """Takes longer than verifying a signature with it."""
    return import_key(json.loads(jwk))


class IdTokenReader:
    """Verifies ID tokens that a client sends back as a hint."""

    def __init__(self, issuer: str, keyring: Keyring) -> None:
        self._issuer = issuer
        self._keyring = keyring

    def read_although_expired(self, token: str) -> VerifiedIdToken:
        """`InvalidCredentials` for anything but an ID token of this issuer.

        An expired one is accepted: people sign out later (RP-Initiated Logout 1.0 §2).
        """
        kid, claims = _verified_claims(self._keyring, token, ID_TOKEN_TYPE)
        if claims.get("iss") != self._issuer:
            raise InvalidCredentials("of another issuer")
        return VerifiedIdToken(
            jti="",
            sid=claims["sid"],
            subject=claims["sub"],
            client_id=claims["aud"],
            audience=claims["aud"],
            issued_at=datetime.fromtimestamp(claims["iat"], UTC),
            kid=kid,
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            claims=claims,
        )

    def unverified_client(self, token: str) -> object:
        """The client that an ID token names whose key is not kept any more; None for other texts.

        No more to be trusted than a parameter `client_id`.
        """
        try:
            parts = jws.extract_compact(token.encode())
            claims = json.loads(parts.payload)
        except (JoseError, ValueError, TypeError, RecursionError):
            return None
        header = parts.headers()
        is_kept = self._keyring.verifying(str(header.get("kid"))) is not None
        if is_kept or header.get("typ") != ID_TOKEN_TYPE or not isinstance(claims, dict):
            return None
        return claims.get("aud") if claims.get("iss") == self._issuer else None


@dataclass(eq=False, repr=False)
class TokenReader:
    """Verifies signature, `typ`, `iss`, `exp` and `aud`: one audience, or any if None.

    Revoked tokens are refused as soon as this process knows the revocation. The last tokens are
    remembered by a keyed hash: a signature is verified once, everything that may change each time.
    """

    _issuer: str
    _audience: str | None
    _keyring: Keyring
    _clock: Clock
    _revocations: RevocationView

    def __post_init__(self) -> None:
        self._key = token_bytes(32)
        self._verified: dict[bytes, VerifiedToken] = {}

    def read(self, token: str) -> VerifiedToken:
        """`InvalidCredentials` for anything but an active token of this issuer and audience."""
        verified = self.read_although_revoked(token)
        if self._revocations.revoked.includes(verified):
            raise InvalidCredentials("revoked")
        return verified

    def read_although_revoked(self, token: str) -> VerifiedToken:
        """The token, verified as by `read`, but a revoked one is accepted."""
        text = token.encode("utf-8", "surrogatepass")
        digest = blake2b(text, key=self._key, digest_size=32).digest()
        verified = self._verified.get(digest)
        if verified is None or self._keyring.verifying(verified.kid) is None:
            verified = self._verify(token)
            if len(text) <= _LONGEST_REMEMBERED:
                if len(self._verified) >= _MAX_VERIFIED:
                    self._verified.clear()
                self._verified[digest] = verified
        if verified.expires_at <= self._clock():
            raise InvalidCredentials("expired")
        return verified

    def _verify(self, token: str) -> VerifiedToken:
        kid, claims = _verified_claims(self._keyring, token, ACCESS_TOKEN_TYPE)
        audience = claims.get("aud") if self._audience is None else self._audience
        if (claims.get("iss"), claims.get("aud")) != (self._issuer, audience):
            raise InvalidCredentials("for another audience")
        return VerifiedToken(
            jti=claims["jti"],
            sid=claims.get("sid"),
            subject=claims["sub"],
            client_id=claims["client_id"],
            audience=claims["aud"],
            issued_at=datetime.fromtimestamp(claims["iat"], UTC),
            kid=kid,
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            scopes=frozenset(claims["scopes"]),
            openid_scopes=frozenset(claims["scope"].split(" ")).intersection(OPENID_SCOPES),
            claims=claims,
        )


def load_current_scopes(directory: Directory, token: VerifiedToken) -> frozenset[str]:
    """The scopes of the token that its client and user still hold."""
    return current_scopes(*holders_of(directory, token), token)


def holders_of(
    directory: Directory, token: VerifiedToken
) -> tuple[ClientRecord | None, UserRecord | None]:
    """The client of the token, perhaps from memory, and its user, as the database has it now."""
    client = directory.client(token.client_id)
    return client, directory.load_user(token.subject) if token.is_of_user else None


def current_scopes(
    client: ClientRecord | None, user: UserRecord | None, token: VerifiedToken
) -> frozenset[str]:
    """The scopes of their token that they still hold. Rights removed since no longer apply.

    This issuer, as the resource server, need not wait for the token to expire.
    `InvalidCredentials` if the client or the user no longer exists, or is disabled, or may no
    longer use the audience; a token that is only for user info needs no audience.
    """
    lost = "the client is deleted or disabled, or lost the audience"
    if client is None or client.disabled:
        raise InvalidCredentials(lost)
    audience = client.audiences.get(token.audience)
    if audience is None and not token.is_for_user_info:
        raise InvalidCredentials(lost)
    if token.is_of_user and (user is None or user.disabled):
        raise InvalidCredentials("the user is deleted or disabled")
    if audience is None:
        return frozenset()
    now_held = scopes_through(client, user, audience) if user else client.rights.at(audience)
    return frozenset(filter(partial(covers, now_held), token.scopes))
