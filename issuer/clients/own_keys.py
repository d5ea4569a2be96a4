"""Assertions that a client has signed with a key of its own (RFC 7523 §3)."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from issuer.clients.assertion_rules import (
    Evidence,
    audited_jti,
    checked_claims,
    checked_type,
    signed_claims,
)
from issuer.clients.authentication import VerifiedAssertion
from issuer.clients.documents import ClientDocuments
from issuer.directory import ClientRecord
from issuer.errors import InvalidCredentials
from issuer.federation.key_sets import FollowedKeySet, FollowedKeySets
from issuer.federation.key_source import KeySource
from issuer.federation.public_keys import InvalidToken, SignedToken, load_keys
from issuer.vocabulary import AuthMethod


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

    def check(self, client: ClientRecord, token: SignedToken, now: datetime) -> Evidence:
        """`InvalidCredentials` says which rule is broken. Nothing is fetched."""
        if client.token_endpoint_auth_method is AuthMethod.NONE:
            raise _no_keys()
        if client.jwks is not None:
            fetch_keys = partial(self._documents.fetch_keys, client, missing=True)
            keys = load_keys(client.jwks)
            claims = signed_claims(token, keys, fetch_keys if client.is_fetched else None)
        elif key_set := self.key_set(client):
            claims = signed_claims(token, key_set.keys, partial(key_set.fetch_keys, token.kid))
        else:
            raise _no_keys()
        checked_type(token)
        try:
            jti, expires_at = checked_claims(claims, client.client_id, self._issuer, now)
        except InvalidToken as error:
            raise InvalidCredentials(f"assertion: {error}") from None
        audited = VerifiedAssertion(None, None, audited_jti(claims))
        return Evidence(audited, expires_at, f"own\n{jti}")


def _no_keys() -> InvalidCredentials:
    return InvalidCredentials("an assertion of a client that has no keys")
