"""Reading records from SQL: a fixed number of queries, however much a principal has."""

from collections import defaultdict
from collections.abc import Callable, Collection
from typing import TypeAlias

from sqlalchemy import ColumnElement, bindparam, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from issuer.algorithms import AlgorithmInUse
from issuer.database.store import as_record
from issuer.database.tables import (
    AssignmentRow,
    AudienceResourceRow,
    AudienceRow,
    ClientAudienceRow,
    ClientRow,
    ClientSecretRow,
    PasskeyRow,
    RoleRow,
    TotpSecretRow,
    TrustedIssuerRow,
    UserRow,
)
from issuer.directory.records import (
    AudienceRecord,
    ClientRecord,
    Rights,
    RoleGrant,
    SecretRecord,
    TrustedIssuerRecord,
    UserRecord,
)
from issuer.fields.ids import fold_id
from issuer.vocabulary import GRANTS_WITH_A_PERSON, AuthMethod, RegisteredBy, UserRights

AreAudiences: TypeAlias = Callable[[InstrumentedAttribute[str]], ColumnElement[bool]]

_HAS_SECOND_FACTOR = or_(
    select(TotpSecretRow.id).where(TotpSecretRow.user_id == UserRow.id).exists(),
    select(PasskeyRow.id).where(PasskeyRow.user_id == UserRow.id).exists(),
).label("has_second_factor")
# As the property of a row.
_EMAIL_VERIFIED = func.coalesce(UserRow.verified_email == UserRow.email, False).label(
    "email_verified"
)
# Built once, and without rows of the ORM: they run with every refresh.
_USERS = select(UserRow.__table__, _EMAIL_VERIFIED, _HAS_SECOND_FACTOR).where(
    UserRow.id.in_(bindparam("ids", expanding=True))
)
_ROLES = (
    select(AssignmentRow.folded_id, RoleRow.name, AssignmentRow.audience_id, RoleRow.scopes)
    .join(AssignmentRow, AssignmentRow.role_name == RoleRow.name)
    .where(AssignmentRow.folded_id.in_(bindparam("folded_ids", expanding=True)))
)


def load_client(session: Session, client_id: str, own_audience: str) -> ClientRecord | None:
    """The client of exactly this id, by the same statements whether it exists or not.

    The time of the answer must not reveal that a client is unknown.
    """
    row = session.scalars(select(ClientRow).where(ClientRow.client_id == client_id)).one_or_none()
    audiences = _audiences(session, _permitted(row, client_id, own_audience), own_audience)
    of_client = select(ClientSecretRow).where(ClientSecretRow.client_id == client_id)
    secrets = session.scalars(of_client).all()
    roles = _role_grants(session, [client_id])[client_id]
    if row is None:
        return None
    return as_record(
        ClientRecord,
        row,
        trusts=tuple(row.trusts),
        grant_types=frozenset(row.grant_types),
        audiences={each.id: each for each in audiences},
        rights=Rights(frozenset(row.scopes), roles),
        secrets=tuple(as_record(SecretRecord, each) for each in secrets),
        redirect_uris=tuple(row.redirect_uris),
        post_logout_redirect_uris=tuple(row.post_logout_redirect_uris),
    )


def new_client(session: Session, client_id: str, own_audience: str) -> ClientRecord:
    """A client by metadata document that is not stored: without rights, at any AgentOS."""
    audiences = _audiences(session, lambda column: column != own_audience, own_audience)
    return ClientRecord(
        client_id=client_id,
        token_endpoint_auth_method=AuthMethod.NONE,
        grant_types=GRANTS_WITH_A_PERSON,
        audiences={each.id: each for each in audiences},
        user_rights=UserRights.ALL,
        registered_by=RegisteredBy.METADATA,
    )


def load_users(session: Session, user_ids: Collection[str]) -> dict[str, UserRecord]:
    """The users of exactly these ids."""
    found = session.connection().execute(_USERS, {"ids": list(user_ids)}).all()
    roles = _role_grants(session, [row.id for row in found])
    return {
        row.id: as_record(UserRecord, row, rights=Rights(frozenset(), roles[row.id]))
        for row in found
    }


def load_trusted_issuer(session: Session, issuer_id: str) -> TrustedIssuerRecord | None:
    """The trusted issuer of exactly this id."""
    row = session.get(TrustedIssuerRow, issuer_id)
    if row is None:
        return None
    algorithms, kinds = tuple(row.algorithms), frozenset(row.kinds)
    return as_record(TrustedIssuerRecord, row, algorithms=algorithms, kinds=kinds)


def load_audience(session: Session, audience_id: str, own_audience: str) -> AudienceRecord | None:
    """The audience of exactly this id."""
    return next(iter(_audiences(session, lambda column: column == audience_id, own_audience)), None)


def _permitted(row: ClientRow | None, client_id: str, own_audience: str) -> AreAudiences:
    """All audiences but the issuer's own for a client that registered itself."""
    if row is not None and row.registered_by is not RegisteredBy.ADMIN:
        return lambda column: column != own_audience
    named = select(ClientAudienceRow.audience_id).where(ClientAudienceRow.client_id == client_id)
    return lambda column: column.in_(named)


def _audiences(session: Session, are: AreAudiences, own_audience: str) -> list[AudienceRecord]:
    rows = session.scalars(select(AudienceRow).where(are(AudienceRow.id))).all()
    named = select(AudienceResourceRow).where(are(AudienceResourceRow.audience_id))
    resources: dict[str, list[str]] = defaultdict(list)
    for each in session.scalars(named):
        resources[each.audience_id].append(each.resource)
    return [_audience(row, resources[row.id], own_audience) for row in rows]


def _audience(row: AudienceRow, resources: list[str], own_audience: str) -> AudienceRecord:
    return as_record(
        AudienceRecord,
        row,
        signing_alg=AlgorithmInUse(row.signing_alg, row.previous_alg, row.alg_changes_at),
        is_own=row.id == own_audience,
        resources=tuple(resources),
    )


def _role_grants(
    session: Session, principal_ids: Collection[str]
) -> dict[str, tuple[RoleGrant, ...]]:
    folded = {fold_id(each): each for each in principal_ids}
    grants: dict[str, list[RoleGrant]] = {each: [] for each in principal_ids}
    for folded_id, name, audience, scopes in session.execute(_ROLES, {"folded_ids": list(folded)}):
        grants[folded[folded_id]].append(RoleGrant(name, audience, frozenset(scopes)))
    return {each: tuple(found) for each, found in grants.items()}
