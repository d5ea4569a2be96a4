"""Refresh tokens in tests: somebody who signed in, and what is on record of a family."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from issuer.database.tables import (
    AuditEventRow,
    RefreshAccessTokenRow,
    RefreshFamilyRow,
    RevokedTokenRow,
)
from issuer.roles import Assignment
from tests.builders import Credentials, House
from tests.drivers import TokenAnswer, TokenEndpoint

GRANTS = ["password", "refresh_token"]


@dataclass(frozen=True)
class SignedIn:
    """A user who signed in through a client, and the answer to that."""

    house: House
    endpoint: TokenEndpoint
    client: Credentials
    user_id: str
    answer: TokenAnswer

    def refresh(self, token: str | None = None, **parameters: str) -> TokenAnswer:
        """With the first refresh token unless told otherwise."""
        return self.endpoint.refresh(self.client, token or self.answer.refresh_token, **parameters)

    def introspect(self, token: str) -> dict[str, Any]:
        return self.endpoint.introspect(self.client, token)

    def sign_in(self, **parameters: str) -> TokenAnswer:
        """Once more: another family."""
        return self.endpoint.password(self.client, "alice", **parameters)


def sign_in(house: House, endpoint: TokenEndpoint, **parameters: str) -> SignedIn:
    """alice, who may run agents and read sessions, through an app that may as well."""
    house.role("runner", ["agents:run", "sessions:read"])
    client = house.client(
        "app",
        scopes=["agents:run", "sessions:read"],
        grant_types=GRANTS,
        may_set_session=True,
    )
    user_id = house.user("alice", roles=["runner"])
    answer = endpoint.password(client, "alice", **parameters)
    assert answer.status == 200, answer.body
    return SignedIn(house, endpoint, client, user_id, answer)


def give(alice: SignedIn, role: str) -> None:
    with alice.house.changing() as rooms:
        rooms.assignments.give(alice.user_id, Assignment(role=role))


def take(alice: SignedIn, role: str) -> None:
    with alice.house.changing() as rooms:
        rooms.assignments.take(alice.user_id, Assignment(role=role))


def change_client(alice: SignedIn, **fields: object) -> None:
    with alice.house.changing() as rooms:
        rooms.clients.update("app", fields)


def families(house: House) -> int:
    """How many are alive on record."""
    return _count(house, RefreshFamilyRow)


def access_tokens(house: House) -> int:
    """How many would end with their family."""
    return _count(house, RefreshAccessTokenRow)


def revoked(house: House) -> set[str]:
    """The `jti`s that were revoked."""
    with house.services.database.reading() as session:
        return set(session.scalars(select(RevokedTokenRow.jti)))


def events(house: House, action: str) -> list[AuditEventRow]:
    query = select(AuditEventRow).where(AuditEventRow.action == action).order_by(AuditEventRow.id)
    with house.services.database.reading() as session:
        return list(session.scalars(query))


def _count(house: House, table: type[RefreshFamilyRow | RefreshAccessTokenRow]) -> int:
    with house.services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0
