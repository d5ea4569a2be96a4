"""Reading records from SQL: a fixed number of queries, however much a principal has."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from issuer.algorithms import AlgorithmInUse
from issuer.database.tables import (
    AssignmentRow,
    AudienceRow,
    ClientAudienceRow,
    ClientRow,
    ClientSecretRow,
    RoleRow,
    UserRow,
)
from issuer.directory.records import (
    AudienceRecord,
    ClientRecord,
    Rights,
    RoleGrant,
    SecretRecord,
    UserRecord,
)
from issuer.fields import fold_id


def load_client(session: Session, client_id: str, own_audience: str) -> ClientRecord | None:
    """The client of exactly this id, by the same statements whether it exists or not.

    The time of the answer must not reveal that a client is unknown.
    """
    row = session.scalars(select(ClientRow).where(ClientRow.client_id == client_id)).one_or_none()
    audiences = session.scalars(
        select(AudienceRow)
        .join(ClientAudienceRow, ClientAudienceRow.audience_id == AudienceRow.id)
        .where(ClientAudienceRow.client_id == client_id)
    ).all()
    secrets = session.scalars(
        select(ClientSecretRow).where(ClientSecretRow.client_id == client_id)
    ).all()
    roles = _role_grants(session, client_id)
    if row is None:
        return None
    return ClientRecord(
        client_id=row.client_id,
        disabled=row.disabled,
        grant_types=frozenset(row.grant_types),
        audiences={each.id: _audience(each, own_audience) for each in audiences},
        access_token_ttl=row.access_token_ttl,
        claims=row.claims,
        may_set_session=row.may_set_session,
        rights=Rights(frozenset(row.scopes), roles),
        secrets=tuple(SecretRecord(each.id, each.digest, each.expires_at) for each in secrets),
    )


def load_user(session: Session, user_id: str) -> UserRecord | None:
    """The user of exactly this id."""
    row = session.scalars(select(UserRow).where(UserRow.id == user_id)).one_or_none()
    if row is None:
        return None
    rights = Rights(frozenset(), _role_grants(session, user_id))
    return UserRecord(row.id, row.username, row.disabled, row.claims, rights, row.password_hash)


def load_audience(session: Session, audience_id: str, own_audience: str) -> AudienceRecord | None:
    """The audience of exactly this id."""
    row = session.get(AudienceRow, audience_id)
    return None if row is None else _audience(row, own_audience)


def _audience(row: AudienceRow, own_audience: str) -> AudienceRecord:
    return AudienceRecord(
        id=row.id,
        signing_alg=AlgorithmInUse(row.signing_alg, row.previous_alg, row.alg_changes_at),
        access_token_ttl=row.access_token_ttl,
        include_roles=row.include_roles,
        is_own=row.id == own_audience,
    )


def _role_grants(session: Session, principal_id: str) -> tuple[RoleGrant, ...]:
    found = session.execute(
        select(RoleRow.name, AssignmentRow.audience_id, RoleRow.scopes)
        .join(AssignmentRow, AssignmentRow.role_name == RoleRow.name)
        .where(AssignmentRow.folded_id == fold_id(principal_id))
    )
    return tuple(RoleGrant(name, audience, frozenset(scopes)) for name, audience, scopes in found)
