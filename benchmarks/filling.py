"""Fills a database with very many rows, directly through the tables.

The domain packages would take hours, because of their checks. The rows are those they would write.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from sqlalchemy import insert

from issuer.clients.client import ClientFields
from issuer.clients.trust import Trust
from issuer.clock import Clock
from issuer.composition import Composition
from issuer.database.tables import (
    AssignmentRow,
    Base,
    ClientAudienceRow,
    ClientRow,
    ClientSecretRow,
    GroupMemberRow,
    GroupRow,
    PrincipalRow,
    RoleRow,
    TrustedIssuerRow,
    UserRow,
    VerifierRow,
)
from issuer.trusted_issuers import TrustedIssuerFields
from issuer.vocabulary import GrantType, RegisteredBy
from tests.builders import PASSWORD, Credentials
from tests.trusting import POD, OtherIssuer

IN_A_TRANSACTION = 10_000
AUDIENCE = "my-os"
TRUSTED_ISSUERS = 100
FIRST_ADDRESS = ip_address("10.0.0.1")
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

    def groups(self, number: int, members: int, users: int) -> None:
        """`group-0` and so on, each with so many of the users and one role."""
        self._write(number, self._group)
        self._write(
            number * members,
            lambda n: {
                GroupMemberRow: {
                    "group_id": f"grp_{n // members:020}",
                    "user_id": f"usr_{n % users:020}",
                }
            },
        )
        self._assign(number, "grp_{:020}", (11,))

    def trusted_issuers(self) -> list[OtherIssuer]:
        """`cluster-0` and so on, all with the same key."""
        first = OtherIssuer.new("https://cluster-0.example")
        urls = (f"https://cluster-{n}.example" for n in range(TRUSTED_ISSUERS))
        issuers = [replace(first, issuer=url) for url in urls]
        self._write(TRUSTED_ISSUERS, lambda n: self._trusted_issuer(n, issuers[n]))
        return issuers

    def verifiers(self, number: int, kids: Sequence[str]) -> None:
        """They reported just now that they hold these keys."""
        now = Clock()()
        row = {
            "audience_id": AUDIENCE,
            "adapter_version": "0.1.0",
            "agno_version": "3.0.11",
            "kids": list(kids),
            "feed_issued_at": now,
            "first_seen_at": now,
            "changed_at": now,
            "seen_at": now,
        }
        self._write(
            number,
            lambda n: {
                VerifierRow: {**row, "address": str(FIRST_ADDRESS + n), "instance": f"{n:032x}"}
            },
        )

    def clients(self, number: int, trusts: int = 0) -> list[Credentials]:
        """Each with a secret of its own and a role; so many, the last, with a trust besides."""
        secrets = [self._services.tokens.client_secrets.new() for _ in range(number)]
        made = [Credentials(f"client-{n:06}", secret) for n, secret in enumerate(secrets)]
        self._write(number, lambda n: self._client(n, made[n], n >= number - trusts))
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

    def _group(self, number: int) -> Rows:
        group_id, name = f"grp_{number:020}", f"group-{number}"
        group = {
            **_principal(group_id),
            "id": group_id,
            "name": name,
            "folded_name": name,
            "description": "",
        }
        return {PrincipalRow: {**_principal(group_id), "kind": "group"}, GroupRow: group}

    def _trusted_issuer(self, number: int, issuer: OtherIssuer) -> Rows:
        fields = TrustedIssuerFields(
            id=f"cluster-{number}", issuer=issuer.issuer, keys={"jwks": issuer.jwks}
        )
        return {TrustedIssuerRow: fields.model_dump()}

    def _client(self, number: int, made: Credentials, has_trust: bool) -> Rows:
        own = {"client_id": made.client_id}
        client = {
            **_CLIENT,
            **_principal(made.client_id),
            **own,
            "name": f"Client {number}",
            "trusts": [trust(number)] if has_trust else [],
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
        if table in {RoleRow, UserRow, GroupRow, ClientRow, TrustedIssuerRow}:
            return {**row, **self._new}
        return {**row, **self._created} if table is ClientSecretRow else row


def trust(number: int) -> dict[str, Any]:
    """Of the client of this number, in a pod of its own."""
    return Trust(
        issuer=f"cluster-{number % TRUSTED_ISSUERS}", subject=f"{POD}-{number}"
    ).model_dump(mode="json")


def _principal(principal_id: str) -> dict[str, str]:
    return {"folded_id": principal_id.lower()}
