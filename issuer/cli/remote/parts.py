"""What a unit of work has beside resources and declared operations, over the admin API."""

from issuer.cli.remote.transaction import ServerTransaction, parsed
from issuer.roles import Assignment, HeldRole
from issuer.roles.operations import request_of
from issuer.sign_in import InvitationFields
from issuer.sign_in.invitations import NewInvitation


class ServerAssignments:
    """The roles of clients, users and groups; each was read before, so that its kind is known."""

    def __init__(self, work: ServerTransaction) -> None:
        self._work = work

    def roles_of(self, principal_id: str) -> list[HeldRole]:
        path = self._work.kinds[principal_id].plural, principal_id, "roles"
        return [parsed(HeldRole, each) for each in self._work.api.items(path)]

    of = roles_of

    def assign(self, principal_id: str, assignment: Assignment, reason: str = "") -> None:
        owner = self._work.kinds[principal_id]
        request = request_of(owner, "assign", principal_id, assignment, reason)
        body = {**(request.body or {}), **self._work.kept} or None
        self._work.change(request.method, *request.path, body=body, **request.query)


class ServerInvitations:
    """Links with which users set passwords."""

    def __init__(self, work: ServerTransaction) -> None:
        self._work = work

    def create(self, user_id: str, fields: InvitationFields) -> NewInvitation:
        body = fields.model_dump(exclude_unset=True)
        return parsed(NewInvitation, self._work.create("users", user_id, "invitation", body=body))

    def delete(self, user_id: str) -> None:
        self._work.change("DELETE", "users", user_id, "invitation")
