"""The rules for users."""

from collections.abc import Mapping
from random import Random

from issuer.audit import Trail, differences
from issuer.authority import Authority
from issuer.clock import Clock
from issuer.database import Session
from issuer.database.principals import claim_id, new_id, release_id
from issuer.database.store import as_model
from issuer.database.tables import UserRow
from issuer.errors import AlreadyExists, InvalidField, NotFound
from issuer.revocations import Revocations
from issuer.usernames import fold_username
from issuer.users.attempts_store import AttemptStore
from issuer.users.guard import Marks
from issuer.users.passwords import NewPassword
from issuer.users.store import UserStore
from issuer.users.user import User, UserFields

_PRIVATE = {"claims", "email", "name"}  # the audit log has only the names of these members


class Users:
    """Users and their passwords, within one transaction. Errors are those of `issuer.errors`."""

    def __init__(
        self,
        session: Session,
        trail: Trail,
        clock: Clock,
        authority: Authority,
        revocations: Revocations,
        random: Random,
        marks: Marks,
    ) -> None:
        self._store = UserStore(session)
        self._trail = trail
        self._clock = clock
        self._authority = authority
        self._revocations = revocations
        self._random = random
        self._marks = marks

    def create(self, fields: UserFields) -> User:
        """The new user; sign-in is refused until a password is set."""
        self._require_free(fields.username)
        user_id = fields.id or new_id("usr_", self._random)
        folded_id = claim_id(self._store.session, user_id, self._store.kind)
        now = self._clock()
        row = UserRow(**_stored(fields), folded_id=folded_id, created_at=now, updated_at=now)
        row.id = user_id
        self._store.add(row)
        self._trail.note("user.created", user_id, username=fields.username)
        return as_model(User, row)

    def get(self, user_id: str) -> User:
        return as_model(User, self._store.get(user_id))

    def get_by_username(self, username: str) -> User:
        """The user of that name, whatever its case or Unicode form."""
        if (row := self._store.find_by_username(username)) is None:
            raise NotFound("user", username)
        return as_model(User, row)

    def page(self, after: str | None, limit: int) -> list[User]:
        """At most `limit` users after the id `after`, in order of id."""
        return [as_model(User, row) for row in self._store.page(after, limit)]

    def usernames(self, first: str, limit: int) -> list[str]:
        """At most `limit` user names, from `first` on, in order."""
        return list(self._store.usernames(first, limit))

    def update(self, user_id: str, patch: Mapping[str, object]) -> User:
        """Apply a merge patch (RFC 7396)."""
        fields = as_model(UserFields, self._store.get(user_id)).patched(patch)
        return self.replace(user_id, fields)

    def replace(self, user_id: str, fields: UserFields) -> User:
        """Replace all fields of the user, also with values that no merge patch can set.

        RFC 7396 cannot put a null into `claims`.
        """
        row = self._store.get(user_id)
        before = as_model(UserFields, row)
        if fields.id != user_id:
            raise InvalidField("id", "cannot be changed")
        self._authority.authorize_change(principal=user_id)
        if fold_username(fields.username) != row.folded_username:
            self._require_free(fields.username)
        if fields.disabled and not row.disabled:
            self._revocations.subject(user_id)
        for name, value in _stored(fields).items():
            setattr(row, name, value)
        self._store.changed(row, self._clock())
        self._trail.note("user.updated", user_id, **differences(before, fields, _PRIVATE))
        return as_model(User, row)

    def set_password(self, user_id: str, password: NewPassword) -> None:
        """Set a password prepared beforehand; `InvalidField` if it is the user name.

        Revokes tokens issued for the previous password. Unlocks the user: earlier attempts were
        at another password.
        """
        row = self._store.get(user_id)
        self._authority.authorize_change(principal=user_id)
        if fold_username(password.text) == row.folded_username:
            raise InvalidField("password", "may not be the user name")
        if row.password_hash is not None:
            self._revocations.subject(user_id)
        row.password_hash = password.hash
        self._store.changed(row, self._clock())
        self._forget_attempts(user_id)
        self._trail.note("user.password_set", user_id)

    def revoke_tokens(self, user_id: str) -> None:
        """Revoke every token issued to the user so far."""
        self._store.get(user_id)
        self._authority.authorize_change(principal=user_id)
        self._revocations.subject(user_id)
        self._trail.note("user.tokens_revoked", user_id)

    def unlock(self, user_id: str) -> None:
        """Forget the failed attempts of the user, at known addresses as well."""
        self._store.get(user_id)
        self._authority.authorize_change(principal=user_id)
        self._forget_attempts(user_id)
        self._trail.note("user.unlocked", user_id)

    def delete(self, user_id: str) -> None:
        """Delete the user and all assignments; revoke all tokens. The id may be used again."""
        row = self._store.get(user_id)
        self._authority.authorize_change(principal=user_id)
        self._revocations.subject(user_id)
        self._store.delete(row)
        release_id(self._store.session, user_id)
        self._trail.note("user.deleted", user_id, username=row.username)

    def _forget_attempts(self, user_id: str) -> None:
        AttemptStore(self._store.session).unlock(user_id, self._marks.of_user(user_id))

    def _require_free(self, username: str) -> None:
        if self._store.find_by_username(username):
            raise AlreadyExists("a user", username)


def _stored(fields: UserFields) -> dict[str, object]:
    return {**dict(fields), "folded_username": fold_username(fields.username)}
