"""ID-JAGs of trusted issuers that clients present as a grant (RFC 7521 §4.1, RFC 7523 §2.1).

draft-ietf-oauth-identity-assertion-authz-grant-03, cited as the draft. Imports PyJWT and httpx:
import it where it is first needed, since most deployments never do.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from issuer.clients.assertion_rules import audited_jti, checked_id_jag
from issuer.clients.authentication import VerifiedAssertion
from issuer.clients.trusted_tokens import TrustedTokens
from issuer.clients.used_assertions_store import UsedAssertions
from issuer.clock import Clock
from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import InvalidCredentials
from issuer.federation.public_keys import InvalidToken, parse_token, required_iat
from issuer.fields.fields import MAX_SCOPES
from issuer.scopes import InvalidScope, parse
from issuer.vocabulary import ID_JAG_TYPE


@dataclass(frozen=True, slots=True)
class ReceivedIdJag:
    """What a trusted issuer says: that the client may act for a person, at a resource here.

    `use` it before it counts. `resources` are those of one audience, or it gives nothing. `scopes`
    is None where it names none: no limit. `name` tells it apart from others of the client.
    """

    issuer: TrustedIssuerRecord
    client_id: str
    claims: Mapping[str, Any]
    resources: tuple[str, ...]
    scopes: frozenset[str] | None
    assertion: VerifiedAssertion
    name: str
    issued_at: datetime
    expires_at: datetime


@dataclass(eq=False, repr=False)
class ReceivedIdJags:
    """ID-JAGs of trusted issuers where people sign in, if their definition allows it (`id_jag`)."""

    _own_url: str
    _tokens: TrustedTokens
    _used: UsedAssertions
    _clock: Clock

    async def read(
        self, client_id: str, text: str, issuers: Iterable[TrustedIssuerRecord]
    ) -> ReceivedIdJag:
        """The ID-JAG for this client; `InvalidCredentials`. For the event loop."""
        try:
            return await self._read(client_id, text, issuers)
        except InvalidToken as error:
            raise InvalidCredentials(f"assertion: {error}") from None

    async def _read(
        self, client_id: str, text: str, issuers: Iterable[TrustedIssuerRecord]
    ) -> ReceivedIdJag:
        token = parse_token(text)
        if token.typ != ID_JAG_TYPE:  # the draft §3.1
            raise InvalidToken("typ is not that of an ID-JAG")
        issuer = _named_issuer(token.unverified.issuer, issuers)
        claims = await self._tokens.verified_claims(issuer, token)
        jti, expires_at = checked_id_jag(claims, client_id, self._own_url, self._clock())
        if "tenant" in claims and not _is_of_tenant(issuer):
            raise InvalidToken("tenant is no required claim of the trusted issuer")
        return ReceivedIdJag(
            issuer,
            client_id,
            claims,
            _resources(claims.get("resource")),
            _scopes(claims.get("scope")),
            VerifiedAssertion(issuer.id, str(claims.get("sub")), audited_jti(claims)),
            f"id-jag of {issuer.id}\n{jti}",
            required_iat(claims),
            expires_at,
        )

    async def use(self, received: ReceivedIdJag) -> None:
        """Durable when it returns; `InvalidCredentials` for a second use, or `TooManyRequests`."""
        await self._used.use(received.client_id, received.name, received.expires_at)


def _named_issuer(iss: object, issuers: Iterable[TrustedIssuerRecord]) -> TrustedIssuerRecord:
    for each in issuers:
        if each.issuer == iss and each.is_for_people and each.sign_in and each.sign_in.id_jag:
            return each
    raise InvalidToken("iss is no trusted issuer whose ID-JAGs are accepted")


def _is_of_tenant(issuer: TrustedIssuerRecord) -> bool:
    """Whether one tenant counts: another may have the same `sub` (the draft §6.3)."""
    return issuer.sign_in is not None and "tenant" in issuer.sign_in.required_claims


def _resources(resource: object) -> tuple[str, ...]:
    """One, or several in an array (the draft §3.1)."""
    named = resource if isinstance(resource, list) else [] if resource is None else [resource]
    if not all(isinstance(each, str) for each in named):
        raise InvalidToken("resource is neither a text nor an array of texts")
    return tuple(named)


def _scopes(scope: object) -> frozenset[str] | None:
    """The scopes that can be of this issuer: it may name others, which nobody holds here."""
    if scope is None:
        return None
    if not isinstance(scope, str) or scope.count(" ") >= MAX_SCOPES:
        raise InvalidToken(f"scope is not a text of at most {MAX_SCOPES} scopes")
    found = set()
    for each in scope.split():
        with suppress(InvalidScope):
            found.add(parse(each).text)
    return frozenset(found)
