"""Helpers for refresh tokens: a user who signed in, and the stored families and audit events."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select

from issuer.database.tables import AuditEventRow, RefreshFamilyRow, RevokedTokenRow
from issuer.refresh_tokens.store import FamilyStore
from issuer.roles import Assignment
from issuer.tokens.authorization import Authorization
from tests.builders import Credentials, Deployment
from tests.drivers import TokenAnswer, TokenDriver

GRANTS = ["password", "refresh_token"]


@dataclass(frozen=True)
class SignedIn:
    """A user who signed in through a client, and the response."""

    deployment: Deployment
    endpoint: TokenDriver
    client: Credentials
    user_id: str
    answer: TokenAnswer

    def refresh(self, token: str | None = None, **parameters: str) -> TokenAnswer:
        """By default with the first refresh token."""
        return self.endpoint.refresh(self.client, token or self.answer.refresh_token, **parameters)

    def introspect(self, token: str) -> dict[str, Any]:
        return self.endpoint.introspect(self.client, token)

    def sign_in(self, **parameters: str) -> TokenAnswer:
        """Sign in again: another family."""
        return self.endpoint.password(self.client, "alice", **parameters)


def sign_in(deployment: Deployment, endpoint: TokenDriver, **parameters: str) -> SignedIn:
    """alice, who may run agents and read sessions, through a client with the same scopes."""
    deployment.role("runner", ["agents:run", "sessions:read"])
    client = deployment.client(
        "app",
        scopes=["agents:run", "sessions:read"],
        grant_types=GRANTS,
        may_set_session=True,
    )
    user_id = deployment.user("alice", roles=["runner"])
    answer = endpoint.password(client, "alice", **parameters)
    assert answer.status == 200, answer.body
    return SignedIn(deployment, endpoint, client, user_id, answer)


def in_a_family(deployment: Deployment, authorization: Authorization) -> Authorization:
    """The same for a token of a new refresh family."""
    return replace(authorization, sid=deployment.services.tokens.refresh_tokens.new_family_id())


def assign(alice: SignedIn, role: str) -> None:
    with alice.deployment.changing() as work:
        work.assignments.assign(alice.user_id, Assignment(role=role))


def unassign(alice: SignedIn, role: str) -> None:
    with alice.deployment.changing() as work:
        work.assignments.unassign(alice.user_id, Assignment(role=role))


def change_client(alice: SignedIn, **fields: object) -> None:
    with alice.deployment.changing() as work:
        work.clients.update("app", fields)


def families(deployment: Deployment) -> int:
    """The number of active families."""
    with deployment.services.database.reading() as session:
        store = FamilyStore(session)
        handles = session.scalars(select(RefreshFamilyRow.handle)).all()
        return sum(store.find(handle) is not None for handle in handles)


def revoked(deployment: Deployment) -> set[str]:
    """Revoked `jti`s."""
    return _revoked(deployment, "jti")


def revoked_families(deployment: Deployment) -> set[str]:
    """Revoked `sid`s."""
    return _revoked(deployment, "sid")


def events(deployment: Deployment, action: str) -> list[AuditEventRow]:
    query = select(AuditEventRow).where(AuditEventRow.action == action).order_by(AuditEventRow.id)
    with deployment.services.database.reading() as session:
        return list(session.scalars(query))


def _revoked(deployment: Deployment, kind: str) -> set[str]:
    with deployment.services.database.reading() as session:
        row = RevokedTokenRow
        return set(session.scalars(select(row.id).where(row.kind == kind)))
