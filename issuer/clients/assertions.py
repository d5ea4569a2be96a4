"""Authenticating a client by an assertion instead of a secret (RFC 7521 §4.2, RFC 7523 §2.2)."""

from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from issuer.clients.assertion_rules import checked_claims, checked_type
from issuer.clients.authentication import (
    AuthenticatedClient,
    KeysNeeded,
    Look,
    PresentedAssertion,
)
from issuer.clients.used_assertions import UsedAssertions
from issuer.directory import ClientRecord, Directory
from issuer.errors import InvalidCredentials
from issuer.federation.key_sets import FollowedKeySets
from issuer.federation.public_keys import (
    InvalidToken,
    PublicKeys,
    SignedToken,
    UnknownKey,
    accepted_keys,
    parsed_token,
)
from issuer.vocabulary import AuthMethod


class ClientAssertions:
    """Clients that have keys. Queries: not for the event loop.

    Checks memory first; what memory does not confirm is looked up in the database, once.
    `key_sets_of_others` are those of clients that nobody registered: they use up no fetches of
    the clients that administrators made.
    """

    def __init__(
        self,
        issuer: str,
        directory: Directory,
        used: UsedAssertions,
        key_sets: FollowedKeySets,
        key_sets_of_others: FollowedKeySets,
    ) -> None:
        self._issuer = issuer
        self._directory = directory
        self._used = used
        self._key_sets = key_sets
        self._key_sets_of_others = key_sets_of_others

    def authenticate(
        self, presented: PresentedAssertion, now: datetime
    ) -> AuthenticatedClient | KeysNeeded:
        """The client, once in the life of an assertion.

        `InvalidCredentials` says which rule is broken; `TooManyRequests` if the client has used
        too many.
        """
        try:
            token = parsed_token(presented.text)
            client, claims = self._signed(presented, token)
        except _LookFirst as error:
            return KeysNeeded(error.look)
        except InvalidToken as error:
            raise InvalidCredentials(f"assertion: {error}") from None
        checked_type(token.unverified.header)
        assertion = checked_claims(claims, client.client_id, self._issuer, now)
        if client.disabled:
            raise InvalidCredentials("disabled client")
        if not presented.is_known:
            self._used.use(client.client_id, assertion.jti, assertion.expires_at, now)
        return AuthenticatedClient(client, None)

    def stop_unused(self) -> None:
        """Follow no more the key sets that were not used for an hour."""
        self._key_sets.stop_unused()
        self._key_sets_of_others.stop_unused()

    def stop(self) -> None:
        """Follow no key set any more."""
        self._key_sets.stop()
        self._key_sets_of_others.stop()

    def _signed(
        self, presented: PresentedAssertion, token: SignedToken
    ) -> tuple[ClientRecord, dict[str, Any]]:
        """The client and the claims that it has signed."""
        remembered = self._directory.remembered_client(presented.client_id)
        if remembered is not None:
            with suppress(InvalidCredentials, InvalidToken):
                return remembered, token.claims_by(self._keys_of(remembered))
        client = self._directory.load_client(presented.client_id)
        if client is None:
            raise InvalidCredentials("unknown client")
        try:
            return client, token.claims_by(self._keys_of(client))
        except UnknownKey:
            if client.jwks_uri is not None and not presented.is_last:
                look = self._key_sets_for(client).look
                raise _LookFirst(partial(look, client.jwks_uri, token.kid)) from None
            raise

    def _keys_of(self, client: ClientRecord) -> PublicKeys:
        """The keys known now; `InvalidCredentials` if the client has none."""
        if client.token_endpoint_auth_method is not AuthMethod.NONE:
            if client.jwks is not None:
                return accepted_keys(client.jwks)
            if client.jwks_uri is not None:
                return self._key_sets_for(client).keys(client.jwks_uri)
        raise InvalidCredentials("an assertion of a client that has no keys")

    def _key_sets_for(self, client: ClientRecord) -> FollowedKeySets:
        return self._key_sets_of_others if client.is_self_registered else self._key_sets


class _LookFirst(Exception):
    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
