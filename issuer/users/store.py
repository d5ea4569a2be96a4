"""Users in SQL."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, delete, func, literal, select, union_all, update
from sqlalchemy.orm import InstrumentedAttribute

from issuer.authority import Grantor
from issuer.database.conditions import Attribute, Condition, FilteredStore
from issuer.database.store import in_parts, rows_changed
from issuer.database.tables import (
    GroupMemberRow,
    IdentityRow,
    InvitationRow,
    KnownAddressRow,
    PasskeyRow,
    SignInSessionRow,
    TotpSecretRow,
    UserRow,
)
from issuer.fields.usernames import fold_username, is_username
from issuer.users.attempts import NEVER

# As a SCIM client sent it, also empty. Without one, `name` is made of other parts that it sent.
_IS_SENT = Attribute.within(UserRow.scim, "displayName").column.is_not(None)
_DISPLAY_NAME = case(
    (UserRow.scim.is_(None), func.nullif(UserRow.name, "")), (_IS_SENT, UserRow.name)
)
# Of the first address, which is that of the user; without a label it is one of work.
_LABEL = func.coalesce(Attribute.within(UserRow.scim, "emails", 0, "type").column, "work")
_EMAIL_LABEL = case((UserRow.email.is_not(None), _LABEL))


def _sign_ins(at: InstrumentedAttribute[Any], user_id: InstrumentedAttribute[str]) -> Select[Any]:
    """When sign-ins of a user were, by what one table keeps of them."""
    return select(at.label("at")).where(user_id == UserRow.id).correlate(UserRow)


_SIGN_INS_BY_TABLE = (
    _sign_ins(SignInSessionRow.authenticated_at, SignInSessionRow.user_id).where(
        SignInSessionRow.second_factor_due.is_(False)
    ),
    _sign_ins(KnownAddressRow.succeeded_at, KnownAddressRow.user_id),
    _sign_ins(PasskeyRow.last_used_at, PasskeyRow.user_id).where(
        PasskeyRow.last_used_at.is_not(None)
    ),
    _sign_ins(IdentityRow.last_used_at, IdentityRow.user_id).where(
        IdentityRow.last_used_at.is_not(None)
    ),
)
_SIGN_INS = union_all(*_SIGN_INS_BY_TABLE).subquery()
# When a user last signed in, as far as it is kept; else null.
LAST_SIGN_IN = select(func.max(_SIGN_INS.c.at)).scalar_subquery()
LOCKED = "locked"
_MOST_INVITED = 10_000


def _lacks(*of_user: Select[Any]) -> Condition:
    """Whether a user has none of these: looked up for each user.

    Not by EXISTS, for which PostgreSQL reads these tables as a whole.
    """
    return and_(*(each.limit(1).scalar_subquery().is_(None) for each in of_user))


def _of_user(user_id: Any) -> Select[Any]:
    return select(user_id).where(user_id == UserRow.id).correlate(UserRow)


def _invited(now: datetime) -> Condition:
    """Whether a user has an open invitation: one of the first `_MOST_INVITED`."""
    invited = select(InvitationRow.user_id).where(InvitationRow.expires_at > now)
    return UserRow.disabled.is_(False) & UserRow.id.in_(invited.limit(_MOST_INVITED))


_ATTRIBUTES = {
    "id": Attribute(UserRow.id),
    "username": Attribute(UserRow.folded_username, fold_username),
    "external_id": Attribute(UserRow.external_id),
    "display_name": Attribute(_DISPLAY_NAME, any_case=True),
    "email": Attribute(UserRow.email, any_case=True),
    "email_label": Attribute(_EMAIL_LABEL, any_case=True),
    "disabled": Attribute(UserRow.disabled),
    "created_at": Attribute(UserRow.created_at),
    "updated_at": Attribute(UserRow.updated_at),
}


class UserStore(FilteredStore[UserRow]):
    kind = "user"
    row = UserRow
    searched = (UserRow.folded_id, UserRow.folded_username)
    sorted_by = {
        "username": UserRow.folded_username,
        "name": func.lower(UserRow.name),
        "email": func.lower(func.coalesce(UserRow.email, "")),
        "created_at": UserRow.created_at,
        "last_sign_in_at": func.coalesce(LAST_SIGN_IN, literal(NEVER, LAST_SIGN_IN.type)),
    }
    also_searched = (UserRow.name, UserRow.email)
    filters = {
        "no known sign-in": lambda _: _lacks(*_SIGN_INS_BY_TABLE),
        "no second factor": lambda _: _lacks(
            _of_user(TotpSecretRow.user_id), _of_user(PasskeyRow.user_id)
        ),
        "invited": _invited,
        "disabled": lambda _: UserRow.disabled.is_(True),
    }
    few = ("invited", LOCKED)

    def attribute(self, *path: str | int) -> Attribute:
        """A member of users, or the text that a path leads to in what SCIM clients sent."""
        if len(path) == 1 and path[0] in _ATTRIBUTES:
            return _ATTRIBUTES[path[0]]
        return Attribute.within(UserRow.scim, *path)

    def of_ids(self, user_ids: Sequence[str]) -> Condition:
        return UserRow.id.in_(user_ids)

    def in_group(self, group_id: str) -> Condition:
        row = GroupMemberRow
        return UserRow.id.in_(select(row.user_id).where(row.group_id == group_id))

    def find_by_username(self, username: str) -> UserRow | None:
        """The user of that name, whatever its case or Unicode form."""
        if not is_username(username):
            return None  # PostgreSQL rejects NUL and unpaired surrogates
        return self.one(UserRow, UserRow.folded_username == fold_username(username))

    def ids_by_username(self, folded: Collection[str]) -> dict[str, str]:
        """The ids of the users with these folded names, by folded name."""
        query = select(UserRow.folded_username, UserRow.id)
        parts = (query.where(UserRow.folded_username.in_(part)) for part in in_parts(folded))
        return {name: key for part in parts for name, key in self.session.execute(part)}

    def with_verified_email(self, address: str, limit: int) -> Sequence[UserRow]:
        """At most `limit` users with this verified address, in any case; by an index."""
        verified = UserRow.verified_email
        same = func.lower(verified) == func.lower(address)
        query = select(UserRow).where(same, verified.is_not(None), verified == UserRow.email)
        return self.session.scalars(query.order_by(UserRow.id).limit(limit)).all()

    def usernames(self, first: str, limit: int) -> Sequence[str]:
        """At most `limit` names, from `first` on, in the order of their folded forms."""
        query = select(UserRow.username).where(UserRow.folded_username >= fold_username(first))
        return self.session.scalars(query.order_by(UserRow.folded_username).limit(limit)).all()

    def renew_hash(self, user_id: str, old: str, new: str) -> None:
        """Store the same password hashed with new parameters, unless it was changed meanwhile."""
        same = update(UserRow).where(UserRow.id == user_id, UserRow.password_hash == old)
        self.session.execute(same.values(password_hash=new))

    def has_passkey(self, user_id: str) -> bool:
        return self.has(PasskeyRow.user_id == user_id)

    def has_factor(self, user_id: str) -> bool:
        return self.has_passkey(user_id) or self.has(TotpSecretRow.user_id == user_id)

    def has_identity(self, user_id: str) -> bool:
        """Whether the user signs in with an account at a trusted issuer."""
        return self.has(IdentityRow.user_id == user_id)

    def give_access(self, user_id: str, grantor: Grantor) -> None:
        """Count identities and the invitation as given by `grantor`, unless that is an admin."""
        if grantor.is_admin:
            return
        for row in (IdentityRow, InvitationRow):
            of_user = update(row).where(row.user_id == user_id)
            given = {"given_by": grantor.by, "given_as": grantor.given_as}
            self.session.execute(of_user.values(**given))

    def delete_invitation(self, user_id: str) -> bool:
        """Whether there was one."""
        invitation = delete(InvitationRow).where(InvitationRow.user_id == user_id)
        return rows_changed(self.session, invitation) == 1
