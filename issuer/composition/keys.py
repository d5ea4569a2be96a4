"""Signing keys: the key ring and its rotator."""

from dataclasses import dataclass
from datetime import datetime

from issuer.audiences.store import AudienceStore
from issuer.composition.foundation import Foundation
from issuer.database import Database
from issuer.errors import ConfigurationError
from issuer.keys import KeyPolicy, Keyring, Rotator
from issuer.keys.folder import FolderKeyBackend
from issuer.keys.private_key import KeyBackend, SealedKeyBackend
from issuer.keys.sealed_secrets_store import current_mark
from issuer.keys.store import KeyStore
from issuer.vocabulary import SigningAlgorithm


@dataclass(frozen=True)
class KeyParts:
    keyring: Keyring
    rotator: Rotator
    policy: KeyPolicy


def build_keys(foundation: Foundation) -> KeyParts:
    """The keys of the database, with the private keys that this process can use."""
    settings, clock, database = foundation.settings, foundation.clock, foundation.database
    policy = KeyPolicy(settings.key_sign_for, settings.key_announce_for)
    keyring = Keyring(
        database,
        foundation.trails,
        _backends(foundation),
        clock,
        policy,
        settings.key_set_kept_for,
        settings.signing_algorithms,
        lambda now: _algorithms_in_use(database, now),
    )
    return KeyParts(keyring, Rotator(keyring, clock), policy)


def require_algorithms(foundation: Foundation) -> None:
    """`ConfigurationError` if an audience signs with an algorithm that the settings leave out."""
    in_use = _algorithms_in_use(foundation.database, foundation.clock())
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


def _algorithms_in_use(
    database: Database, now: datetime
) -> dict[SigningAlgorithm, datetime | None]:
    with database.reading() as session:
        return AudienceStore(session).algorithms_in_use(now)
