"""The second factors of a user: an authenticator app, passkeys, recovery codes."""

from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from issuer.database.store import as_model, new_id
from issuer.database.tables import PasskeyRow, TotpSecretRow
from issuer.errors import AlreadyExists, InvalidField, NotAllowed, NotFound
from issuer.fields.fields import Fields, Label
from issuer.languages import N_
from issuer.resources import WithinTransaction, one_of
from issuer.sign_in.factors_store import FactorStore, SignInMethods
from issuer.sign_in.passkeys import NewPasskey, StoredPasskey
from issuer.sign_in.second_factor import RecoveryCodes, TotpSecrets, TotpSetup
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


class PasskeyFields(Fields):
    """The members of a passkey that its user sets."""

    name: Annotated[Label, Field(min_length=1)]


@dataclass(eq=False, repr=False)
class Factors(WithinTransaction):
    """Second factors, within one transaction. With the first one come recovery codes."""

    _random: Random
    _totp: TotpSecrets
    _recovery_codes: RecoveryCodes

    def __post_init__(self) -> None:
        super().__post_init__()
        self._store = FactorStore(self._session)
        self._users = UserStore(self._session)

    def of_user(self, user_id: str) -> list[Factor]:
        """The factors that count, in order of their ids."""
        self._users.get(user_id)
        rows = sorted(self._rows(user_id), key=lambda row: row.id)
        return [as_model(Factor, row, kind=_kind(row)) for row in rows]

    def get(self, user_id: str, factor_id: str) -> Factor:
        return one_of(self.of_user(user_id), factor_id, "second factor")

    def methods_of(self, *user_ids: str) -> dict[str, SignInMethods]:
        """How each of those users that exist can sign in; one query."""
        return self._store.methods_of(user_ids, self._clock())

    def recovery_codes_left(self, user_id: str) -> int:
        return self._store.recovery_codes_left(user_id)

    def begin_totp(self, user_id: str) -> TotpSetup:
        """A new secret, not yet stored: `confirm_totp` does. `NotAllowed` if there is an app."""
        if self._store.totp(user_id) is not None:
            raise NotAllowed("There is already an authenticator app. Remove it first.")
        return self._totp.begin(user_id, self._users.get(user_id).username)

    def resume_totp(self, user_id: str, sealed: str) -> TotpSetup | None:
        """What `begin_totp` gave for the user; None for any other text."""
        return self._totp.resume(sealed, user_id, self._users.get(user_id).username)

    def confirm_totp(self, user_id: str, sealed: str, code: str) -> list[str]:
        """Add the app, whose secret `code` proves, else `InvalidField`; recovery codes if first."""
        self._authorize(user_id)
        setup, now = self.resume_totp(user_id, sealed), self._clock()
        if setup is None or self._store.totp(user_id) is not None:
            raise NotFound("authenticator app to confirm for the user", user_id)
        box = self._totp.box(setup.sealed)
        step = self._totp.matching_step(box, user_id, code, now)
        if step is None:
            raise InvalidField("code", "is wrong: enter the code that the app shows now")
        about = {"id": new_id("totp_", self._random), "name": "Authenticator app"}
        of_user = {"user_id": user_id, "created_at": now}
        return self._note_added(TotpSecretRow(**about, **of_user, sealed=box, last_step=step))

    def passkeys(self, user_id: str) -> list[StoredPasskey]:
        """The passkeys of the user, which an authenticator need not make again."""
        return self._store.passkeys(user_id)

    def add_passkey(self, passkey: NewPasskey, name: str) -> list[str]:
        """Add a passkey. New recovery codes if this is the first factor."""
        user_id, name = passkey.user_id, PasskeyFields.read({"name": name}).name
        self._authorize(user_id)
        if len(self._store.passkey_rows(user_id)) >= MAX_PASSKEYS:
            raise NotAllowed(N_("A user has at most 20 passkeys. Remove one first."))
        if not self._store.use_challenge(passkey.challenge):
            raise InvalidField("passkey", "was registered before")
        if self._store.find_passkey(passkey.credential_id):
            raise AlreadyExists("a passkey", "passkey")
        made = {"id": new_id("passkey_", self._random), "created_at": self._clock(), "name": name}
        names = ("user_id", "credential_id", "public_key", "sign_count", "is_synced")
        members = {each: getattr(passkey, each) for each in names}
        transports = list(passkey.transports)
        return self._note_added(PasskeyRow(**made, **members, transports=transports))

    def renew_recovery_codes(self, user_id: str) -> list[str]:
        """New codes in place of all earlier ones, which cannot be shown again."""
        self._authorize(user_id)
        if not self._rows(user_id):
            raise NotAllowed("Recovery codes are for users with a second factor.")
        return self._new_recovery_codes(user_id)

    def remove(self, user_id: str, factor_id: str) -> None:
        """Remove a factor, for the user; `NotAllowed` for the only passkey without a password."""
        passkeys = [row.id for row in self._store.passkey_rows(user_id)]
        if passkeys == [factor_id] and self._users.get(user_id).password_hash is None:
            raise NotAllowed(N_("Set a password first: this passkey is the only way to sign in."))
        self._remove(user_id, factor_id)

    def revoke(self, user_id: str, factor_id: str) -> None:
        """Remove one factor, for an administrator, and end what the user is signed in to."""
        self._remove(user_id, factor_id)
        self._revocations.revoke_subject(user_id)

    def reset(self, user_id: str) -> None:
        """Remove all factors and recovery codes, and end what the user is signed in to."""
        self._authorize(user_id)
        for row in self._rows(user_id):
            self._note_removed(row)
        self._revocations.revoke_subject(user_id)
        if self._users.delete_invitation(user_id):  # it would bring back what ends here
            self._trail.note("invitation.deleted", user_id)
        self._trail.note("user.factors_reset", user_id)

    def _note_added(self, row: TotpSecretRow | PasskeyRow) -> list[str]:
        is_first = not self._rows(row.user_id)
        self._session.add(row)
        self._session.flush()
        self._trail.note("factor.added", row.user_id, factor_id=row.id, kind=_kind(row))
        return self._new_recovery_codes(row.user_id) if is_first else []

    def _remove(self, user_id: str, factor_id: str) -> None:
        self._authorize(user_id)
        self._note_removed(one_of(self._rows(user_id), factor_id, "second factor"))

    def _rows(self, user_id: str) -> list[TotpSecretRow | PasskeyRow]:
        totp = self._store.totp(user_id)
        return [*([totp] if totp else []), *self._store.passkey_rows(user_id)]

    def _note_removed(self, row: TotpSecretRow | PasskeyRow) -> None:
        self._session.delete(row)
        self._session.flush()
        if not self._rows(row.user_id):
            self._store.replace_recovery_codes(row.user_id, [])
        self._trail.note("factor.removed", row.user_id, factor_id=row.id, kind=_kind(row))

    def _new_recovery_codes(self, user_id: str) -> list[str]:
        codes = self._recovery_codes.new()
        digests = [self._recovery_codes.digest(user_id, code) for code in codes]
        self._store.replace_recovery_codes(user_id, digests)
        self._trail.note("factor.recovery_codes_renewed", user_id)
        return codes

    def _authorize(self, user_id: str) -> None:
        self._users.get(user_id)
        self._authority.authorize_change(principal=user_id)


def _kind(row: TotpSecretRow | PasskeyRow) -> Literal["totp", "passkey"]:
    return "totp" if isinstance(row, TotpSecretRow) else "passkey"
