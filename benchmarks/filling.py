"""Fills a database with very many users, clients and roles, directly through the tables.

The domain packages would take hours, because of their checks. The rows are those they would write.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import insert

from issuer.clients import ClientFields
from issuer.clock import Clock
from issuer.composition import Composition
from issuer.database.tables import (
    AssignmentRow,
    Base,
    ClientAudienceRow,
    ClientRow,
    ClientSecretRow,
    PrincipalRow,
    RoleRow,
    UserRow,
)
from issuer.vocabulary import GrantType, RegisteredBy
from tests.builders import PASSWORD, Credentials

IN_A_TRANSACTION = 10_000
AUDIENCE = "my-os"
_CLIENT = {
    **ClientFields(
        grant_types=[GrantType.CLIENT_CREDENTIALS, GrantType.PASSWORD],
        scopes=["agents:read", "agents:run"],
    ).model_dump(exclude={"audiences"}),  # they have a table of their own
    "registered_by": RegisteredBy.ADMIN,
    "pinned": False,
}
Rows = dict[type[Base], dict[str, Any]]


class Filling:
    """Fills the database of `services`, which has the audience already and no server yet."""

    def __init__(self, services: Composition) -> None:
        self._services = services
        self._password_hash = services.sign_in.passwords.hash(PASSWORD)
        now = Clock()()
        self._created = {"created_at": now}
        self._new = {**self._created, "updated_at": now, "version": 1}
        self._roles: Sequence[str] = ()

    def roles(self, number: int) -> None:
        """Call it first: users and clients are assigned these roles."""
        self._roles = [f"role-{n}" for n in range(number)]
        self._write(number, self._role)

    def users(self, number: int) -> None:
        """`user-0` and so on, each with two roles, all with the test password."""
        self._write(number, self._user)
        self._assign(number, "usr_{:020}", (1, 7))

    def clients(self, number: int) -> list[Credentials]:
        """Each with a secret of its own and a role."""
        secrets = [self._services.tokens.client_secrets.new() for _ in range(number)]
        made = [Credentials(f"client-{n:06}", secret) for n, secret in enumerate(secrets)]
        self._write(number, lambda n: self._client(n, made[n]))
        self._assign(number, "client-{:06}", (3,))
        return made

    def _role(self, number: int) -> Rows:
        scopes = ["agents:read", "agents:run", f"agents:agent-{number}:run"]
        return {RoleRow: {"name": self._roles[number], "description": "", "scopes": scopes}}

    def _user(self, number: int) -> Rows:
        user_id, username = f"usr_{number:020}", f"user-{number}"
        user = {
            **_principal(user_id),
            "id": user_id,
            "username": username,
            "folded_username": username,
            "email": f"{username}@example.com",
            "name": f"User {number}",
            "claims": {},
            "disabled": False,
            "password_hash": self._password_hash,
        }
        return {PrincipalRow: {**_principal(user_id), "kind": "user"}, UserRow: user}

    def _client(self, number: int, made: Credentials) -> Rows:
        own = {"client_id": made.client_id}
        client = {
            **_CLIENT,
            **_principal(made.client_id),
            **own,
            "name": f"Client {number}",
        }
        secret = {
            **own,
            "id": f"secret_{number:020}",
            "digest": self._services.tokens.client_secrets.digest(
                made.client_id, made.client_secret
            ),
            "label": "",
            "expires_at": None,
        }
        return {
            PrincipalRow: {**_principal(made.client_id), "kind": "client"},
            ClientRow: client,
            ClientAudienceRow: {**own, "audience_id": AUDIENCE},
            ClientSecretRow: secret,
        }

    def _assign(self, number: int, principal: str, steps: Sequence[int]) -> None:
        if not self._roles:
            return
        for step in steps:
            self._write(
                number,
                lambda n, step=step: {
                    AssignmentRow: {
                        **_principal(principal.format(n)),
                        "role_name": self._roles[(n * step + step) % len(self._roles)],
                        "audience_id": None if step == 1 else AUDIENCE,
                    }
                },
            )

    def _write(self, number: int, rows_of: Callable[[int], Rows]) -> None:
        for first in range(0, number, IN_A_TRANSACTION):
            tables: dict[type[Base], list[dict[str, Any]]] = {}
            for n in range(first, min(first + IN_A_TRANSACTION, number)):
                for table, row in rows_of(n).items():
                    tables.setdefault(table, []).append(self._stamped(table, row))
            with self._services.database.transaction() as session:
                for table, rows in tables.items():
                    session.connection().execute(insert(table), rows)

    def _stamped(self, table: type[Base], row: dict[str, Any]) -> dict[str, Any]:
        if table in {RoleRow, UserRow, ClientRow}:
            return {**row, **self._new}
        return {**row, **self._created} if table is ClientSecretRow else row


def _principal(principal_id: str) -> dict[str, str]:
    return {"folded_id": principal_id.lower()}
