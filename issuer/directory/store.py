"""Reading records from SQL: a fixed number of queries, however much a principal has."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from issuer.database.tables import (
    AssignmentRow,
    AudienceRow,
    ClientAudienceRow,
    ClientRow,
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


def load_client(session: Session, client_id: str, own_audience: str) -> ClientRecord | None:
    """The client of exactly this id."""
    row = session.scalars(
        select(ClientRow)
        .where(ClientRow.client_id == client_id)
        .options(
            selectinload(ClientRow.audiences).joinedload(ClientAudienceRow.audience),
            selectinload(ClientRow.assignments).joinedload(AssignmentRow.role),
            selectinload(ClientRow.secrets),
        )
    ).one_or_none()
    if row is None:
        return None
    return ClientRecord(
        client_id=row.client_id,
        disabled=row.disabled,
        grant_types=frozenset(row.grant_types),
        audiences={
            each.audience_id: _audience(each.audience, own_audience) for each in row.audiences
        },
        access_token_ttl=row.access_token_ttl,
        claims=row.claims,
        may_set_session=row.may_set_session,
        rights=_rights(row.scopes, row.assignments),
        secrets=tuple(SecretRecord(each.id, each.digest, each.expires_at) for each in row.secrets),
    )


def load_user(session: Session, user_id: str) -> UserRecord | None:
    """The user of exactly this id."""
    row = session.scalars(
        select(UserRow)
        .where(UserRow.id == user_id)
        .options(selectinload(UserRow.assignments).joinedload(AssignmentRow.role))
    ).one_or_none()
    if row is None:
        return None
    return UserRecord(row.id, row.disabled, row.claims, _rights([], row.assignments))


def load_audience(session: Session, audience_id: str, own_audience: str) -> AudienceRecord | None:
    """The audience of exactly this id."""
    row = session.get(AudienceRow, audience_id)
    return None if row is None else _audience(row, own_audience)


def _audience(row: AudienceRow, own_audience: str) -> AudienceRecord:
    return AudienceRecord(
        id=row.id,
        signing_alg=row.signing_alg,
        access_token_ttl=row.access_token_ttl,
        include_roles=row.include_roles,
        is_own=row.id == own_audience,
    )


def _rights(direct: Iterable[str], assignments: Iterable[AssignmentRow]) -> Rights:
    grants = [
        RoleGrant(each.role_name, each.audience_id, frozenset(each.role.scopes))
        for each in assignments
    ]
    return Rights(frozenset(direct), tuple(grants))
