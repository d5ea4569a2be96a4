"""Tokens of trusted issuers that authenticate a client by one of its trusts."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from issuer.clients.assertion_rules import checked_times
from issuer.clients.evidence import Evidence, KeysMissing
from issuer.clients.trust_rules import broken_rule, is_named_by
from issuer.directory import ClientRecord, Directory, TrustedIssuerRecord
from issuer.errors import InvalidCredentials
from issuer.federation.key_sets import FollowedKeySets
from issuer.federation.key_source import KeySource
from issuer.federation.public_keys import (
    InvalidToken,
    PublicKeys,
    SignedToken,
    UnknownKey,
    accepted_keys,
)


@dataclass(frozen=True, slots=True)
class TrustFinding:
    """Whether a trust accepts a token: None, or the `rule` that the token breaks."""

    issuer: str
    subject: str
    rule: str | None


class TrustedTokens:
    """Exact matching: issuer, subject, audience and claims. Queries."""

    def __init__(self, own_url: str, directory: Directory, key_sets: FollowedKeySets) -> None:
        self._own_url = own_url
        self._directory = directory
        self._key_sets = key_sets

    def check(self, client: ClientRecord, token: SignedToken, now: datetime) -> Evidence:
        """`InvalidCredentials` says which rule is broken. Nothing is fetched."""
        issuers = self._named_issuers(client, token)
        if not issuers:
            raise InvalidCredentials(
                "assertion: iss is not the client, and it is of no issuer that it trusts"
            )
        problems: list[str] = []
        missing: list[TrustedIssuerRecord] = []
        for issuer in issuers:
            try:
                claims = token.claims_by(self._keys_of(issuer))
            except UnknownKey as error:
                missing += [issuer] if _source_of(issuer) else []
                problems.append(str(error))
            except InvalidToken as error:
                problems.append(str(error))
            else:
                return self._matched(client, issuer, token, claims, now)
        if missing:
            raise KeysMissing(partial(self._look, missing, token.kid))
        raise InvalidCredentials(f"assertion: {problems[0]}")

    async def explained(
        self, client: ClientRecord, token: SignedToken, now: datetime
    ) -> list[TrustFinding]:
        """What each trust of the client says to the token. Keys are looked for."""
        await self._look(self._named_issuers(client, token), token.kid)
        return [
            TrustFinding(trust["issuer"], trust["subject"], self._rule(trust, token, now))
            for trust in client.trusts
        ]

    def _matched(
        self,
        client: ClientRecord,
        issuer: TrustedIssuerRecord,
        token: SignedToken,
        claims: Mapping[str, Any],
        now: datetime,
    ) -> Evidence:
        """Of the issuer whose key has signed the token, as each trust that names it."""
        rules = []
        for trust in client.trusts:
            if trust["issuer"] == issuer.id:
                rule = broken_rule(trust, claims, self._own_url, now)
                if rule is None:
                    name = _name_of(issuer, token, claims) if trust["once"] else None
                    return Evidence(checked_times(claims, now), name)
                rules.append(rule)
        raise InvalidCredentials(f"assertion: {'; '.join(dict.fromkeys(rules))}")

    def _rule(self, trust: Mapping[str, Any], token: SignedToken, now: datetime) -> str | None:
        issuer = self._directory.trusted_issuer(trust["issuer"])
        if issuer is None or not issuer.is_for_workloads:
            return "the trusted issuer is disabled"
        if not is_named_by(issuer, token.unverified.claims):
            return "the token is not of this issuer, by its iss"
        try:
            claims = token.claims_by(self._keys_of(issuer))
        except InvalidToken as error:
            return str(error)
        return broken_rule(trust, claims, self._own_url, now)

    def _named_issuers(self, client: ClientRecord, token: SignedToken) -> list[TrustedIssuerRecord]:
        """Those that the client trusts, and of which the token says that it is."""
        ids = dict.fromkeys(trust["issuer"] for trust in client.trusts)
        found = [self._directory.trusted_issuer(each) for each in ids]
        claims = token.unverified.claims
        return [
            issuer
            for issuer in found
            if issuer is not None and issuer.is_for_workloads and is_named_by(issuer, claims)
        ]

    def _keys_of(self, issuer: TrustedIssuerRecord) -> PublicKeys:
        if source := _source_of(issuer):
            return self._key_sets.keys(source)
        return accepted_keys(issuer.keys["jwks"], issuer.algorithms)

    async def _look(self, issuers: Sequence[TrustedIssuerRecord], kid: str | None) -> None:
        sources = [source for issuer in issuers if (source := _source_of(issuer))]
        await asyncio.gather(*(self._key_sets.look(source, kid) for source in sources))


def _source_of(issuer: TrustedIssuerRecord) -> KeySource | None:
    """Where its keys are fetched; None if they are given."""
    if "jwks" in issuer.keys:
        return None
    return KeySource(
        issuer.keys.get("jwks_uri"),
        issuer.issuer,
        issuer.algorithms,
        issuer.ca_certificate,
        issuer.allow_private_addresses,
    )


def _name_of(issuer: TrustedIssuerRecord, token: SignedToken, claims: Mapping[str, Any]) -> str:
    """What tells the token apart from others of its issuer: its `jti`, else what was signed.

    Not the whole token: some algorithms allow several signatures of the same.
    """
    jti = claims.get("jti")
    if isinstance(jti, str) and jti:
        return f"jti of {issuer.id}\n{jti}"
    signed = token.text.rpartition(".")[0]
    return f"token of {issuer.id}\n{hashlib.sha256(signed.encode()).hexdigest()}"
