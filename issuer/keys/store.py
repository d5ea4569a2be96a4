"""Secrets of the house itself in SQL: made once, kept sealed."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from issuer.database.tables import HouseSecretRow
from issuer.errors import ConfigurationError
from issuer.keys.sealing import Sealer

CLIENT_SECRETS = "client-secrets"
_BYTES = 32


def ensure(session: Session, sealer: Sealer, random_bytes: Callable[[int], bytes]) -> None:
    """Every secret of the house exists; those that do stay as they are."""
    if is_kept(session, CLIENT_SECRETS):
        return
    sealed = sealer.seal(random_bytes(_BYTES), CLIENT_SECRETS)
    session.add(HouseSecretRow(name=CLIENT_SECRETS, sealed=sealed))
    session.flush()


def is_kept(session: Session, name: str) -> bool:
    """Whether the secret called `name` was made before."""
    return session.get(HouseSecretRow, name) is not None


def opened(session: Session, sealer: Sealer, name: str) -> bytes:
    """The secret called `name`; `ConfigurationError` under a wrong master key or before `init`."""
    row = session.get(HouseSecretRow, name)
    if row is None:
        raise ConfigurationError("The database is not initialised: run `issuer init` first.")
    return sealer.open(row.sealed, name)
