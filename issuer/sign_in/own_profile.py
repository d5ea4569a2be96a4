"""What people change of their own profile: name, language, and the address once it is confirmed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from issuer.database.tables import UserRow
from issuer.errors import InvalidField, NotAllowed
from issuer.fields.fields import can_receive_mail
from issuer.languages import N_
from issuer.mail import MailMessage, NotSent
from issuer.sign_in.identities import Identities
from issuer.sign_in.mailed_links import MailedLinks

LIFETIME = timedelta(hours=1)
_KEPT = N_("Whoever provides your account keeps your name and address. Change them there.")


@dataclass(frozen=True, slots=True)
class NewAddress:
    """The address that a link confirms, of the user for whom it was made."""

    user_id: str
    email: str
    expires_at: datetime


@dataclass(eq=False, repr=False)
class OwnProfile(MailedLinks):
    """The profile of the person who acts, within one transaction. It ends no session and token.

    A link to the new address confirms it, so nobody takes that of others; the old one is told.
    """

    _identities: Identities

    def is_kept_elsewhere(self, user_id: str) -> bool:
        """Whether a provider or a provisioning client sets name and address, again and again."""
        row = self._store.get(user_id)
        return row.scim is not None or self._identities.made_user(user_id)

    def change(self, user_id: str, patch: Mapping[str, str | None]) -> None:
        """Change the language, and the name unless it is kept elsewhere."""
        names = {"language"} if self.is_kept_elsewhere(user_id) else {"language", "name"}
        user = self._users.get(user_id)
        changed = {n: v for n, v in patch.items() if n in names and v != getattr(user, n)}
        if changed:
            self._users.update(user_id, changed)

    def ask_for(self, user_id: str, email: str) -> bool:
        """Send a link that confirms the address; without mail it counts at once, not verified.

        Whether a link was sent. `InvalidField` for no address, `NotAllowed` after too many
        messages, or where the address is kept elsewhere.
        """
        if self.is_kept_elsewhere(user_id):
            raise NotAllowed(_KEPT)
        row = self._store.get(user_id)
        if self._outbox is None or not email:
            self._set(row, email or None, verified=False)
            return False
        if not can_receive_mail(email):
            raise InvalidField("email", "cannot receive mail")
        about, state = f"{row.id} {email}", _state(row)
        link, expires_at = self._link("/account/email", about, LIFETIME, state)
        texts = self._texts.for_reader(row.language)
        self._post(texts.new_address(row.id, row.username, email, link, expires_at))
        self._trail.note("user.email_change_requested", row.id)
        return True

    def find(self, user_id: str, token: str) -> NewAddress | None:
        """What the link confirms, for this user and as they are now; None if it does not work."""
        if (read := self._links.read(token)) is None:
            return None
        whose, _, email = read.about.partition(" ")
        if whose != user_id or self.is_kept_elsewhere(user_id):
            return None
        is_valid = self._links.is_valid(read, _state(self._store.get(user_id)), self._clock())
        return NewAddress(user_id, email, read.expires_at) if is_valid else None

    def confirm(self, user_id: str, token: str) -> None:
        """Change the address, once; `NotAllowed` if the link does not work."""
        if (found := self.find(user_id, token)) is None:
            raise NotAllowed(N_("The link has expired, or was used already."))
        self._set(self._store.get(user_id), found.email, verified=True)

    def _set(self, row: UserRow, email: str | None, *, verified: bool) -> None:
        before = row.email
        self._users.update(row.id, {"email": email, "email_verified": verified})
        if self._outbox is not None and before not in {None, email} and can_receive_mail(before):
            texts = self._texts.for_reader(row.language)
            self._post(texts.address_changed(row.id, row.username, before))

    def _post(self, message: MailMessage) -> None:
        assert self._outbox is not None
        try:
            self._outbox.add(message)
        except NotSent as error:
            raise NotAllowed(str(error)) from None


def _state(row: UserRow) -> list[object]:
    return [row.version, row.password_hash, row.email, row.verified_email]
