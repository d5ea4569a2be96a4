"""Tokens of trusted issuers that authenticate a client by one of its trusts."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias

from issuer.clients.assertion_rules import (
    Evidence,
    KeyFetchRequiredError,
    audited_jti,
    broken_rule,
    is_named_by,
    wrong_type,
)
from issuer.clients.authentication import VerifiedAssertion
from issuer.directory import ClientRecord, Directory
from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import InvalidCredentials
from issuer.federation.fetching import KeyFetch
from issuer.federation.key_sets import FollowedKeySet, FollowedKeySets
from issuer.federation.key_source import KeySource
from issuer.federation.public_keys import (
    InvalidToken,
    PublicKeys,
    SignedToken,
    UnknownKey,
    load_keys,
    valid_until,
)
from issuer.vocabulary import TOKEN_PATH

FindIssuer: TypeAlias = Callable[[str], TrustedIssuerRecord | None]


@dataclass(frozen=True, slots=True)
class TrustFinding:
    """Whether a trust accepts a token: None, or the `rule` that the token breaks."""

    issuer: str
    subject: str
    rule: str | None


@dataclass(frozen=True, slots=True)
class TrustFindings:
    """What each trust of a client says to a token; `fetch_keys` may find a key that is missing.

    Nobody may trust the `unverified_claims`. `by_grant`: which clients it is for without a client
    id, in the JWT bearer grant.
    """

    trusts: tuple[TrustFinding, ...]
    unverified_claims: Mapping[str, Any]
    fetch_keys: KeyFetch | None
    by_grant: tuple[str, ...] = ()

    @property
    def by_grant_in_words(self) -> str:
        """A sentence about `by_grant`."""
        begins = "Without a client id, in the grant jwt-bearer, it"
        if len(self.by_grant) > 1:
            return f"{begins} is refused: {', '.join(self.by_grant)} trust it."
        return f"{begins} is {self.by_grant[0] if self.by_grant else 'of no client'}."


class TrustedTokens:
    """Exact matching: issuer, subject, audience and claims."""

    def __init__(self, own_url: str, directory: Directory, key_sets: FollowedKeySets) -> None:
        self._own_url = own_url
        self._audiences_of_grants = (own_url, own_url + TOKEN_PATH)  # RFC 7523 §3
        self._directory = directory
        self._key_sets = key_sets

    def check(
        self,
        client: ClientRecord,
        token: SignedToken,
        now: datetime,
        find_issuer: FindIssuer,
        *,
        is_grant: bool = False,
    ) -> Evidence:
        """`InvalidCredentials` says which rule is broken. Nothing is fetched.

        As a grant (RFC 7523 §2.1) the token may also be for this issuer or its token endpoint.
        """
        if not (issuers := _named_issuers(client, token, find_issuer)):
            raise InvalidCredentials(
                "assertion: iss is not the client, and it is of no issuer that it trusts"
            )
        problems: list[str] = []
        missing: list[TrustedIssuerRecord] = []
        for issuer in issuers:
            try:
                claims = self._claims_by(issuer, token)
            except InvalidToken as error:
                problems.append(str(error))
                if isinstance(error, UnknownKey) and self.key_set(issuer):
                    missing.append(issuer)
            else:
                also = self._audiences_of_grants if is_grant else ()
                return self._match(client, issuer, token, claims, now, also)
        if missing:
            raise KeyFetchRequiredError(partial(self._fetch_keys, missing, token.kid))
        raise InvalidCredentials(f"assertion: {problems[0]}")

    def explained(self, client: ClientRecord, token: SignedToken, now: datetime) -> TrustFindings:
        """What each trust of the client says to the token. Queries; nothing is fetched."""
        findings, missing = [], []
        for trust in client.trusts:
            issuer = self._directory.trusted_issuer(trust["issuer"])
            try:
                rule = self._rule(trust, issuer, token, now)
            except InvalidToken as error:
                rule = str(error)
                if issuer and isinstance(error, UnknownKey) and self.key_set(issuer):
                    missing.append(issuer)
            findings.append(TrustFinding(trust["issuer"], trust["subject"], rule))
        fetch_keys = partial(self._fetch_keys, missing, token.kid) if missing else None
        return TrustFindings(tuple(findings), token.unverified.claims, fetch_keys)

    async def verified_claims(
        self, issuer: TrustedIssuerRecord, token: SignedToken
    ) -> dict[str, Any]:
        """The claims, if a key of the issuer has signed them; `InvalidToken`. For the event loop.

        A key that is not known is looked for, once. The rules for the claims are the caller's.
        """
        try:
            return token.claims_by(self.keys_of(issuer))
        except UnknownKey:
            if self.key_set(issuer) is None:
                raise
        await self._fetch_keys([issuer], token.kid)
        return token.claims_by(self.keys_of(issuer))

    def key_set(self, issuer: TrustedIssuerRecord) -> FollowedKeySet | None:
        """Where its keys are fetched; None if they are given."""
        if "jwks" in issuer.keys:
            return None
        source = KeySource(
            issuer.keys.get("jwks_uri"),
            issuer.issuer,
            issuer.algorithms,
            issuer.ca_certificate,
            issuer.allow_private_addresses,
        )
        return FollowedKeySet(self._key_sets, source)

    def _match(
        self,
        client: ClientRecord,
        issuer: TrustedIssuerRecord,
        token: SignedToken,
        claims: Mapping[str, Any],
        now: datetime,
        also: Sequence[str],
    ) -> Evidence:
        rules = []
        for trust in client.trusts:
            if trust["issuer"] == issuer.id:
                if (rule := broken_rule(trust, claims, self._for(trust, also), now)) is None:
                    name = _name_of(issuer, token, claims) if trust["once"] else None
                    audited = VerifiedAssertion(issuer.id, trust["subject"], audited_jti(claims))
                    return Evidence(audited, valid_until(claims, now), name)
                rules.append(rule)
        raise InvalidCredentials(f"assertion: {'; '.join(dict.fromkeys(rules))}")

    def _rule(
        self,
        trust: Mapping[str, Any],
        issuer: TrustedIssuerRecord | None,
        token: SignedToken,
        now: datetime,
    ) -> str | None:
        """The rule that is broken; `InvalidToken` if no key of the issuer has signed the token."""
        if issuer is None or not issuer.is_for_workloads:
            return "the trusted issuer is disabled"
        if not is_named_by(issuer, token.unverified.claims):
            return "the token is not of this issuer, by its iss"
        return broken_rule(trust, self._claims_by(issuer, token), self._for(trust), now)

    def _for(self, trust: Mapping[str, Any], also: Sequence[str] = ()) -> Sequence[str]:
        """What a token must be for, any of them."""
        return trust["audience"] or self._own_url, *also

    def _claims_by(self, issuer: TrustedIssuerRecord, token: SignedToken) -> dict[str, Any]:
        """`InvalidToken` says why the token is not of this issuer."""
        typ = token.unverified.header.get("typ", "JWT")
        if issuer.is_trust_domain and typ not in ("JWT", "JOSE"):  # SPIFFE JWT-SVID §2.3
            raise InvalidToken("the token has the typ of another kind than JWT-SVIDs")
        if wrong := wrong_type(token, issuer.typ):
            raise InvalidToken(wrong)
        return token.claims_by(self.keys_of(issuer))

    def keys_of(self, issuer: TrustedIssuerRecord) -> PublicKeys:
        """The keys that are given, or that this process follows; none if it holds none yet."""
        if key_set := self.key_set(issuer):
            return key_set.keys
        return load_keys(issuer.keys["jwks"], issuer.algorithms)

    async def _fetch_keys(self, issuers: Sequence[TrustedIssuerRecord], kid: str | None) -> None:
        key_sets = [key_set for issuer in issuers if (key_set := self.key_set(issuer))]
        await asyncio.gather(*(each.fetch_keys(kid) for each in key_sets))


def _named_issuers(
    client: ClientRecord, token: SignedToken, find_issuer: FindIssuer
) -> list[TrustedIssuerRecord]:
    found = map(find_issuer, dict.fromkeys(trust["issuer"] for trust in client.trusts))
    claims = token.unverified.claims
    return [
        issuer
        for issuer in found
        if issuer is not None and issuer.is_for_workloads and is_named_by(issuer, claims)
    ]


def _name_of(issuer: TrustedIssuerRecord, token: SignedToken, claims: Mapping[str, Any]) -> str:
    """What tells the token apart from others of its issuer: its `jti`, else what was signed.

    Not the whole token: some algorithms allow several signatures of the same.
    """
    jti = claims.get("jti")
    if isinstance(jti, str) and jti:
        return f"jti of {issuer.id}\n{jti}"
    signed = token.text.rpartition(".")[0]
    return f"token of {issuer.id}\n{hashlib.sha256(signed.encode()).hexdigest()}"
