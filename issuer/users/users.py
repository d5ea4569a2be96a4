"""The rules for users."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any, TypeVar

from issuer.audit.audit_log_store import AuditLog
from issuer.authority import Grantor
from issuer.database.tables import UserRow
from issuer.errors import AlreadyExists, NotFound
from issuer.fields.ids import fold_id
from issuer.fields.usernames import fold_username
from issuer.resources import Principals, Transaction
from issuer.users.attempts import Tries
from issuer.users.attempts_store import AttemptStore, CounterKeys
from issuer.users.guard import LOCKING, AttemptGuard
from issuer.users.passwords import NewPassword, require_not_username
from issuer.users.store import LOCKED, UserStore
from issuer.users.user import USER, User, UserFields

UserFieldsT = TypeVar("UserFieldsT", bound=UserFields)
UserT = TypeVar("UserT", bound=User)


class UsersWith(Principals[UserRow, UserFieldsT, UserT]):
    """Users and their passwords. Sign-in is refused until a password is set."""

    store_type = UserStore
    id_prefix = "usr_"
    _store: UserStore

    def __init__(
        self,
        transaction: Transaction,
        random: Random,
        counter_keys: CounterKeys,
        guard: AttemptGuard,
    ) -> None:
        super().__init__(transaction, random)
        self._keys = counter_keys
        self._guard = guard

    def update(self, key: str, patch: Mapping[str, object]) -> UserT:
        """`Collection.update`. Whoever says `disabled` again has said so, too."""
        updated = super().update(key, patch)
        if patch.get("disabled"):
            self._store.get(key).disabled_by = None
        return updated

    def find(self, id_or_name: str) -> UserT:
        """The user of that id, else of that name; `NotFound` if there is neither."""
        if row := self._store.find(id_or_name):
            return self._model(row)
        return self.get_by_username(id_or_name)

    def get_by_username(self, username: str) -> UserT:
        """The user of that name, whatever its case or Unicode form."""
        if (row := self._store.find_by_username(username)) is None:
            raise NotFound("user", username)
        return self._model(row)

    def verify_email(self, user_id: str, address: str) -> bool:
        """Note that the person receives mail at `address`; whether that is news."""
        row = self._store.get(user_id)
        if row.email != address or row.email_verified:
            return False
        row.verified_email = address
        self._store.changed(row, self._clock())
        return True

    def follow(self, user_id: str, profile: Mapping[str, object]) -> None:
        """Apply what the provider that made the user says now, without any right of the caller."""
        row = self._store.get(user_id)
        before = self._fields(row)
        if (after := before.patched(profile)) != before:
            self._rewrite(row, before, after)

    def end_access(self, user_id: str) -> None:
        """End all that lets the user in, or acts for them, without any right of the caller.

        Sessions, refresh tokens, authorization codes (also those of devices) and ID-JAGs of before
        open nothing any more, and access tokens, also exchanged ones, are in the revocation feed.
        An open invitation would bring back what ends here.
        """
        self._revocations.revoke_user(user_id)
        if self._store.delete_invitation(user_id):
            self._trail.note("invitation.deleted", user_id)

    def disable_by(self, user_id: str, issuer_id: str, at: datetime) -> None:
        """End the access of the user, and disable them, as a trusted issuer said at that time.

        The last admin stays enabled: nobody could enable them again.
        """
        self.end_access(user_id)
        row = self._store.get(user_id)
        if not row.disabled and not self._is_last_admin(row):
            self.follow(user_id, {"disabled": True})
            row.disabled_by = {"issuer": issuer_id, "at": at.timestamp()}

    def enable_by(self, user_id: str, issuer_id: str, at: datetime) -> None:
        """Enable the user, if an earlier signal of this trusted issuer, and nobody else, did that.

        A signal that was overtaken by the one that disabled the user changes nothing.
        """
        by = self._store.get(user_id).disabled_by
        if by is not None and by["issuer"] == issuer_id and by["at"] <= at.timestamp():
            self.follow(user_id, {"disabled": False})

    def _is_last_admin(self, row: UserRow) -> bool:
        if not self._authority.has_admin():
            return False
        row.disabled = True
        self._session.flush()
        is_last = not self._authority.has_admin()
        row.disabled = False
        return is_last

    def usernames(self, first: str, limit: int) -> list[str]:
        """At most `limit` user names, from `first` on, in order."""
        return list(self._store.usernames(first, limit))

    def ids_by_username(self, folded: Collection[str]) -> dict[str, str]:
        """The ids of the users with these folded names, by folded name."""
        return self._store.ids_by_username(folded)

    def _prefixes(self, text: str) -> list[str]:
        return [fold_id(text), fold_username(text)]

    @property
    def filters(self) -> Sequence[str]:
        return [*super().filters, LOCKED]

    def _only(self, name: str) -> Any:
        return self._store.of_ids(self._locked()) if name == LOCKED else super()._only(name)

    def _locked(self) -> list[str]:
        """Ids of users whose sign-in is locked: of those that were locked lately, by the audit log.

        What counts their attempts does not name them.
        """
        lately = AuditLog(self._session).targets_of_changes(LOCKING)
        tries = self.attempts_of_each(lately)
        return [key for key in lately if self._guard.state_by(tries[key]).locked_until]

    def attempts_of_each(self, user_ids: Iterable[str]) -> dict[str, list[Tries]]:
        """What counts the attempts of each user to sign in, by its id."""
        marks = {user_id: self._keys.of_user(user_id) for user_id in user_ids}
        return AttemptStore(self._session).of_users(marks)

    def set_password(
        self, user_id: str, password: NewPassword, *, grantor: Grantor | None = None
    ) -> None:
        """Set a password prepared beforehand; `InvalidField` if it is the user name.

        Ends sessions and tokens of a user who could sign in before, and unlocks the user.
        `grantor` is who let the user set it, by an invitation.
        """
        row = self._row_to_change(user_id)
        require_not_username(password.text, row.username)
        has_identity = self._store.has_identity(user_id)
        if row.password_hash is not None or self._store.has_passkey(user_id) or has_identity:
            self._revocations.revoke_subject(user_id)
        row.password_hash = password.hash
        grantor = grantor or self._authority.grantor_to(user_id)
        has_others = has_identity or self._store.has_factor(user_id)
        note_grantor(row, grantor, is_only_way=not has_others)
        self._store.changed(row, self._clock())
        self._forget_attempts(user_id)
        self._store.delete_invitation(user_id)  # an old link must not change it later
        self._note("password_set", user_id)

    def unlock(self, user_id: str) -> None:
        """Forget the failed attempts of the user, at known addresses as well."""
        self._row_to_change(user_id)
        self._forget_attempts(user_id)
        self._note("unlocked", user_id)

    def _patched(self, before: UserFieldsT, patch: Mapping[str, object]) -> UserFieldsT:
        """A new address is not verified, unless the patch says so."""
        if "email" in patch and patch["email"] != before.email:
            patch = {"email_verified": False, **patch}
        return super()._patched(before, patch)

    def _authorize(self, before: UserFieldsT | None, after: UserFieldsT | None) -> None:
        if before is not None:
            self._authority.authorize_change(principal=before.id)

    def _write(self, row: UserRow, fields: UserFieldsT) -> None:
        folded = fold_username(fields.username)
        if folded != row.folded_username and self._store.find_by_username(fields.username):
            raise AlreadyExists("user", fields.username)
        if row.folded_username not in {None, folded}:
            # Whoever gives an account another's name may have it get the rights meant for them.
            note_grantor(row, self._authority.grantor, is_only_way=False)
            self._store.give_access(row.id, self._authority.grantor)
        if fields.disabled != row.disabled:
            row.disabled_by = None
        super()._write(row, fields)
        row.folded_username = folded
        row.verified_email = fields.email if fields.email_verified else None

    def _related(self, row: UserRow) -> dict[str, Any]:
        return {"email_verified": row.email_verified}

    def _revoke(self, key: str) -> None:
        self.end_access(key)

    def _forget_attempts(self, user_id: str) -> None:
        AttemptStore(self._session).unlock(user_id, self._keys.of_user(user_id))


class Users(UsersWith[UserFields, User]):
    """Users with the members that operators set."""

    resource_type = USER


def note_grantor(row: UserRow, grantor: Grantor | None, *, is_only_way: bool) -> None:
    """Keep who gave the user a way to sign in, with which the user can add others.

    One of an admin counts where it `is_only_way`. None: the user, by what was given before.
    """
    if grantor is not None and (is_only_way or not grantor.is_admin):
        row.given_by, row.given_as = grantor.by, grantor.given_as
