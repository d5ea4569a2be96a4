"""What can act as a user or a client, in SQL."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, or_, select, update

from issuer.authority.credentials import (
    GivenCredential,
    GivenMember,
    Grantor,
    digest_of,
    given,
    not_of_admins,
)
from issuer.database.store import Statements, in_parts, rows_changed
from issuer.database.tables import (
    ClientRow,
    ClientSecretRow,
    GroupMemberRow,
    GroupRow,
    IdentityRow,
    InvitationRow,
    PasskeyRow,
    RecoveryCodeRow,
    TotpSecretRow,
    TrustedIssuerRow,
    UserRow,
)
from issuer.vocabulary import GivenAs

SECRET, TRUSTED_ISSUER = "secret", "trusted_issuer"
_CONTENT = {*TrustedIssuerRow.__table__.c.keys()} - {
    *("version", "created_at", "updated_at", "given_by", "given_as")
}


class AccessStore(Statements):
    """Reads and ends what can act as a user or a client, within one transaction."""

    def users(self, folded_ids: Collection[str]) -> list[UserRow]:
        """The users among these principals, in order of id."""
        return [*self.among(select(UserRow), UserRow.folded_id, sorted(folded_ids))]

    def clients(self, folded_ids: Collection[str]) -> list[ClientRow]:
        """The clients among these principals, in order of id."""
        return [*self.among(select(ClientRow), ClientRow.folded_id, sorted(folded_ids))]

    def end_invitation(self, user: UserRow) -> dict[str, str | None]:
        """Delete the invitation, unless an admin made it and did not mail it; what there was."""
        row = self.session.get(InvitationRow, user.id)
        if row is None:
            return {}
        if row.verifies_email is None and Grantor(row.given_by, row.given_as).is_admin:
            return {}
        self.session.delete(row)
        self.session.flush()
        return {"invitation": row.given_by}

    def passkeys(self, user: UserRow) -> Sequence[PasskeyRow]:
        return self.session.scalars(select(PasskeyRow).where(PasskeyRow.user_id == user.id)).all()

    def can_sign_in(self, user: UserRow) -> bool:
        """Whether the user has a password, a passkey or an account at a trusted issuer."""
        return user.password_hash is not None or bool(self.passkeys(user) or self._identities(user))

    def end_identities(self, user: UserRow) -> dict[str, str | None]:
        """Unlink the accounts at trusted issuers that no admin linked; which, and who did."""
        rows = self._identities(user)
        ended = [row for row in rows if not Grantor(row.given_by, row.given_as).is_admin]
        for row in ended:
            self.session.delete(row)
        self.session.flush()
        return {row.id: row.given_by for row in ended}

    def end_sign_in_methods(self, user: UserRow, now: datetime) -> list[str]:
        """Delete password, passkeys, authenticator app and recovery codes; what there was."""
        ended = ["password"] if user.password_hash is not None else []
        totp = self.session.get(TotpSecretRow, user.id)
        factors: list[PasskeyRow | TotpSecretRow] = [*self.passkeys(user)]
        for factor in [*factors, *([totp] if totp else [])]:
            ended.append(factor.id)
            self.session.delete(factor)
        codes = delete(RecoveryCodeRow).where(RecoveryCodeRow.user_id == user.id)
        if rows_changed(self.session, codes):
            ended.append("recovery codes")
        user.password_hash = user.given_by = user.given_as = None
        user.updated_at = now
        self.session.flush()
        return ended

    def credentials_not_of_admins(self, client: ClientRow) -> list[GivenCredential]:
        """The secrets, keys, trusts and redirect URIs that nobody with `issuer:admin` gave."""
        query = select(ClientSecretRow).where(ClientSecretRow.client_id == client.client_id)
        secrets = [
            GivenCredential(SECRET, row.id, row.label, client.client_id, row.given_by)
            for row in self.session.scalars(query.order_by(ClientSecretRow.id))
            if not Grantor(row.given_by, row.given_as).is_admin
        ]
        return [*secrets, *not_of_admins(client)]

    def trusted_issuers_not_of_admins(self, ids: Collection[str]) -> list[GivenCredential]:
        """Trusted issuers that somebody without `issuer:admin` made or changed."""
        found = []
        query = select(TrustedIssuerRow).order_by(TrustedIssuerRow.id)
        for row in self.among(query, TrustedIssuerRow.id, sorted(ids)):
            if not Grantor(row.given_by, row.given_as).is_admin:
                # A digest, not the version, which restarts where one is deleted and made anew.
                named = f"{row.id}@{digest_of({name: getattr(row, name) for name in _CONTENT})}"
                found.append(GivenCredential(TRUSTED_ISSUER, named, row.issuer, "", row.given_by))
        return found

    def members_not_of_admins(self, folded_ids: Collection[str]) -> list[GivenMember]:
        """Members of the groups among these whom nobody with `issuer:admin` added."""
        row = GroupMemberRow
        query = (
            select(GroupRow.id, GroupRow.name, UserRow.id, UserRow.username, row.given_by)
            .join(row, row.group_id == GroupRow.id)
            .join(UserRow, UserRow.id == row.user_id)
            .where(or_(row.given_as.is_(None), row.given_as == GivenAs.OTHER))
            .order_by(GroupRow.folded_name, UserRow.folded_username)
        )
        parts = (query.where(GroupRow.folded_id.in_(ids)) for ids in in_parts(sorted(folded_ids)))
        return [GivenMember(*each) for part in parts for each in self.session.execute(part)]

    def keep_members(self, members: Iterable[GivenMember], grantor: Grantor) -> None:
        """Count these as added by `grantor` from now on."""
        for each in members:
            row = self.session.get_one(GroupMemberRow, (each.group_id, each.user_id))
            row.given_by, row.given_as = grantor.by, grantor.given_as
        self.session.flush()

    def keep(self, credentials: Iterable[GivenCredential], grantor: Grantor) -> None:
        """Count these as given by `grantor` from now on. The resources keep their versions."""
        values = {"given_by": grantor.by, "given_as": grantor.given_as}
        for each in credentials:
            if each.kind == SECRET:
                secret = update(ClientSecretRow).where(ClientSecretRow.id == each.id)
                self.session.execute(secret.values(**values))
            elif each.kind == TRUSTED_ISSUER:
                issuer_id = each.id.rpartition("@")[0]
                issuer = update(TrustedIssuerRow).where(TrustedIssuerRow.id == issuer_id)
                self.session.execute(issuer.values(**values))
            else:
                self._keep_of_client(each, grantor)

    def _keep_of_client(self, credential: GivenCredential, grantor: Grantor) -> None:
        row = self.session.get_one(ClientRow, credential.client_id)
        grantors = {**(row.credentials_given or {}), **given([credential.id], grantor)}
        client = update(ClientRow).where(ClientRow.client_id == credential.client_id)
        self.session.execute(client.values(credentials_given=grantors))
        self.session.refresh(row, ["credentials_given"])

    def _identities(self, user: UserRow) -> Sequence[IdentityRow]:
        query = select(IdentityRow).where(IdentityRow.user_id == user.id)
        return self.session.scalars(query.order_by(IdentityRow.id)).all()
