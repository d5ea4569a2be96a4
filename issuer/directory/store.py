"""Reading records from SQL: a fixed number of queries, however much a principal has."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session, joinedload

from issuer.algorithms import AlgorithmInUse
from issuer.database.held_roles import THROUGH_GROUPS, THROUGH_ISSUERS
from issuer.database.store import as_record
from issuer.database.tables import (
    AssignmentRow,
    AudienceResourceRow,
    AudienceRow,
    ClientActRuleRow,
    ClientAudienceRow,
    ClientRow,
    ClientScopeExpiryRow,
    ClientSecretRow,
    ClientTrustSubjectRow,
    GroupRow,
    IdentityGroupRow,
    IdentityRow,
    PasskeyRow,
    ProviderRoleRow,
    RoleRow,
    TotpSecretRow,
    TrustedIssuerRow,
    UserRow,
)
from issuer.directory.records import (
    ActingClient,
    AudienceRecord,
    ClientRecord,
    ExternalAudience,
    MayAct,
    ProviderRecord,
    Rights,
    RoleGrant,
    SecretRecord,
    Through,
    TrustedIssuerRecord,
    UserRecord,
)
from issuer.fields.ids import fold_id
from issuer.fields.times import has_ended
from issuer.scopes import live_scopes
from issuer.vocabulary import GRANTS_WITH_A_PERSON, MAX_ACTORS, AuthMethod, RegisteredBy, UserRights

MAX_ACTING = 200  # of one audience, through others included

AreAudiences: TypeAlias = Callable[[InstrumentedAttribute[str]], sa.ColumnElement[bool]]

_HAS_SECOND_FACTOR = sa.or_(
    sa.select(TotpSecretRow.id).where(TotpSecretRow.user_id == UserRow.id).exists(),
    sa.select(PasskeyRow.id).where(PasskeyRow.user_id == UserRow.id).exists(),
).label("has_second_factor")
# As the property of a row.
_EMAIL_VERIFIED = sa.func.coalesce(UserRow.verified_email == UserRow.email, False).label(
    "email_verified"
)
# Built once, and without rows of the ORM: they run with every refresh.
_USERS = sa.select(UserRow.__table__, _EMAIL_VERIFIED, _HAS_SECOND_FACTOR).where(
    UserRow.id.in_(sa.bindparam("ids", expanding=True))
)
_FOLDED_IDS: sa.BindParameter[Sequence[str]] = sa.bindparam("folded_ids", expanding=True)
_ASSIGNED = (
    sa.select(
        *(AssignmentRow.folded_id, RoleRow.name, AssignmentRow.audience_id, RoleRow.scopes),
        *(sa.null(), sa.null(), sa.null(), AssignmentRow.expires_at),
    )
    .join(AssignmentRow, AssignmentRow.role_name == RoleRow.name)
    .where(AssignmentRow.folded_id.in_(_FOLDED_IDS))
)
_THROUGH_GROUPS = (
    sa.select(
        *(UserRow.folded_id, RoleRow.name, AssignmentRow.audience_id, RoleRow.scopes),
        *(GroupRow.id, sa.null(), GroupRow.name, AssignmentRow.expires_at),
    )
    .select_from(THROUGH_GROUPS)
    .join(RoleRow, RoleRow.name == AssignmentRow.role_name)
    .where(UserRow.folded_id.in_(_FOLDED_IDS))
)
_THROUGH_ISSUERS = (
    sa.select(
        *(UserRow.folded_id, RoleRow.name, ProviderRoleRow.audience_id, RoleRow.scopes),
        *(sa.null(), IdentityRow.issuer_id, IdentityGroupRow.group, sa.null()),
    )
    .select_from(THROUGH_ISSUERS)
    .join(RoleRow, RoleRow.name == ProviderRoleRow.role_name)
    .where(UserRow.folded_id.in_(_FOLDED_IDS))
)
# The id, a role, its audience and scopes, the group that gives it (its id, issuer, name), the end.
_OF_USERS: sa.CompoundSelect[Any] = sa.union_all(_ASSIGNED, _THROUGH_GROUPS, _THROUGH_ISSUERS)
_CLIENT_ID: sa.BindParameter[str] = sa.bindparam("client_id")
# Secrets of a client, and its own scopes that do not last. Joined to the client, there would be a
# row for each of them and each act rule.
_EXPIRING: sa.CompoundSelect[Any] = sa.union_all(
    sa.select(
        ClientSecretRow.id,
        ClientSecretRow.digest,
        sa.null().label("scope"),
        ClientSecretRow.expires_at,
    ).where(ClientSecretRow.client_id == _CLIENT_ID),
    sa.select(
        sa.null(), sa.null(), ClientScopeExpiryRow.scope, ClientScopeExpiryRow.expires_at
    ).where(ClientScopeExpiryRow.client_id == _CLIENT_ID),
)


def clients_trusting(session: Session, subject: str, limit: int) -> list[str]:
    """Ids of clients with a trust that names the subject, in order."""
    row = ClientTrustSubjectRow
    query = sa.select(row.client_id).where(row.subject == subject).order_by(row.client_id)
    return list(session.scalars(query.limit(limit)))


def load_client(
    session: Session, client_id: str, own_audience: str, now: datetime
) -> ClientRecord | None:
    """The client of exactly this id, with the rights that it has `now`.

    By the same statements whether it exists or not: the time of the answer must not reveal that.
    """
    of_id = sa.select(ClientRow).where(ClientRow.client_id == client_id)
    with_rules = of_id.options(joinedload(ClientRow.act_rules))
    row = session.scalars(with_rules).unique().one_or_none()
    permitted = _permitted_audiences(row, client_id, own_audience)
    audiences = _audiences(session, permitted, own_audience)
    expiring = session.execute(_EXPIRING, {"client_id": client_id}).all()
    roles = _role_grants(session, _ASSIGNED, [client_id], now)[client_id]
    if row is None:
        return None
    ends = {each.scope: each.expires_at for each in expiring if each.scope is not None}
    scopes, ends = live_scopes(row.scopes, ends, now)
    return as_record(
        ClientRecord,
        row,
        audiences={each.id: each for each in audiences},
        rights=Rights(frozenset(scopes), roles, ends),
        secrets=tuple(as_record(SecretRecord, each) for each in expiring if each.id is not None),
        may_act=frozenset(as_record(MayAct, each) for each in row.act_rules),
        external_audiences=tuple(_external_audience(each) for each in row.external_audiences or []),
    )


def _external_audience(stored: dict[str, Any]) -> ExternalAudience:
    return ExternalAudience(**stored | {"scopes": frozenset(stored["scopes"])})


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


def load_acting_clients(
    session: Session, client: ClientRecord, audience_id: str
) -> tuple[ActingClient, ...]:
    """Which enabled clients may act for people with the client's token for the audience, and where.

    Also one through the other, as `act` may be nested; at most `MAX_ACTING`.
    """
    rule = ClientActRuleRow
    enabled = sa.select(ClientRow.client_id).where(ClientRow.disabled.is_(False))
    columns = sa.select(rule.client_id, rule.to_audience).where(rule.client_id.in_(enabled))
    ordered = columns.order_by(rule.client_id, rule.to_audience).distinct().limit(MAX_ACTING)
    found = {each.actor(client.client_id, each.scopes): None for each in client.external_audiences}
    reached, new = {audience_id}, {audience_id}
    for _ in range(MAX_ACTORS):
        if not new:
            break
        rows = session.execute(ordered.where(rule.from_audience.in_(new))).all()
        found |= dict.fromkeys(ActingClient(*row) for row in rows)
        new = {row.to_audience for row in rows} - reached
        reached |= new
    ids = {each.client_id for each in found}
    of_others = sa.select(ClientRow.client_id, ClientRow.external_audiences).where(
        ClientRow.client_id.in_(ids), ClientRow.external_audiences.is_not(None)
    )
    for client_id, external in session.execute(of_others.order_by(ClientRow.client_id)):
        audiences = map(_external_audience, external)
        found |= dict.fromkeys(each.actor(client_id, each.scopes) for each in audiences)
    return tuple(list(found)[:MAX_ACTING])


def load_users(session: Session, user_ids: Collection[str], now: datetime) -> dict[str, UserRecord]:
    """The users of exactly these ids, with the rights that they have `now`."""
    found = session.connection().execute(_USERS, {"ids": list(user_ids)}).all()
    roles = _role_grants(session, _OF_USERS, [row.id for row in found], now)
    return {e.id: as_record(UserRecord, e, rights=Rights(frozenset(), roles[e.id])) for e in found}


def load_trusted_issuer(session: Session, issuer_id: str) -> TrustedIssuerRecord | None:
    row = session.get(TrustedIssuerRow, issuer_id)
    return None if row is None else _trusted_issuer(row)


def load_issuers_of_people(session: Session) -> tuple[TrustedIssuerRecord, ...]:
    """The trusted issuers where people sign in, in order of id."""
    query = sa.select(TrustedIssuerRow).where(TrustedIssuerRow.sign_in.is_not(None))
    return tuple(map(_trusted_issuer, session.scalars(query.order_by(TrustedIssuerRow.id))))


def _trusted_issuer(row: TrustedIssuerRow) -> TrustedIssuerRecord:
    sign_in = None
    if row.sign_in is not None:
        members = row.sign_in | {"scopes": tuple(row.sign_in["scopes"])}
        sign_in = ProviderRecord(**members, sealed_secret=row.sealed_secret)
    return as_record(TrustedIssuerRecord, row, sign_in=sign_in)


def load_audience(session: Session, audience_id: str, own_audience: str) -> AudienceRecord | None:
    return next(iter(_audiences(session, lambda column: column == audience_id, own_audience)), None)


def _permitted_audiences(row: ClientRow | None, client_id: str, own_audience: str) -> AreAudiences:
    """All audiences but the issuer's own for a client that registered itself."""
    if row is not None and row.registered_by is not RegisteredBy.ADMIN:
        return lambda column: column != own_audience
    named = sa.select(ClientAudienceRow.audience_id).where(ClientAudienceRow.client_id == client_id)
    return lambda column: column.in_(named)


def _audiences(session: Session, are: AreAudiences, own_audience: str) -> list[AudienceRecord]:
    rows = session.scalars(sa.select(AudienceRow).where(are(AudienceRow.id))).all()
    named = sa.select(AudienceResourceRow).where(are(AudienceResourceRow.audience_id))
    resources: dict[str, list[str]] = defaultdict(list)
    for row in session.scalars(named):
        resources[row.audience_id].append(row.resource)
    return [
        as_record(
            AudienceRecord,
            row,
            signing_alg=AlgorithmInUse(row.signing_alg, row.previous_alg, row.alg_changes_at),
            is_own=row.id == own_audience,
            resources=tuple(resources[row.id]),
        )
        for row in rows
    ]


def load_role_grants(
    session: Session, principal_ids: Collection[str], now: datetime
) -> dict[str, tuple[RoleGrant, ...]]:
    """What each holds by roles `now`, with those of a user through groups and trusted issuers."""
    return _role_grants(session, _OF_USERS, principal_ids, now)


def _role_grants(
    session: Session, query: sa.Executable, principal_ids: Collection[str], now: datetime
) -> dict[str, tuple[RoleGrant, ...]]:
    folded = {fold_id(each): each for each in principal_ids}
    grants: dict[str, list[RoleGrant]] = {each: [] for each in principal_ids}
    rows = session.execute(query, {"folded_ids": list(folded)})
    for folded_id, role, audience, scopes, group, issuer, name, expires_at in rows:
        if not has_ended(expires_at, now):
            through = None if name is None else Through(name, group, issuer)
            grant = RoleGrant(role, audience, frozenset(scopes), through, expires_at)
            grants[folded[folded_id]].append(grant)
    return {each: tuple(found) for each, found in grants.items()}
