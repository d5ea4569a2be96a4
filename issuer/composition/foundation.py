"""Settings, clock, database and what opens sealed secrets: all other parts stand on these."""

import secrets
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random, SystemRandom

from issuer.clock import Clock
from issuer.database import Database, is_empty, require_current_schema
from issuer.errors import ConfigurationError
from issuer.keys.sealed_secrets_store import CLIENT_SECRETS, is_kept, opened
from issuer.keys.sealing import Sealer, read_master_key_file, read_master_keys
from issuer.settings import Settings

MASTER_KEY = "master.key"


@dataclass(frozen=True)
class Foundation:
    """`random` is a cryptographic source; `hmac_key` is what other secrets are derived from."""

    settings: Settings
    clock: Clock
    random: Random
    database: Database
    sealer: Sealer
    hmac_key: bytes = field(repr=False)


def build_foundation(settings: Settings, clock: Clock, sealer: Sealer) -> Foundation:
    """On an initialised database of the current schema; `ConfigurationError` otherwise."""
    database = Database(settings.effective_database_url)
    require_current_schema(database)
    with database.reading() as session:
        hmac_key = opened(session, sealer, CLIENT_SECRETS)
    return Foundation(settings, clock, SystemRandom(), database, sealer, hmac_key)


def require_master_key(settings: Settings) -> None:
    """`ConfigurationError` says whether `issuer init` or a backup brings the missing one."""
    if settings.master_key is not None or master_key_path(settings).exists():
        return
    database = Database(settings.effective_database_url)
    try:
        # Looking must not make the file of a database.
        is_there = not database.is_sqlite or Path(str(database.url.database)).exists()
        if is_there and is_sealed(database):
            raise lost_master_key(master_key_path(settings))
    finally:
        database.dispose()
    raise ConfigurationError(
        f"There is no master key at {master_key_path(settings)}: run `issuer init` first."
    )


def is_sealed(database: Database) -> bool:
    """Whether something in the database needs the master key it was sealed with."""
    if is_empty(database):
        return False
    with database.reading() as session:
        return is_kept(session, CLIENT_SECRETS)


def lost_master_key(path: Path) -> ConfigurationError:
    """What to say where only a backup helps: `init` would make a key that opens nothing."""
    return ConfigurationError(
        f"The master key {path} is missing, and this database was sealed with it: restore the file"
        " from your backup."
    )


def build_sealer(settings: Settings) -> Sealer:
    """The sealer under the master key of the settings or of the data directory."""
    read = partial(read_master_key_file, master_key_path(settings))
    if settings.master_key is not None:
        read = partial(read_master_keys, settings.master_key.get_secret_value())
    read()  # now, so that what is wrong is said before anything is done
    return Sealer(read, secrets.token_bytes)


def master_key_path(settings: Settings) -> Path:
    return settings.data_dir / MASTER_KEY
