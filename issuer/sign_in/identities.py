"""Identities: accounts at trusted issuers with which users sign in, known by issuer and `sub`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from random import Random
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from issuer.authority import Grantor
from issuer.database.store import as_model, new_id
from issuer.database.tables import Given, IdentityRow, TrustedIssuerRow, UserRow
from issuer.directory import UserRecord
from issuer.directory.records import ProviderRecord, TrustedIssuerRecord
from issuer.directory.store import load_trusted_issuer, load_users
from issuer.errors import InvalidCredentials, NotAllowed, UnknownReference
from issuer.fields.fields import Fields, Label
from issuer.fields.ids import RoleName
from issuer.fields.usernames import is_username
from issuer.languages import N_
from issuer.refresh_tokens.store import FamilyStore
from issuer.resources import WithinTransaction, one_of
from issuer.resources.resource_type import Member
from issuer.sign_in.identities_store import IdentityStore
from issuer.sign_in.provider_claims import MAX_SUBJECT, ProviderClaims, is_subject
from issuer.sign_in.session_revoker import SessionRevoker
from issuer.sign_in.sessions_store import SessionStore
from issuer.users.store import UserStore
from issuer.users.user import UserFields
from issuer.users.users import Users, note_grantor

MAX_IDENTITIES = 20


def _subject(text: str) -> str:
    if not is_subject(text):
        raise ValueError(f"must have 1 to {MAX_SUBJECT} printable ASCII characters")
    return text


class IdentityFields(Fields):
    """The members of an identity that an operator sets: the id of a trusted issuer, its `sub`."""

    issuer: Annotated[
        RoleName,
        Member(
            label="Trusted issuer",
            help="The id of the trusted issuer.",
            metavar="ID",
            names="trusted issuer",
        ),
    ]
    subject: Annotated[
        str, AfterValidator(_subject), Member(label="Account", help="The sub of the person there.")
    ]
    name: Annotated[
        Label, Member(label="Name", help="What you call it, until the person signs in.")
    ] = Field("", description="What people read, until the person signs in.")


class Identity(BaseModel):
    """An identity: `groups` are those that gave roles when the person last signed in."""

    id: str
    issuer: str
    subject: str
    name: str
    groups: list[str]
    created_at: datetime
    last_used_at: datetime | None


class Refused(StrEnum):
    """Why nobody signs in, although the trusted issuer vouches for the person."""

    ISSUER = "the trusted issuer is not one where people sign in"
    CLAIM = "a required claim is missing or another"
    NOT_LINKED = "no user is linked to the account, and the issuer provisions none"
    NO_USERNAME = "the account has no name that a user can have"
    USERNAME_TAKEN = "the user name of the account is taken: the account is not linked to it"
    DISABLED = "the user is disabled"
    NOT_BY_ADMIN = (
        "a group gives rights at the issuer, and nobody with issuer:admin has linked the account"
    )


class ArrivalRefused(InvalidCredentials):
    """`why`; `reason` says more, for the audit log."""

    def __init__(self, why: Refused, more: str = "", user_id: str | None = None) -> None:
        super().__init__(f"{why.value}{more}", user_id)
        self.why = why


@dataclass(frozen=True, slots=True)
class Arrival:
    """The user as they are after signing in with this identity; `is_new`: just provisioned."""

    user: UserRecord
    identity_id: str
    is_new: bool


@dataclass(eq=False, repr=False)
class Identities(WithinTransaction):
    """Identities, within one transaction. Errors are those of `issuer.errors`."""

    _users: Users
    _random: Random

    def __post_init__(self) -> None:
        super().__post_init__()
        self._store = IdentityStore(self._session)
        self._user_store = UserStore(self._session)

    def of_user(self, user_id: str) -> list[Identity]:
        """The identities of the user, oldest first."""
        self._user_store.get(user_id)
        return self._read(self._store.of_user(user_id))

    def get(self, user_id: str, identity_id: str) -> Identity:
        return one_of(self.of_user(user_id), identity_id, "identity")

    def made_user(self, user_id: str) -> bool:
        """Whether a trusted issuer made the user, and so keeps name and address."""
        return any(row.made_user for row in self._store.of_user(user_id))

    def link(
        self, user_id: str, issuer_id: str, subject: str, name: str, grantor: Grantor | None
    ) -> Identity:
        """Let whoever has this `sub` at the trusted issuer sign in as the user; else `NotAllowed`.

        `grantor` is who lets them; None: the user, in a session that stems from others.
        """
        self._authority.authorize_change(principal=user_id)
        user = self._user_store.get(user_id)
        issuer = load_trusted_issuer(self._session, issuer_id)
        if issuer is None:
            raise UnknownReference("issuer", "trusted issuer", issuer_id)
        if issuer.sign_in is None:
            raise NotAllowed(f"People do not sign in at the trusted issuer {issuer_id}.")
        if self._store.find(issuer_id, subject):
            raise NotAllowed(N_("This account is linked to a user already. Unlink it there first."))
        others = self._store.of_user(user_id)
        if len(others) >= MAX_IDENTITIES:
            raise NotAllowed(N_("A user has at most 20 identities. Unlink one first."))
        has_others = bool(others) or self._has_own_way_in(user)
        note_grantor(user, grantor, is_only_way=not has_others)
        given = grantor or self._grantor_of_session(user, others)
        row = self._add(user_id, issuer_id, subject, name, given)
        self._note("linked", row)
        return self._read([row])[0]

    def unlink(self, user_id: str, identity_id: str) -> None:
        """Unlink it, and end the sessions that began there with the access tokens of the user."""
        self._authority.authorize_change(principal=user_id)
        row = self._row(user_id, identity_id)
        sessions = self._end_sessions([row])
        are_revoked = self._revocations.revoke_access_of([user_id], with_own=True)
        self._session.delete(row)
        self._session.flush()
        self._note("unlinked", row, sessions=sessions, access_tokens_revoked=are_revoked)

    def unlink_own(self, user_id: str, identity_id: str) -> None:
        """`unlink` by the user themself; `NotAllowed` for the only way to sign in."""
        row, rows = self._row(user_id, identity_id), self._store.of_user(user_id)
        has_password = self._user_store.get(user_id).password_hash is not None
        if len(rows) == 1 and not (has_password or self._user_store.has_passkey(user_id)):
            raise NotAllowed(N_("Set a password first: this account is the only way to sign in."))
        self.unlink(user_id, row.id)

    def arrive(self, issuer: TrustedIssuerRecord, claims: ProviderClaims) -> Arrival:
        """The user for whom the trusted issuer vouches, with the groups that it says.

        The claims are of a token that was verified with the keys of this issuer. Where allowed, a
        user is provisioned, who has the name and address of the last arrival. A lost group revokes
        the access tokens of the user. `ArrivalRefused`, and nothing is changed.
        """
        provider = self._provider(issuer)
        if (name := claims.first_missing(provider.required_claims)) is not None:
            raise ArrivalRefused(Refused.CLAIM, f": {name}")
        row = self._store.find(issuer.id, claims.subject)
        is_new = row is None
        if row is None:
            row = self._provision(issuer, provider, claims)
        elif self._user_store.get(row.user_id).disabled:
            raise ArrivalRefused(Refused.DISABLED, user_id=row.user_id)
        elif row.made_user and (claims.is_complete or claims.email):
            self._users.follow(row.user_id, self._profile(row.user_id, claims))
        if claims.groups is not None:
            self._set_groups(row, claims.groups, claims.no_groups)
        self._store.note_use(row.id, claims.name, self._clock())
        (user,) = load_users(self._session, [row.user_id], self._clock()).values()
        return Arrival(user, row.id, is_new)

    def end_sessions_at(self, issuer_id: str) -> Mapping[str, object]:
        """End what began at the trusted issuer; details for the audit log."""
        rows = self._store.of_issuer(issuer_id)
        sessions = self._end_sessions(rows)
        used = {row.user_id for row in rows if row.last_used_at is not None}
        are_revoked = self._revocations.revoke_access_of(used, with_own=True)
        return {"sessions": sessions, "access_tokens_revoked": are_revoked}

    def _provider(self, issuer: TrustedIssuerRecord) -> ProviderRecord:
        """The provider as the database has it now: the record may be older."""
        now = load_trusted_issuer(self._session, issuer.id)
        if now is None or not now.is_for_people or now.issuer != issuer.issuer:
            raise ArrivalRefused(Refused.ISSUER)
        assert now.sign_in is not None
        return now.sign_in

    def _provision(
        self, issuer: TrustedIssuerRecord, provider: ProviderRecord, claims: ProviderClaims
    ) -> IdentityRow:
        if not provider.provision:
            raise ArrivalRefused(Refused.NOT_LINKED)
        if claims.username is None or not is_username(claims.username):
            raise ArrivalRefused(Refused.NO_USERNAME, f": {provider.username_claim}")
        if self._user_store.find_by_username(claims.username):
            raise ArrivalRefused(Refused.USERNAME_TAKEN)
        names = ("username", "email", "email_verified", "name")
        user = self._users.create(UserFields(**{each: getattr(claims, each) for each in names}))
        # Only administrators let an issuer provision users.
        by = self._session.get_one(TrustedIssuerRow, issuer.id)
        grantor = Grantor(by.given_by, by.given_as)
        note_grantor(self._user_store.get(user.id), grantor, is_only_way=True)
        row = self._add(user.id, issuer.id, claims.subject, claims.name, grantor)
        row.made_user = True
        self._note("provisioned", row)
        return row

    def _profile(self, user_id: str, claims: ProviderClaims) -> dict[str, object]:
        """The members of a user whom the issuer made, as it says them now; else they stay.

        Name and address are those of a provisioning client that has changed the user since.
        """
        user = self._user_store.get(user_id)
        if user.scim is not None:
            return {"email_verified": claims.email_verified and claims.email == user.email}
        name = (claims.name_at_issuer if claims.is_complete else "") or user.name
        email = {"email": claims.email or user.email, "email_verified": claims.email_verified}
        return {"name": name, **email}

    def _set_groups(self, row: IdentityRow, groups: frozenset[str], no_groups: str) -> None:
        """Keep those of the groups that give roles. `no_groups` is why there are none."""
        roles = self._store.roles_of(row.issuer_id)
        said = groups & {each.group for each in roles}
        before = frozenset(self._store.groups_of([row.id])[row.id])
        gained, lost = said - before, before - said
        own = self._authority.own_audience
        if any(each.group in gained and each.audience_id == own for each in roles):
            if not Grantor(row.given_by, row.given_as).is_admin:
                raise ArrivalRefused(Refused.NOT_BY_ADMIN, user_id=row.user_id)
            self._authority.watch_privileges()
        if not (gained or lost):
            return
        self._store.remove_groups(row.id, lost)
        self._store.add_groups(row.id, gained)
        details: dict[str, object] = {"gained": sorted(gained), "lost": sorted(lost)}
        if no_groups:
            details["reason"] = no_groups
        if lost:
            details["access_tokens_revoked"] = self._revocations.revoke_access_of([row.user_id])
        self._note("groups_changed", row, **details)

    def _end_sessions(self, rows: Sequence[IdentityRow]) -> int:
        """How many there were. With refresh tokens that have outlived such sessions."""
        revoker = SessionRevoker(self._session, self._trail, self._clock)
        sessions = SessionStore(self._session).of_identities([row.id for row in rows])
        used = {row.user_id for row in rows if row.last_used_at is not None}
        FamilyStore(self._session).end_outliving(used)
        return sum(revoker.session(each, with_offline=True) for each in sessions)

    def _grantor_of_session(self, user: UserRow, others: Sequence[IdentityRow]) -> Grantor:
        """Who gave one of the ways to sign in, by preference one that no admin gave."""
        given: list[Given] = [*others, *([user] if self._has_own_way_in(user) else [])]
        grantors = [Grantor(each.given_by, each.given_as) for each in given]
        not_of_admins = [each for each in grantors if not each.is_admin]
        return (not_of_admins or grantors or [Grantor(None, None)])[0]

    def _has_own_way_in(self, user: UserRow) -> bool:
        return user.password_hash is not None or self._user_store.has_factor(user.id)

    def _add(
        self, user_id: str, issuer_id: str, subject: str, name: str, grantor: Grantor
    ) -> IdentityRow:
        made = {"id": new_id("idn_", self._random), "created_at": self._clock()}
        given = {"given_by": grantor.by, "given_as": grantor.given_as}
        account = {"issuer_id": issuer_id, "subject": subject, "name": name}
        row = IdentityRow(user_id=user_id, **made, **account, **given)
        self._session.add(row)
        self._session.flush()
        return row

    def _row(self, user_id: str, identity_id: str) -> IdentityRow:
        self._user_store.get(user_id)
        return one_of(self._store.of_user(user_id), identity_id, "identity")

    def _read(self, rows: Sequence[IdentityRow]) -> list[Identity]:
        groups = self._store.groups_of([row.id for row in rows])
        return [as_model(Identity, e, issuer=e.issuer_id, groups=groups[e.id]) for e in rows]

    def _note(self, what: str, row: IdentityRow, **details: object) -> None:
        about = {"identity": row.id, "issuer": row.issuer_id, "subject": row.subject}
        self._trail.note(f"identity.{what}", row.user_id, **about, **details)
