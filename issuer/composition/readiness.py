"""Whether this process can issue tokens now."""

from dataclasses import dataclass

from issuer.composition.foundation import Foundation
from issuer.database import require_compatible_schema
from issuer.database.deployment import require_issuer, require_writable
from issuer.directory import ChangeWatcher
from issuer.keys import Keyring
from issuer.keys.sealed_secrets_store import CLIENT_SECRETS, opened


@dataclass(frozen=True)
class Readiness:
    foundation: Foundation
    changes: ChangeWatcher
    keyring: Keyring

    def require(self) -> None:
        """An `IssuerError` if tokens could not be issued now.

        Writes to the database: one that is read-only or full can still be read.
        """
        database, settings = self.foundation.database, self.foundation.settings
        self.changes.require_current()
        require_writable(database, self.foundation.clock())
        require_compatible_schema(database)
        with database.reading() as session:
            require_issuer(session, settings.url)
            opened(session, self.foundation.sealer, CLIENT_SECRETS)
        for alg in settings.signing_algorithms:
            self.keyring.active(alg)
