"""ID-JAGs of trusted issuers that clients present as a grant (RFC 7521 §4.1, RFC 7523 §2.1).

draft-ietf-oauth-identity-assertion-authz-grant-03, cited as the draft. Imports PyJWT and httpx:
import it where it is first needed, since most deployments never do.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from issuer.clients.assertion_rules import (
    KeyFetchRequiredError,
    audited_jti,
    checked_id_jag,
    is_id_jag,
    signed_claims,
)
from issuer.clients.authentication import VerifiedAssertion
from issuer.clients.trusted_tokens import TrustedTokens
from issuer.clients.used_assertions_store import UsedAssertions
from issuer.directory import Directory
from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import InvalidCredentials
from issuer.federation.fetching import FetchNeeded
from issuer.federation.public_keys import InvalidToken, parsed_token
from issuer.fields.fields import MAX_SCOPES
from issuer.scopes import InvalidScope, parse


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
    expires_at: datetime


@dataclass(eq=False, repr=False)
class ReceivedIdJags:
    """Those of the trusted issuers where people sign in whose definition allows it (`id_jag`)."""

    _own_url: str
    _directory: Directory
    _tokens: TrustedTokens
    _used: UsedAssertions

    def read(
        self, client_id: str, text: str, now: datetime, *, is_last: bool
    ) -> ReceivedIdJag | FetchNeeded:
        """The ID-JAG for this client. Queries: not for the event loop.

        `is_last`: the keys of its issuer were looked at, and are not looked at again.
        `InvalidCredentials` says which rule is broken.
        """
        try:
            token = parsed_token(text)
        except InvalidToken as error:
            raise InvalidCredentials(f"assertion: {error}") from None
        if not is_id_jag(token.unverified.header):
            raise InvalidCredentials("assertion: typ is not that of an ID-JAG")
        issuer = self._issuer(token.unverified.claims.get("iss"))
        key_set = self._tokens.key_set(issuer)
        fetch_keys = partial(key_set.fetch_keys, token.kid) if key_set else None
        try:
            claims = signed_claims(token, self._tokens.keys_of(issuer), fetch_keys)
        except KeyFetchRequiredError as error:
            if is_last:
                raise
            return FetchNeeded(error.fetch_keys)
        jti, expires_at = checked_id_jag(claims, client_id, self._own_url, now)
        if "tenant" in claims and not _is_of_tenant(issuer):
            raise InvalidCredentials("assertion: tenant is no required claim of the trusted issuer")
        return ReceivedIdJag(
            issuer,
            client_id,
            claims,
            _resources(claims.get("resource")),
            _scopes(claims.get("scope")),
            VerifiedAssertion(issuer.id, str(claims.get("sub")), audited_jti(claims)),
            f"id-jag of {issuer.id}\n{jti}",
            expires_at,
        )

    async def use(self, received: ReceivedIdJag) -> None:
        """Durable when it returns. `InvalidCredentials` if it was used before, by any process.

        `TooManyRequests` if the client has used too many.
        """
        await self._used.use(received.client_id, received.name, received.expires_at)

    def _issuer(self, iss: object) -> TrustedIssuerRecord:
        for each in self._directory.issuers_of_people():
            if each.issuer == iss and each.is_for_people and each.sign_in and each.sign_in.id_jag:
                return each
        raise InvalidCredentials("assertion: iss is no trusted issuer whose ID-JAGs are accepted")


def _is_of_tenant(issuer: TrustedIssuerRecord) -> bool:
    """Whether one tenant counts: another may have the same `sub` (the draft §6.3)."""
    return issuer.sign_in is not None and "tenant" in issuer.sign_in.required_claims


def _resources(resource: object) -> tuple[str, ...]:
    """One, or several in an array (the draft §3.1)."""
    named = resource if isinstance(resource, list) else [] if resource is None else [resource]
    if not all(isinstance(each, str) for each in named):
        raise InvalidCredentials("assertion: resource is neither a text nor an array of texts")
    return tuple(named)


def _scopes(scope: object) -> frozenset[str] | None:
    """Those that can be of this issuer: it may name others, which nobody holds here."""
    if scope is None:
        return None
    if not isinstance(scope, str) or scope.count(" ") >= MAX_SCOPES:
        raise InvalidCredentials(f"assertion: scope is not a text of at most {MAX_SCOPES} scopes")
    found = set()
    for each in scope.split():
        with suppress(InvalidScope):
            found.add(parse(each).text)
    return frozenset(found)
