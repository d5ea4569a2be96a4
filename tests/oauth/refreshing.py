"""Refresh tokens in tests: somebody who signed in, and what is on record of a family."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select

from issuer.database.tables import AuditEventRow, RefreshFamilyRow, RevokedTokenRow
from issuer.families import FamilyStore
from issuer.roles import Assignment
from issuer.tokens import Authorization
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


def in_a_family(house: House, authorization: Authorization) -> Authorization:
    """The same for a token of a new refresh family."""
    return replace(authorization, sid=house.services.tokens.refresh_tokens.new_family_id())


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
    """How many are active."""
    with house.services.database.reading() as session:
        store = FamilyStore(session)
        handles = session.scalars(select(RefreshFamilyRow.handle)).all()
        return sum(store.find(handle) is not None for handle in handles)


def revoked(house: House) -> set[str]:
    """The `jti`s that were revoked."""
    return _revoked(house, "jti")


def revoked_families(house: House) -> set[str]:
    """The `sid`s that were revoked."""
    return _revoked(house, "sid")


def events(house: House, action: str) -> list[AuditEventRow]:
    query = select(AuditEventRow).where(AuditEventRow.action == action).order_by(AuditEventRow.id)
    with house.services.database.reading() as session:
        return list(session.scalars(query))


def _revoked(house: House, kind: str) -> set[str]:
    with house.services.database.reading() as session:
        row = RevokedTokenRow
        return set(session.scalars(select(row.id).where(row.kind == kind)))
