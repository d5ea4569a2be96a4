"""Signing keys and tokens: rotating keys; authorizing, issuing, reading and revoking tokens."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING

from issuer.audiences.store import AudienceStore
from issuer.audit.chain_store import OwnChain
from issuer.clients.authentication import ClientAuthentication, LastUse, SecretMaker
from issuer.clients.documents import ClientDocuments, DocumentHosts
from issuer.clients.used_assertions_store import UsedAssertions
from issuer.composition.foundation import Foundation
from issuer.database import Database
from issuer.database.deployment import require_same_issuer
from issuer.directory import ChangeWatcher, Directory
from issuer.dpop import ProofChecks
from issuer.dpop.nonces import Nonces
from issuer.dpop.proofs import MAX_PROOFS_OF_A_KEY
from issuer.errors import ConfigurationError, DatabaseUnavailable
from issuer.federation import Fetcher
from issuer.keys import KeyPolicy, Keyring
from issuer.keys.folder import FolderKeyBackend
from issuer.keys.private_key import KeyBackend, SealedKeyBackend
from issuer.keys.rotator import Rotator
from issuer.keys.sealed_secrets_store import DPOP_NONCES, REFRESH_TOKENS, current_mark
from issuer.keys.store import KeyStore
from issuer.refresh_tokens import Lifetimes, RefreshTokens
from issuer.refresh_tokens.family import RefreshTokenMaker
from issuer.revocations import RevocationView, TokenIdentity
from issuer.revocations.revoked import Revoked
from issuer.token_exchange import TokenExchanges
from issuer.tokens.feed import FeedPublisher
from issuer.tokens.issuing import TokenIssuer
from issuer.tokens.reading import TokenReader
from issuer.vocabulary import SigningAlgorithm

if TYPE_CHECKING:
    from issuer.clients.assertions import ClientAssertions
    from issuer.clients.id_jags import ReceivedIdJags
    from issuer.federation.key_sets import FollowedKeySets


class KeyParts:
    """The keys of the database, with the private keys that this process can use."""

    def __init__(self, foundation: Foundation) -> None:
        settings, clock, database = foundation.settings, foundation.clock, foundation.database
        self.policy = KeyPolicy(settings.key_sign_for, settings.key_announce_for)
        self.keyring = Keyring(
            database,
            foundation.trails,
            _backends(foundation),
            clock,
            self.policy,
            settings.key_set_kept_for,
            settings.signing_algorithms,
            lambda now: _algorithms_used(database, now),
            foundation.clock_watch.is_trusted,
        )
        self.rotator = Rotator(self.keyring, clock)


def require_algorithms(foundation: Foundation) -> None:
    """`ConfigurationError` if an audience signs with an algorithm that the settings leave out."""
    in_use = _algorithms_used(foundation.database, foundation.clock())
    for alg in in_use.keys() - set(foundation.settings.signing_algorithms):
        raise ConfigurationError(
            f"An audience signs with {alg}, which ISSUER_SIGNING_ALGORITHMS does not name."
        )


def _backends(foundation: Foundation) -> list[KeyBackend]:
    """First the one that makes new keys; the other may still hold old ones."""
    database, folder = foundation.database, foundation.settings.key_folder

    def newest_master_key() -> bytes:
        with database.reading() as session:
            return current_mark(session)

    def stored_keys() -> dict[str, bool]:
        with database.reading() as session:
            return {key.kid: key.is_usable for key in KeyStore(session).stored().keys}

    sealed = SealedKeyBackend(foundation.sealer, newest_master_key)
    return [sealed] if folder is None else [FolderKeyBackend(folder, stored_keys), sealed]


def _algorithms_used(database: Database, now: datetime) -> dict[SigningAlgorithm, datetime | None]:
    with database.reading() as session:
        return AudienceStore(session).algorithms_in_use(now)


class TokenParts:
    """`own_reader` reads tokens for the admin API, `any_reader` those of every audience."""

    def __init__(self, foundation: Foundation, keyring: Keyring) -> None:
        settings, clock, database = foundation.settings, foundation.clock, foundation.database
        random, url = foundation.random, settings.url
        hosts = DocumentHosts(settings.client_metadata_hosts)
        self.foundation = foundation
        self.directory = directory = Directory(database, clock, url, hosts.accept)
        self.client_documents = ClientDocuments(directory, database, Fetcher, clock, hosts)
        self.client_secrets = SecretMaker(foundation.hmac_key, random)
        self.client_authentication = ClientAuthentication(
            directory, self.client_documents, self.client_secrets
        )
        self.last_use = LastUse(database)
        self.revocations = revocations = RevocationView(
            database, clock, url, foundation.clock_watch.is_trusted
        )
        require_same = partial(require_same_issuer, database, url)
        self.changes = changes = ChangeWatcher(
            database, clock, (directory.forget, keyring.reload), revocations.follow, require_same
        )
        self.issuer = TokenIssuer(
            url, keyring, random, settings.access_token_ttl, settings.max_token_bytes, revocations
        )
        self.own_reader = TokenReader(url, url, keyring, clock, revocations)
        self.any_reader = TokenReader(url, None, keyring, clock, revocations)
        self.refresh_tokens = RefreshTokens(
            database,
            directory,
            foundation.trails,
            OwnChain(database, foundation.chain_key, random),
            clock,
            random,
            RefreshTokenMaker(foundation.derive(REFRESH_TOKENS), random),
            Lifetimes(settings.refresh_idle, settings.refresh_ttl),
            Lifetimes(settings.session_idle, settings.session_ttl),
            settings.refresh_reuse_grace,
            lambda: see_own_change(changes),
        )
        chain = OwnChain(database, foundation.chain_key, random)
        self.exchanges = TokenExchanges(database, directory, chain, clock, revocations)
        self.used_assertions = UsedAssertions(database, clock, foundation.metrics)
        nonces = Nonces(foundation.derive(DPOP_NONCES), clock)
        self.proofs = ProofChecks(
            url,
            UsedAssertions(database, clock, foundation.metrics, MAX_PROOFS_OF_A_KEY),
            OwnChain(database, foundation.chain_key, random),
            nonces if settings.dpop_nonce == "required" else None,
            clock,
        )
        self.revocation_feed = FeedPublisher(
            url, database, clock, keyring, revocations, changes.poll
        )

    @cached_property
    def client_assertions(self) -> "ClientAssertions":
        """Built when it is first used: few deployments have clients with keys."""
        from issuer.composition.assertions import build_assertions  # noqa: PLC0415 - 7.8 MB

        return build_assertions(
            self.foundation, self.directory, self.client_documents, self.used_assertions
        )

    @cached_property
    def id_jags(self) -> "ReceivedIdJags":
        """Built when it is first used, as `client_assertions`."""
        from issuer.clients.id_jags import ReceivedIdJags  # noqa: PLC0415 - 7.5 MB

        tokens = self.client_assertions.trusted_tokens
        settings, clock = self.foundation.settings, self.foundation.clock
        return ReceivedIdJags(settings.url, tokens, self.used_assertions, clock)

    def key_sets(self) -> "Sequence[FollowedKeySets]":
        """The key sets of others; none before an assertion came."""
        return self.client_assertions.key_sets if "client_assertions" in vars(self) else ()

    def cleanup_assertions(self) -> None:
        """Delete used assertions that have expired; follow no more what nobody uses."""
        self.used_assertions.delete_expired()
        if "client_assertions" in vars(self):
            self.client_assertions.stop_unused()

    def start(self) -> None:
        """Nothing: what others publish is followed from its first use."""

    def stop(self) -> None:
        """Follow no key set and read no document any more."""
        self.client_documents.stop()
        if "client_assertions" in vars(self):
            self.client_assertions.stop()

    def is_revoked(self, token: TokenIdentity) -> bool:
        """Whether the token is revoked, according to the database now."""
        with self.foundation.database.reading() as session:
            return Revoked.about(session.connection(), [token]).includes(token)


def see_own_change(changes: ChangeWatcher) -> None:
    """Apply at once in this process what it has just committed."""
    with suppress(DatabaseUnavailable):  # it is committed; the watcher looks again soon
        changes.poll()
