"""The second factors of a user: an authenticator app, passkeys, recovery codes."""

from datetime import datetime
from random import Random
from typing import Literal

from pydantic import BaseModel

from issuer.database.principals import new_id
from issuer.database.tables import PasskeyRow, TotpSecretRow, UserRow
from issuer.errors import AlreadyExists, InvalidField, NotAllowed, NotFound
from issuer.resources import Transaction
from issuer.sign_in.factors_store import FactorStore
from issuer.sign_in.passkeys import NewPasskey
from issuer.sign_in.recovery_codes import RecoveryCodes
from issuer.sign_in.totp import TotpSecrets, TotpSetup
from issuer.users.store import UserStore

MAX_PASSKEYS = 20
TOTP, PASSKEY = "totp", "passkey"


class Factor(BaseModel):
    """A second factor: its metadata, never its secret."""

    id: str
    kind: Literal["totp", "passkey"]
    name: str
    created_at: datetime
    last_used_at: datetime | None


class Factors:
    """Second factors, within one transaction. Errors are those of `issuer.errors`.

    With the first factor a user gets recovery codes, and loses them with the last.
    """

    def __init__(
        self,
        transaction: Transaction,
        random: Random,
        totp: TotpSecrets,
        recovery_codes: RecoveryCodes,
    ) -> None:
        self._store = FactorStore(transaction.session)
        self._users = UserStore(transaction.session)
        self._trail = transaction.trail
        self._clock = transaction.clock
        self._authority = transaction.authority
        self._revocations = transaction.revocations
        self._random = random
        self._totp = totp
        self._recovery_codes = recovery_codes

    def of_user(self, user_id: str) -> list[Factor]:
        """The factors that count, in order of their ids."""
        self._user(user_id)
        return sorted((_factor(row) for row in self._rows(user_id)), key=lambda factor: factor.id)

    def get(self, user_id: str, factor_id: str) -> Factor:
        for factor in self.of_user(user_id):
            if factor.id == factor_id:
                return factor
        raise NotFound("second factor", factor_id)

    def recovery_codes_left(self, user_id: str) -> int:
        return self._store.recovery_codes_left(user_id)

    def begin_totp(self, user_id: str) -> TotpSetup:
        """A new secret for an authenticator app, which counts after `confirm_totp`."""
        self._authorize(user_id)
        if (row := self._store.totp(user_id)) is not None:
            if row.confirmed_at is not None:
                raise NotAllowed("There is already an authenticator app. Remove it first.")
            self._store.delete(row)
        row = TotpSecretRow(
            id=new_id("totp_", self._random),
            user_id=user_id,
            name="Authenticator app",
            sealed=self._totp.sealed(self._totp.new(), user_id),
            created_at=self._clock(),
            last_step=0,
        )
        self._store.add(row)
        return self._setup(row)

    def pending_totp(self, user_id: str) -> TotpSetup | None:
        """What the app must be told, until a code has confirmed that it was."""
        row = self._store.totp(user_id)
        return None if row is None or row.confirmed_at else self._setup(row)

    def confirm_totp(self, user_id: str, code: str) -> list[str]:
        """Count the app as a factor: `code` proves that it has the secret.

        New recovery codes if this is the first factor. `InvalidField` for a wrong code.
        """
        self._authorize(user_id)
        row, now = self._store.totp(user_id), self._clock()
        if row is None or row.confirmed_at is not None:
            raise NotFound("authenticator app to confirm for the user", user_id)
        step = self._totp.matching_step(row.sealed, user_id, code, now)
        if step is None or step <= row.last_step:
            raise InvalidField("code", "is wrong: enter the code that the app shows now")
        first = not self._rows(user_id)
        row.confirmed_at, row.last_step = now, step
        self._store.session.flush()
        self._trail.note("factor.added", user_id, factor_id=row.id, kind=TOTP)
        return self._new_recovery_codes(user_id) if first else []

    def add_passkey(self, passkey: NewPasskey, name: str) -> list[str]:
        """Add a passkey. New recovery codes if this is the first factor."""
        user_id = passkey.user_id
        self._authorize(user_id)
        if len(self._store.passkey_rows(user_id)) >= MAX_PASSKEYS:
            raise NotAllowed(f"A user has at most {MAX_PASSKEYS} passkeys. Remove one first.")
        if not self._store.use_challenge(passkey.challenge):
            raise InvalidField("passkey", "was registered before")
        if self._store.find_passkey(passkey.credential_id):
            raise AlreadyExists("a passkey", "passkey")
        first = not self._rows(user_id)
        row = PasskeyRow(
            id=new_id("passkey_", self._random),
            user_id=user_id,
            name=name,
            credential_id=passkey.credential_id,
            public_key=passkey.public_key,
            sign_count=passkey.sign_count,
            transports=list(passkey.transports),
            is_synced=passkey.is_synced,
            created_at=self._clock(),
        )
        self._store.add(row)
        self._trail.note("factor.added", user_id, factor_id=row.id, kind=PASSKEY)
        return self._new_recovery_codes(user_id) if first else []

    def renew_recovery_codes(self, user_id: str) -> list[str]:
        """New codes in place of all earlier ones, which cannot be shown again."""
        self._authorize(user_id)
        if not self._rows(user_id):
            raise NotAllowed("Recovery codes are for users with a second factor.")
        return self._new_recovery_codes(user_id)

    def remove(self, user_id: str, factor_id: str) -> None:
        """Remove one factor, for the user themself: tokens stay valid."""
        self._authorize(user_id)
        for row in self._rows(user_id):
            if row.id == factor_id:
                self._removed(row)
                return
        raise NotFound("second factor", factor_id)

    def revoke(self, user_id: str, factor_id: str) -> None:
        """Remove one factor, for an administrator, and end what the user is signed in to."""
        self.remove(user_id, factor_id)
        self._revocations.subject(user_id)

    def reset(self, user_id: str) -> None:
        """Remove all factors and recovery codes, and end what the user is signed in to."""
        self._authorize(user_id)
        if (pending := self._store.totp(user_id)) and not pending.confirmed_at:
            self._store.delete(pending)
        for row in self._rows(user_id):
            self._removed(row)
        self._revocations.subject(user_id)
        self._trail.note("user.factors_reset", user_id)

    def _rows(self, user_id: str) -> list[TotpSecretRow | PasskeyRow]:
        totp = self._store.totp(user_id)
        confirmed = [totp] if totp and totp.confirmed_at else []
        return [*confirmed, *self._store.passkey_rows(user_id)]

    def _removed(self, row: TotpSecretRow | PasskeyRow) -> None:
        self._store.delete(row)
        if not self._rows(row.user_id):
            self._store.replace_recovery_codes(row.user_id, [])
        self._trail.note("factor.removed", row.user_id, factor_id=row.id, kind=_kind(row))

    def _new_recovery_codes(self, user_id: str) -> list[str]:
        codes = self._recovery_codes.new()
        digests = [self._recovery_codes.digest(user_id, code) for code in codes]
        self._store.replace_recovery_codes(user_id, digests)
        self._trail.note("factor.recovery_codes_renewed", user_id)
        return codes

    def _setup(self, row: TotpSecretRow) -> TotpSetup:
        return self._totp.setup(row.sealed, row.user_id, self._user(row.user_id).username)

    def _authorize(self, user_id: str) -> None:
        self._user(user_id)
        self._authority.authorize_change(principal=user_id)

    def _user(self, user_id: str) -> UserRow:
        return self._users.get(user_id)


def _factor(row: TotpSecretRow | PasskeyRow) -> Factor:
    return Factor(
        id=row.id,
        kind=_kind(row),
        name=row.name,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
    )


def _kind(row: TotpSecretRow | PasskeyRow) -> Literal["totp", "passkey"]:
    return "totp" if isinstance(row, TotpSecretRow) else "passkey"
