"""What ends where a user or a client gets rights at the issuer.

Whoever prepared an account or a client before must not have them afterwards: what could act as it
and was given without `issuer:admin` ends with the change, or is confirmed by id.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from issuer.audit import Trail
from issuer.authority.access_store import TRUSTED_ISSUER, AccessStore
from issuer.authority.authority import Authority
from issuer.authority.credentials import CredentialsNotKept, Grantor, MembersNotKept, member_key
from issuer.clock import Clock
from issuer.database import Session
from issuer.database.tables import ClientRow, UserRow
from issuer.revocations import Revocations


class NewPrivileges:
    """Who gets rights at the issuer in this transaction; `warnings` of who cannot sign in now."""

    def __init__(
        self,
        session: Session,
        trail: Trail,
        clock: Clock,
        authority: Authority,
        revocations: Revocations,
    ) -> None:
        self._store = AccessStore(session)
        self._trail = trail
        self._clock = clock
        self._authority = authority
        self._revocations = revocations
        self._kept: set[str] = set()
        self.warnings: list[str] = []

    def keep(self, credential_ids: Iterable[str], members: Iterable[str] = ()) -> None:
        """Confirm, by id, credentials of clients that others gave and users in groups."""
        self._kept |= {*credential_ids, *map(member_key, members)}

    def check_invariants(self) -> None:
        """Call at the end, and before what depends on it. Raises `NotKept` with what it names."""
        new = self._authority.newly_privileged()
        self._check_members(new.holders)
        clients = self._store.clients(new.holders)
        self._check_credentials(clients, new.trusted_issuers)
        for client in clients:
            if not self._authority.is_created(client.client_id):
                self._revocations.revoke_client(client.client_id)
        for user in self._store.users(new.holders):
            self._end_access(user, self._clock())

    def _check_members(self, holders: Collection[str]) -> None:
        found = self._store.members_not_of_admins(holders)
        if missing := [each for each in found if each.id not in self._kept]:
            raise MembersNotKept(missing)
        self._store.keep_members(found, self._authority.grantor)
        for kept in found:
            about = {"user_id": kept.user_id, "given_by": kept.given_by}
            self._trail.note("group.member_kept", kept.group_id, **about)

    def _check_credentials(
        self, clients: Iterable[ClientRow], trusted_issuers: Collection[str]
    ) -> None:
        found = self._store.trusted_issuers_not_of_admins(trusted_issuers)
        for client in clients:
            found += self._store.credentials_not_of_admins(client)
        if missing := [each for each in found if each.id not in self._kept]:
            raise CredentialsNotKept(missing)
        self._store.keep(found, self._authority.grantor)
        for kept in found:
            action, target = "client.credential_kept", kept.client_id
            if kept.kind == TRUSTED_ISSUER:
                action, target = "trusted_issuer.kept", kept.id.rpartition("@")[0]
            about = {"kind": kept.kind, "credential": kept.id, "given_by": kept.given_by}
            self._trail.note(action, target, **about)

    def _end_access(self, user: UserRow, now: datetime) -> None:
        is_new = self._authority.is_created(user.id)
        if self._store.can_sign_in(user) and not is_new:
            self._revocations.revoke_subject(user.id)
        ended = {} if is_new else self._store.end_invitation(user)
        ended |= self._store.end_identities(user)
        grantor = Grantor(user.given_by, user.given_as)
        if not grantor.is_admin:
            ended |= dict.fromkeys(self._store.end_sign_in_methods(user, now), grantor.by)
        if not ended:
            return
        self._trail.note("user.access_ended", user.id, given_by=ended)
        if not self._store.can_sign_in(user):
            self.warnings.append(
                f"The user {user.username} has rights at the issuer now and cannot sign in:"
                " credentials that others gave have ended. Set a password, or invite the user"
                " again."
            )
