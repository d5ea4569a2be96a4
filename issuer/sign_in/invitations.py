"""Invitations: a secret link, stored as a keyed digest, sets the first password or passkey."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

import pydantic

from issuer.authority import Grantor
from issuer.database.store import as_record
from issuer.database.tables import InvitationRow, UserRow
from issuer.directory.store import load_issuers_of_people
from issuer.errors import InvalidField, NotAllowed, NotFound
from issuer.fields.fields import Fields
from issuer.fields.secret_text import SecretTexts
from issuer.fields.times import in_seconds, lifetime
from issuer.languages import N_
from issuer.mail import NotSent, Outbox, Texts
from issuer.resources import WithinTransaction
from issuer.resources.resource_type import Control, Member
from issuer.scopes import ISSUER_ADMIN, covers
from issuer.sign_in.factors import Factors
from issuer.sign_in.factors_store import FactorStore
from issuer.sign_in.identities import Identities
from issuer.sign_in.passkeys import NewPasskey
from issuer.users.passwords import NewPassword
from issuer.users.store import UserStore
from issuer.users.user import USER
from issuer.users.users import Users, note_grantor
from issuer.vocabulary import GivenAs

SHORTEST, LONGEST = timedelta(minutes=5), timedelta(days=30)
DEFAULT = timedelta(hours=72)


def _within_bounds(value: timedelta) -> timedelta:
    if not SHORTEST <= value <= LONGEST:
        raise ValueError("must be 5 minutes to 30 days")
    return value


InvitationLifetime = Annotated[
    timedelta,
    pydantic.BeforeValidator(lifetime),
    pydantic.AfterValidator(_within_bounds),
    pydantic.PlainSerializer(in_seconds, return_type=int),
    pydantic.WithJsonSchema({"type": "integer", "minimum": 300, "maximum": 2592000}),
]


class InvitationFields(Fields):
    """The members of an invitation that an operator sets."""

    # The default as in requests: pydantic would write it in ISO 8601.
    lifetime: Annotated[
        InvitationLifetime,
        Member(
            label="How long the link works",
            help="How long the link works. Default: 72h.",
            metavar="DURATION",
        ),
    ] = pydantic.Field(DEFAULT, json_schema_extra={"default": in_seconds(DEFAULT)})
    by_email: Annotated[
        bool,
        Member(
            label="Send it",
            help="Send it to the e-mail address of the user, and show it to nobody: accepting it"
            " verifies the address. Needs ISSUER_SMTP_URL.",
            control=Control.SWITCH,
            option="--by-email",
        ),
    ] = pydantic.Field(
        False,
        description="The issuer sends the link to the e-mail address of the user, and shows it to"
        " nobody: accepting it verifies the address. Needs `ISSUER_SMTP_URL`.",
    )


class NewInvitation(pydantic.BaseModel):
    """A link to send to the person, which cannot be shown again; or where the issuer sends it."""

    url: str | None = pydantic.Field(None, description="The link, unless the issuer sends it.")
    expires_at: datetime
    sent_to: str | None = pydantic.Field(
        None, description="The address to which the issuer sends the link."
    )
    replaces: datetime | None = pydantic.Field(
        None, description="When an earlier link, which no longer works, would have expired."
    )


@dataclass(frozen=True, slots=True)
class Invitation:
    """A valid invitation. `needs_password`: the user has a second factor, which stays.

    `verifies_email`: where it was sent. `only_at`: the trusted issuer that is the only way in.
    """

    user_id: str
    username: str
    name: str
    expires_at: datetime
    needs_password: bool
    verifies_email: str | None
    only_at: str | None
    digest: bytes = field(repr=False)
    grantor: Grantor


@dataclass(eq=False, repr=False)
class Invitations(WithinTransaction):
    """Invitations, within one transaction. Errors are those of `issuer.errors`."""

    _users: Users
    _factors: Factors
    _identities: Identities
    _tokens: SecretTexts
    _issuer: str
    _outbox: Outbox | None
    _texts: Texts

    def __post_init__(self) -> None:
        super().__post_init__()
        self._store = FactorStore(self._session)
        self._user_store = UserStore(self._session)

    def create(self, user_id: str, fields: InvitationFields) -> NewInvitation:
        """A new invitation in place of an earlier one; `by_email` shows nobody the link."""
        user = self._authorize(user_id)
        if user.disabled:
            raise NotAllowed("The user is disabled. Enable it first.")
        to = self._address(user) if fields.by_email else None
        token, digest = self._tokens.new()
        now, grantor = self._clock(), self._authority.grantor
        times = {"created_at": now, "expires_at": now + fields.lifetime}
        given = {"given_by": grantor.by, "given_as": grantor.given_as}
        of_link = {"digest": digest, "verifies_email": to}
        row = InvitationRow(user_id=user_id, **of_link, **given, **times)
        replaced = self._factors.methods_of(user_id)[user_id].invited_until
        self._user_store.delete_invitation(user_id)
        self._session.add(row)
        self._session.flush()
        self._trail.note("invitation.created", user_id, expires_at=row.expires_at.isoformat())
        url = f"{self._issuer}/invitation/{token}"
        made: dict[str, Any] = {"expires_at": row.expires_at}
        if replaced is not None:
            made["replaces"] = replaced
        if to is None:
            return NewInvitation(url=url, **made)
        assert self._outbox is not None
        texts = self._texts.for_reader(user.language)
        about = (user.id, user.username, to, url, row.expires_at)
        message = texts.invitation(*about, invited_by=self._inviter())
        try:
            self._outbox.add(message)
        except NotSent as error:
            raise NotAllowed(str(error)) from None
        return NewInvitation(sent_to=to, **made)

    def _inviter(self) -> str:
        """The name of the person who invites; empty where that is a service or the command line."""
        by = self._authority.grantor.by
        row = self._user_store.find(by) if by else None
        return (row.name or row.username) if row else ""

    def _address(self, user: UserRow) -> str:
        """An address of now, in the same transaction, is that of whoever gives the rights."""
        if self._outbox is None:
            raise InvalidField(
                "by_email",
                "needs mail, which is off: set ISSUER_SMTP_URL and ISSUER_SMTP_FROM, or make a link"
                " without it and send that yourself, which does not verify the address",
            )
        if user.email is None:
            raise InvalidField("by_email", "needs an email of the user")
        may_be_of_others = not self._authority.is_created(user.id)
        if may_be_of_others and self._authority.holds_rights(user.id):
            raise NotAllowed(
                "The user has rights at the issuer, and somebody without issuer:admin may have set"
                " the address. Make a link without by_email, and send it yourself."
            )
        return user.email

    def delete(self, user_id: str) -> None:
        """Make the link of the user useless."""
        self._authorize(user_id)
        if not self._user_store.delete_invitation(user_id):
            raise NotFound("invitation of the user", user_id)
        self._trail.note("invitation.deleted", user_id)

    def find(self, token: str) -> Invitation | None:
        """The invitation of that token; None if it has expired, was used, or is void. Reads only.

        Void if its maker may not invite the user now, or the user has another address.
        """
        digest = self._tokens.digest(token)
        row = self._store.invitation(digest) if digest else None
        if row is None or row.expires_at <= self._clock():
            return None
        user = self._user_store.get(row.user_id)
        if user.disabled or row.verifies_email not in {None, user.email}:
            return None
        if (grantor := self._grantor_now(row)) is None:
            return None
        names = {"username": user.username, "name": user.name}
        more = {"only_at": self._only_way(user.id), "grantor": grantor}
        has_factors = bool(self._factors.of_user(user.id))
        return as_record(Invitation, row, needs_password=has_factors, **names, **more)

    def accept_with_password(self, token: str, password: NewPassword) -> str:
        """Set the password, once; the id of the user. A second factor of the user stays."""
        invitation = self._use(token)
        self._users.set_password(invitation.user_id, password, grantor=invitation.grantor)
        return invitation.user_id

    def accept_with_passkey(
        self, token: str, passkey: NewPasskey, name: str
    ) -> tuple[str, list[str]]:
        """Add the passkey, once; user id and recovery codes. Not for one with a second factor."""
        invitation = self._use(token)
        if invitation.needs_password:
            raise NotAllowed("This user has a second factor: the invitation sets a password.")
        if passkey.user_id != invitation.user_id:
            raise NotAllowed("The passkey is of another user.")
        codes = self._factors.add_passkey(passkey, name)
        user = self._user_store.get(invitation.user_id)
        has_others = user.password_hash is not None or self._user_store.has_identity(user.id)
        note_grantor(user, invitation.grantor, is_only_way=not has_others)
        self._revocations.revoke_subject(invitation.user_id)
        return invitation.user_id, codes

    def accept_with_account(self, token: str, issuer_id: str, subject: str, name: str) -> None:
        """Link the account, once; `NotAllowed` for one that is linked, or with a second factor."""
        invitation = self._use(token, issuer_id)
        if invitation.needs_password:
            raise NotAllowed("This user has a second factor: the invitation sets a password.")
        user_id, grantor = invitation.user_id, invitation.grantor
        self._identities.link(user_id, issuer_id, subject, name, grantor)
        self._revocations.revoke_subject(user_id)

    def _use(self, token: str, issuer_id: str | None = None) -> Invitation:
        """The invitation, used up; `issuer_id`: where the account is by which it is accepted."""
        invitation = self.find(token)
        if invitation and invitation.only_at not in {None, issuer_id}:
            raise NotAllowed(N_("Accept the invitation with the account that its page names."))
        if invitation is None or not self._store.use_invitation(invitation.digest, self._clock()):
            raise NotAllowed(N_("The invitation has expired, or was used already."))
        address = invitation.verifies_email
        is_news = address is not None and self._users.verify_email(invitation.user_id, address)
        more = {"email_verified": True} if is_news else {}
        self._trail.note("invitation.accepted", invitation.user_id, **more)
        return invitation

    def _only_way(self, user_id: str) -> str | None:
        issuers = load_issuers_of_people(self._session)
        only = next((each.id for each in issuers if each.is_only_way), None)
        is_admin = only and covers(self._authority.scopes_held(user_id), ISSUER_ADMIN)
        return None if is_admin else only

    def _grantor_now(self, row: InvitationRow) -> Grantor | None:
        """Who made it, with the rights they have now; None if they may not invite the user now.

        One that goes to the address of the user is no word of an admin on who that is.
        """
        grantor, since = Grantor(row.given_by, row.given_as), row.created_at
        if self._authority.may_still(grantor, ISSUER_ADMIN, since):
            return grantor if row.verifies_email is None else Grantor(grantor.by, GivenAs.OTHER)
        if self._authority.holds_rights(row.user_id):
            return None
        may_invite = grantor.by is None or self._authority.may_still(grantor, USER.write, since)
        return Grantor(grantor.by, GivenAs.OTHER) if may_invite else None

    def _authorize(self, user_id: str) -> UserRow:
        row = self._user_store.get(user_id)
        self._authority.authorize_change(principal=user_id)
        return row
