"""Factors, recovery codes, invitations, challenges in SQL. One statement uses one of them, once."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, func, select, update

from issuer.database.store import Statements, as_record, insert_new, rows_changed
from issuer.database.tables import (
    IdentityRow,
    InvitationRow,
    PasskeyRow,
    RecoveryCodeRow,
    TotpSecretRow,
    UsedChallengeRow,
    UserRow,
)
from issuer.sign_in.challenges import Challenge
from issuer.sign_in.passkeys import StoredPasskey
from issuer.users.store import LAST_SIGN_IN


@dataclass(frozen=True, slots=True)
class SignInMethods:
    """How a user can sign in; until when an invitation can be accepted. Nothing secret.

    `last_sign_in_at` is null if nothing is known: a password leaves no trace for long.
    """

    has_password: bool
    has_app: bool
    has_passkey: bool
    has_identity: bool
    invited_until: datetime | None
    last_sign_in_at: datetime | None = None

    @property
    def can_sign_in(self) -> bool:
        """Whether there is a first factor: an app only follows a password."""
        return self.has_password or self.has_passkey or self.has_identity


class FactorStore(Statements):
    def totp(self, user_id: str) -> TotpSecretRow | None:
        return self.session.get(TotpSecretRow, user_id)

    def passkey_rows(self, user_id: str) -> Sequence[PasskeyRow]:
        """The passkeys of the user, oldest first."""
        query = select(PasskeyRow).where(PasskeyRow.user_id == user_id)
        return self.session.scalars(query.order_by(PasskeyRow.created_at, PasskeyRow.id)).all()

    def passkeys(self, user_id: str) -> list[StoredPasskey]:
        return [as_record(StoredPasskey, row) for row in self.passkey_rows(user_id)]

    def find_passkey(self, credential_id: bytes) -> StoredPasskey | None:
        row = self.one(PasskeyRow, PasskeyRow.credential_id == credential_id)
        return as_record(StoredPasskey, row) if row else None

    def methods_of(self, user_ids: Sequence[str], now: datetime) -> dict[str, SignInMethods]:
        user, invitation = UserRow, InvitationRow
        query = (
            select(
                user.id,
                user.password_hash.is_not(None),
                exists().where(TotpSecretRow.user_id == user.id),
                exists().where(PasskeyRow.user_id == user.id),
                exists().where(IdentityRow.user_id == user.id),
                invitation.expires_at,
                LAST_SIGN_IN,
            )
            .outerjoin(invitation, (invitation.user_id == user.id) & (invitation.expires_at > now))
            .where(user.id.in_(user_ids))
        )
        return {row[0]: SignInMethods(*row[1:]) for row in self.session.execute(query)}

    def use_step(self, user_id: str, step: int, now: datetime) -> bool:
        """Whether no code of this time step or a later one was accepted before."""
        row = TotpSecretRow
        before = update(row).where(row.user_id == user_id, row.last_step < step)
        return self._changes_one(before.values(last_step=step, last_used_at=now))

    def use_passkey(self, passkey: StoredPasskey, sign_count: int, now: datetime) -> bool:
        """Whether it was not used since it was read, if it counts (WebAuthn §6.1.1)."""
        row = PasskeyRow
        same = update(row).where(row.id == passkey.id, row.sign_count == passkey.sign_count)
        return self._changes_one(same.values(sign_count=sign_count, last_used_at=now))

    def use_challenge(self, challenge: Challenge) -> bool:
        """Whether it was not answered before."""
        return insert_new(self.session, UsedChallengeRow, asdict(challenge))

    def delete_expired(self, before: datetime) -> None:
        """Delete used challenges and invitations that expired before then."""
        for row in (UsedChallengeRow, InvitationRow):
            self.session.execute(delete(row).where(row.expires_at < before))

    def has_recovery_code(self, user_id: str, digest: bytes) -> bool:
        row = self.session.get(RecoveryCodeRow, digest)
        return row is not None and row.user_id == user_id

    def recovery_codes_left(self, user_id: str) -> int:
        query = select(func.count()).where(RecoveryCodeRow.user_id == user_id)
        return self.session.scalars(query).one()

    def use_recovery_code(self, user_id: str, digest: bytes) -> bool:
        row = RecoveryCodeRow
        return self._changes_one(delete(row).where(row.user_id == user_id, row.digest == digest))

    def replace_recovery_codes(self, user_id: str, digests: Iterable[bytes]) -> None:
        self.session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.user_id == user_id))
        self.session.add_all(RecoveryCodeRow(digest=each, user_id=user_id) for each in digests)
        self.session.flush()

    def invitation(self, digest: bytes) -> InvitationRow | None:
        return self.one(InvitationRow, InvitationRow.digest == digest)

    def use_invitation(self, digest: bytes, now: datetime) -> str | None:
        """The user it was for, unless it has expired or was used."""
        row = InvitationRow
        used = delete(row).where(row.digest == digest, row.expires_at > now)
        return self.session.scalars(used.returning(row.user_id)).one_or_none()

    def _changes_one(self, statement: Any) -> bool:
        return rows_changed(self.session, statement) == 1
