"""Authenticating a client by an assertion instead of a secret (RFC 7521 §4.2, RFC 7523 §2.2).

Imports PyJWT and httpx: import it where it is first needed, since most deployments never do.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from issuer.clients import assertion_rules as rules
from issuer.clients.authentication import VerifiedAssertion
from issuer.clients.documents import ClientDocuments
from issuer.clients.trusted_tokens import FindIssuer, TrustedTokens, TrustFindings
from issuer.clients.used_assertions_store import UsedAssertions
from issuer.clock import Clock
from issuer.directory import ClientRecord, Directory
from issuer.errors import InvalidCredentials, InvalidField, NotFound
from issuer.federation.fetching import FetchNeeded, KeyFetch
from issuer.federation.key_sets import FollowedKeySet, FollowedKeySets
from issuer.federation.key_source import KeySource
from issuer.federation.public_keys import InvalidToken, SignedToken, load_keys, parse_token
from issuer.fields.text import is_storable
from issuer.vocabulary import AuthMethod, GrantType

_MAX_TRUSTING = 20  # one after the other is asked


@dataclass(eq=False, repr=False)
class OwnKeys:
    """The `jwks` or the `jwks_uri` of clients.

    `key_sets_of_others` are those of clients that nobody registered: they use up no fetches of
    the clients that administrators made. Keys in a metadata document are looked for there.
    """

    _issuer: str
    _documents: ClientDocuments
    _key_sets: FollowedKeySets
    _key_sets_of_others: FollowedKeySets

    def key_set(self, client: ClientRecord) -> FollowedKeySet | None:
        """The key set at the `jwks_uri` of the client; None without one."""
        if client.jwks_uri is None:
            return None
        key_sets = self._key_sets_of_others if client.is_self_registered else self._key_sets
        return FollowedKeySet(key_sets, KeySource(client.jwks_uri))

    def check(self, client: ClientRecord, token: SignedToken, now: datetime) -> rules.Evidence:
        """`InvalidCredentials` says which rule is broken. Nothing is fetched."""
        if client.token_endpoint_auth_method is AuthMethod.NONE:
            raise _no_keys()
        if client.jwks is not None:
            fetch_keys = partial(self._documents.fetch_keys, client, missing=True)
            keys = load_keys(client.jwks)
            claims = rules.signed_claims(token, keys, fetch_keys if client.is_fetched else None)
        elif key_set := self.key_set(client):
            claims = rules.signed_claims(
                token, key_set.keys, partial(key_set.fetch_keys, token.kid)
            )
        else:
            raise _no_keys()
        if token.typ not in rules.ASSERTION_TYPES:  # such as an access token (RFC 8725 §3.11)
            raise InvalidCredentials("the assertion has the typ of another kind of token")
        try:
            jti, expires_at = rules.checked_claims(claims, client.client_id, self._issuer, now)
        except InvalidToken as error:
            raise InvalidCredentials(f"assertion: {error}") from None
        audited = VerifiedAssertion(None, None, rules.audited_jti(claims))
        return rules.Evidence(audited, expires_at, f"own\n{jti}")


def _no_keys() -> InvalidCredentials:
    return InvalidCredentials("an assertion of a client that has no keys")


@dataclass(frozen=True, slots=True)
class ProvenClient:
    """A client, and what proves that it is this one: `use` it before it counts."""

    record: ClientRecord
    evidence: rules.Evidence


@dataclass(eq=False, repr=False)
class ClientAssertions:
    """Assertions of clients, and of issuers that they trust.

    Checks memory first; what memory does not confirm is looked up in the database, once.
    """

    _directory: Directory
    _documents: ClientDocuments
    _used: UsedAssertions
    _own_keys: OwnKeys
    trusted_tokens: TrustedTokens
    key_sets: tuple[FollowedKeySets, ...]
    _clock: Clock

    def proven_from_memory(self, client_id: str, text: str, now: datetime) -> ProvenClient | None:
        """The client, if memory confirms its assertion. For the event loop.

        Only by a key that the assertion names: else each key of the client may have to be tried.
        """
        remembered = self._directory.remembered_client(client_id)
        with suppress(InvalidCredentials):
            token = _parse(text)
            if remembered is not None and token.kid is not None:
                find_issuer = self._directory.remembered_trusted_issuer
                return self._check(remembered, token, now, find_issuer)
        return None

    def proven(
        self, client_id: str, text: str, now: datetime, *, is_last: bool
    ) -> ProvenClient | FetchNeeded:
        """The client. Queries: not for the event loop.

        `is_last`: keys and document of the client were looked at, and are not looked at again.
        `InvalidCredentials` says which rule is broken.
        """
        try:
            return self._proven(client_id, _parse(text), now, is_last=is_last)
        except rules.KeyFetchRequiredError as error:
            if is_last:
                raise
            return FetchNeeded(error.fetch_keys)

    def granted(
        self, client_id: str | None, text: str, now: datetime, *, is_last: bool
    ) -> ProvenClient | FetchNeeded:
        """The one client that the token is for, as an authorization grant (RFC 7523 §2.1).

        `client_id` decides where the token meets trusts of several. Queries, `is_last` and errors
        as above.
        """
        found, problems, fetches = self._meeting(client_id, _parse(text), now)
        if fetches and not is_last:
            return FetchNeeded(partial(_all_of, fetches))
        if len(found) == 1:
            return found[0]
        if found:
            raise InvalidCredentials("assertion: several clients trust it: client_id is missing")
        raise InvalidCredentials(problems[0] if problems else "assertion: no client trusts its sub")

    async def use(self, proven: ProvenClient) -> None:
        """Use an assertion that counts once. Durable when it returns.

        `InvalidCredentials` if it was used before; `TooManyRequests` if the client has used too
        many.
        """
        evidence = proven.evidence
        if evidence.name is not None:
            await self._used.use(proven.record.client_id, evidence.name, evidence.expires_at)

    def explained(self, client_id: str, text: str) -> TrustFindings:
        """What each trust says to the token, or `InvalidField`; nothing is used up."""
        try:
            token = parse_token(text)
        except InvalidToken as error:
            raise InvalidField("token", str(error)) from None
        now = self._clock()
        findings = self.trusted_tokens.explained(self._client(client_id), token, now)
        with suppress(InvalidCredentials):
            found, _, _ = self._meeting(None, token, now)
            return replace(findings, by_grant=tuple(each.record.client_id for each in found))
        return findings

    def key_set_of_client(self, client_id: str) -> FollowedKeySet | None:
        """The set at its `jwks_uri`; None without one."""
        return self._own_keys.key_set(self._client(client_id))

    def key_set_of_issuer(self, issuer_id: str) -> FollowedKeySet | None:
        """The set of a trusted issuer; None if its keys are given."""
        if (issuer := self._directory.trusted_issuer(issuer_id)) is None:
            raise NotFound("trusted issuer", issuer_id)
        return self.trusted_tokens.key_set(issuer)

    def _client(self, client_id: str) -> ClientRecord:
        if (client := self._directory.load_client(client_id)) is None:
            raise NotFound("client", client_id)
        return client

    def stop_unused(self) -> None:
        """Follow no more the key sets that were not used for an hour."""
        for each in self.key_sets:
            each.stop_unused()

    def stop(self) -> None:
        """Follow no key set any more."""
        for each in self.key_sets:
            each.stop()

    def _proven(
        self, client_id: str, token: SignedToken, now: datetime, *, is_last: bool
    ) -> ProvenClient:
        find_issuer = self._directory.trusted_issuer
        if (remembered := self._directory.remembered_client(client_id)) is not None:
            with suppress(InvalidCredentials):
                return self._check(remembered, token, now, find_issuer)
        stored = self._directory.load_client(client_id)
        if (client := self._documents.known(stored, is_last=is_last)) is None:
            raise InvalidCredentials("unknown client")
        if isinstance(client, FetchNeeded):
            raise rules.KeyFetchRequiredError(client.fetch_keys)
        return self._check(client, token, now, find_issuer)

    def _meeting(
        self, client_id: str | None, token: SignedToken, now: datetime
    ) -> tuple[list[ProvenClient], list[str], list[KeyFetch]]:
        """The clients with the grant whose trusts the token meets, or that client alone.

        Then what speaks against the others, and where keys may be found that are missing.
        """
        found: list[ProvenClient] = []
        problems: list[str] = []
        fetches: list[KeyFetch] = []
        for each in self._trusting(token) if client_id is None else [client_id]:
            try:
                found.append(self._met(each, token, now))
            except rules.KeyFetchRequiredError as error:
                fetches.append(error.fetch_keys)
                problems.append(error.reason)
            except InvalidCredentials as error:
                problems.append(error.reason)
        return found, problems, fetches

    def _trusting(self, token: SignedToken) -> list[str]:
        """The clients that trust its subject; `InvalidCredentials` if they are too many."""
        subject = token.unverified.claims.get("sub")
        if not isinstance(subject, str) or not is_storable(subject):
            raise InvalidCredentials("assertion: sub is no text")
        ids = self._directory.clients_trusting(subject, _MAX_TRUSTING + 1)
        if len(ids) > _MAX_TRUSTING:
            many = f"more than {_MAX_TRUSTING} clients trust its sub, and client_id is missing"
            raise InvalidCredentials(f"assertion: {many}")
        return ids

    def _met(self, client_id: str, token: SignedToken, now: datetime) -> ProvenClient:
        """The client, if the token meets a trust of it as a grant."""
        check = partial(self._check_grant, token=token, now=now)
        if (remembered := self._directory.remembered_client(client_id)) is not None:
            with suppress(InvalidCredentials):
                return check(remembered)
        if (client := self._directory.load_client(client_id)) is None:
            raise InvalidCredentials("unknown client")
        return check(client)

    def _check_grant(self, client: ClientRecord, token: SignedToken, now: datetime) -> ProvenClient:
        if GrantType.JWT_BEARER not in client.grant_types:
            raise InvalidCredentials("the client may not use the grant jwt-bearer")
        find_issuer = self._directory.trusted_issuer
        evidence = self.trusted_tokens.check(client, token, now, find_issuer, is_grant=True)
        if client.disabled:
            raise InvalidCredentials("disabled client")
        return ProvenClient(client, evidence)

    def _check(
        self, client: ClientRecord, token: SignedToken, now: datetime, find_issuer: FindIssuer
    ) -> ProvenClient:
        is_own = token.unverified.claims.get("iss") == client.client_id
        if is_own or not client.trusts:
            evidence = self._own_keys.check(client, token, now)
        else:
            evidence = self.trusted_tokens.check(client, token, now, find_issuer)
        if client.disabled:
            raise InvalidCredentials("disabled client")
        return ProvenClient(client, evidence)


async def _all_of(fetches: Sequence[KeyFetch]) -> None:
    await asyncio.gather(*(fetch() for fetch in fetches))


def _parse(text: str) -> SignedToken:
    try:
        return parse_token(text)
    except InvalidToken as error:
        raise InvalidCredentials(f"assertion: {error}") from None
