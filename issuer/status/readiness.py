"""Whether this process can issue tokens now."""

from dataclasses import dataclass

from issuer.audit import AuditWriter
from issuer.clock import Clock
from issuer.database import Database
from issuer.database.deployment import require_compatible_schema, require_issuer, require_writable
from issuer.directory import ChangeWatcher
from issuer.errors import IssuerError
from issuer.keys import Keyring
from issuer.keys.sealed_secrets_store import CLIENT_SECRETS, open_secret
from issuer.keys.sealing import Sealer
from issuer.settings import Settings


@dataclass(frozen=True)
class Readiness:
    settings: Settings
    clock: Clock
    database: Database
    sealer: Sealer
    changes: ChangeWatcher
    keyring: Keyring
    audit_writer: AuditWriter

    def require(self) -> None:
        """`IssuerError` if no token could be issued now. Writes: a full database can be read."""
        self.changes.require_current()
        require_writable(self.database, self.clock())
        require_compatible_schema(self.database)
        with self.database.reading() as session:
            require_issuer(session, self.settings.url)
            open_secret(session, self.sealer, CLIENT_SECRETS)
        for alg in self.settings.signing_algorithms:
            self.keyring.active(alg)

    def cause(self) -> str | None:
        """Why no tokens can be issued, as `/readyz` finds it; None if they can be."""
        try:
            if (failure := self.audit_writer.failure) is not None:
                raise failure
            self.require()
        except IssuerError as error:
            return str(error)
        return None
