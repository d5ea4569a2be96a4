"""Authenticating a client by an assertion instead of a secret (RFC 7521 §4.2, RFC 7523 §2.2).

Imports PyJWT and httpx: import it where it is first needed, since most deployments never do.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from issuer.clients.assertion_rules import Evidence, KeyFetchRequiredError
from issuer.clients.documents import ClientDocuments
from issuer.clients.own_keys import OwnKeys
from issuer.clients.trusted_tokens import FindIssuer, TrustedTokens, TrustFindings
from issuer.clients.used_assertions_store import UsedAssertions
from issuer.clock import Clock
from issuer.directory import ClientRecord, Directory
from issuer.errors import InvalidCredentials, InvalidField, NotFound
from issuer.federation.fetching import FetchNeeded
from issuer.federation.key_sets import FollowedKeySet, FollowedKeySets
from issuer.federation.public_keys import InvalidToken, SignedToken, parse_token


@dataclass(frozen=True, slots=True)
class ProvenClient:
    """A client, and what proves that it is this one: `use` it before it counts."""

    record: ClientRecord
    evidence: Evidence


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
        except KeyFetchRequiredError as error:
            if is_last:
                raise
            return FetchNeeded(error.fetch_keys)

    async def use(self, proven: ProvenClient) -> None:
        """Use an assertion that counts once. Durable when it returns.

        `InvalidCredentials` if it was used before; `TooManyRequests` if the client has used too
        many.
        """
        evidence = proven.evidence
        if evidence.name is not None:
            await self._used.use(proven.record.client_id, evidence.name, evidence.expires_at)

    def explained(self, client_id: str, text: str) -> TrustFindings:
        """What each trust of the client says to the token; nothing is used up.

        `InvalidField` if it cannot be read.
        """
        try:
            token = parse_token(text)
        except InvalidToken as error:
            raise InvalidField("token", str(error)) from None
        return self.trusted_tokens.explained(self._client(client_id), token, self._clock())

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
            raise KeyFetchRequiredError(client.fetch_keys)
        return self._check(client, token, now, find_issuer)

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


def _parse(text: str) -> SignedToken:
    try:
        return parse_token(text)
    except InvalidToken as error:
        raise InvalidCredentials(f"assertion: {error}") from None
