"""Every table, in one place for Alembic. Only stores and key backends read or write them.

Indexes with a condition are in `migrations.py`: SQLAlchemy imports both dialects for them.
"""

import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from issuer.scopes import live_scopes
from issuer.vocabulary import (
    AuthMethod,
    GivenAs,
    GrantType,
    RegisteredBy,
    SigningAlgorithm,
    TokenAlgorithm,
    UserRights,
)

_NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


Word = TypeVar("Word", bound=StrEnum)


def _word(words: type[StrEnum], length: int) -> sa.Enum:
    """Stored as text: a new word must not need a migration."""
    return sa.Enum(words, native_enum=False, length=length, values_callable=list)


_ALGORITHM = _word(SigningAlgorithm, 16)


def _collated(length: int) -> sa.String:
    """Text that is compared byte by byte on each database, so that a search can use its index."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _deleted_with(column: str, **more: Any) -> Mapped[Any]:
    return mapped_column(sa.ForeignKey(column, ondelete="CASCADE"), **more)


def _owned() -> Any:
    return relationship(cascade="all, delete-orphan", passive_deletes=True)


def _serial() -> Mapped[int]:
    serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return mapped_column(serial, primary_key=True, autoincrement=True)


class Instant(TypeDecorator[datetime]):
    """An aware UTC `datetime`, also on SQLite, which forgets the zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Seconds(TypeDecorator[timedelta]):
    """A `timedelta` in whole seconds."""

    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else int(value.total_seconds())

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> timedelta | None:
        return None if value is None else timedelta(seconds=value)


class JsonObject(TypeDecorator[dict[str, Any]]):
    """A JSON object. 1, 1.0 and True are equal in Python, but different here."""

    impl = sa.JSON(none_as_null=True)
    cache_ok = True

    def compare_values(self, x: Any, y: Any) -> bool:
        return json.dumps(x, sort_keys=True) == json.dumps(y, sort_keys=True)


class Words(TypeDecorator[list[Word]]):
    """A list of words of one enumeration, as a JSON array."""

    impl = sa.JSON
    cache_ok = True

    def __init__(self, words: type[Word]) -> None:
        super().__init__()
        self._words = words

    def process_bind_param(self, value: list[Word] | None, dialect: sa.Dialect) -> list[str] | None:
        return None if value is None else [word.value for word in value]

    def process_result_value(
        self, value: list[str] | None, dialect: sa.Dialect
    ) -> list[Word] | None:
        # A newer program may have added words that this one does not know.
        known = {word.value: word for word in self._words}
        return None if value is None else [known[word] for word in value if word in known]


class Base(DeclarativeBase):
    """The base of all tables; the head of a class names its table."""

    metadata = sa.MetaData(naming_convention=_NAMES)
    type_annotation_map = {
        datetime: Instant,
        timedelta: Seconds,
        dict[str, Any]: JsonObject,
        list[str]: sa.JSON,
        bytes: sa.LargeBinary,
    }

    def __init_subclass__(cls, table: str, **options: Any) -> None:
        cls.__tablename__ = table
        super().__init_subclass__(**options)


class SeenByDirectory:
    """Marks the rows the token path depends on: changing one moves the change counter."""


class OfPeople(SeenByDirectory):
    """Marks those that no process holds in memory: tokens of machines do not depend on them."""


class Versioned:
    """A write fails if it read an older version (optimistic locking)."""

    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int]

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.version}


class Given:
    """Who gave it, and with which rights; NULL for what is older than these columns."""

    given_by: Mapped[str | None] = mapped_column(sa.String(255))
    given_as: Mapped[GivenAs | None] = mapped_column(_word(GivenAs, 8))


class AudienceRow(Versioned, SeenByDirectory, Base, table="audiences"):
    """An AgentOS deployment that tokens are issued for, and the algorithm that signs them."""

    id: Mapped[str] = mapped_column(_collated(255), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(255))
    signing_alg: Mapped[SigningAlgorithm] = mapped_column(_ALGORITHM)
    previous_alg: Mapped[SigningAlgorithm | None] = mapped_column(_ALGORITHM)
    alg_changes_at: Mapped[datetime | None]
    access_token_ttl: Mapped[timedelta | None]
    include_roles: Mapped[bool]
    include_profile: Mapped[bool] = mapped_column(server_default=sa.false())
    require_dpop: Mapped[bool] = mapped_column(server_default=sa.false())
    url: Mapped[str | None] = mapped_column(sa.String(1024))
    resources: Mapped[list["AudienceResourceRow"]] = _owned()


class AudienceResourceRow(SeenByDirectory, Base, table="audience_resources"):
    """A URL that a token request may name instead of the id of the audience (RFC 8707)."""

    resource: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    audience_id: Mapped[str] = _deleted_with("audiences.id", index=True)


class RoleRow(Versioned, SeenByDirectory, Base, table="roles"):
    """A named set of scopes."""

    name: Mapped[str] = mapped_column(_collated(128), primary_key=True)
    description: Mapped[str] = mapped_column(sa.String(255))
    scopes: Mapped[list[str]]


class PrincipalRow(SeenByDirectory, Base, table="principals"):
    """The ids of users, clients and groups: unique across all, ignoring case."""

    folded_id: Mapped[str] = mapped_column(_collated(255), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(8))


class UserRow(Versioned, Given, OfPeople, Base, table="users"):
    """A user. `given_by` gave the password or invitation from which all ways to sign in stem.

    `scim` has what a provisioning client sent and no other column has; see `issuer/admin/scim/`.
    `disabled_by` is the trusted issuer whose signal disabled the user, and the `iat` of that.
    """

    id: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    folded_id: Mapped[str] = _deleted_with("principals.folded_id", unique=True)
    username: Mapped[str] = mapped_column(sa.String(128))
    folded_username: Mapped[str] = mapped_column(_collated(1024), unique=True)
    email: Mapped[str | None] = mapped_column(sa.String(254))
    # The address, not a flag: programs that know only `email` change it, too.
    verified_email: Mapped[str | None] = mapped_column(sa.String(254))
    name: Mapped[str] = mapped_column(sa.String(255))
    claims: Mapped[dict[str, Any]]
    language: Mapped[str | None] = mapped_column(sa.String(8))
    disabled: Mapped[bool]
    password_hash: Mapped[str | None] = mapped_column(sa.String(255))
    external_id: Mapped[str | None] = mapped_column(sa.String(255), index=True)
    scim: Mapped[dict[str, Any] | None]
    disabled_by: Mapped[dict[str, Any] | None]
    assignments: Mapped[list["AssignmentRow"]] = relationship(
        primaryjoin="foreign(AssignmentRow.folded_id) == UserRow.folded_id", viewonly=True
    )

    @property
    def email_verified(self) -> bool:
        return self.email is not None and self.verified_email == self.email


class GroupRow(Versioned, OfPeople, Base, table="groups"):
    """A group of users. Its roles are assigned to its id, as to a user, and count for each member.

    `external_id` as for users: the id that a provisioning client has for it (SCIM `externalId`).
    """

    id: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    folded_id: Mapped[str] = _deleted_with("principals.folded_id", unique=True)
    name: Mapped[str] = mapped_column(sa.String(255))
    folded_name: Mapped[str] = mapped_column(_collated(1024), unique=True)
    description: Mapped[str] = mapped_column(sa.String(255))
    external_id: Mapped[str | None] = mapped_column(sa.String(255), index=True)


class GroupMemberRow(Given, OfPeople, Base, table="group_members"):
    """A user in a group; `given_at` is null for what is older than the column."""

    group_id: Mapped[str] = _deleted_with("groups.id", primary_key=True)
    user_id: Mapped[str] = _deleted_with("users.id", primary_key=True, index=True)
    given_at: Mapped[datetime | None]


class CountedTries:
    """Counts of attempts to sign in; see `issuer/users/attempts.py`."""

    tried: Mapped[int]
    failed: Mapped[int]
    tried_at: Mapped[datetime]
    spent_until: Mapped[datetime]


class SignInTriesRow(CountedTries, Base, table="sign_in_tries"):
    """Attempts from unknown addresses: for a user, an address, or unknown user names.

    `mark` is a keyed hash: users sometimes type their password in place of their name.
    """

    mark: Mapped[bytes] = mapped_column(primary_key=True)
    tried_at: Mapped[datetime] = mapped_column(index=True)


class KnownAddressRow(CountedTries, Base, table="known_addresses"):
    """An address from which the user has signed in, and the user's attempts from there."""

    user_id: Mapped[str] = _deleted_with("users.id", primary_key=True)
    address_mark: Mapped[bytes] = mapped_column(primary_key=True)
    succeeded_at: Mapped[datetime] = mapped_column(index=True)


class TotpSecretRow(OfPeople, Base, table="totp_secrets"):
    """The authenticator app of a user (RFC 6238).

    `last_step` is the time step of the last accepted code: no code is accepted twice.
    """

    user_id: Mapped[str] = _deleted_with("users.id", primary_key=True)
    id: Mapped[str] = mapped_column(sa.String(64), unique=True)
    name: Mapped[str] = mapped_column(sa.String(255))
    sealed: Mapped[bytes]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    last_step: Mapped[int] = mapped_column(sa.BigInteger)


class PasskeyRow(OfPeople, Base, table="passkeys"):
    """A passkey of a user (WebAuthn). `is_synced`: it may be on several devices."""

    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[str] = _deleted_with("users.id", index=True)
    name: Mapped[str] = mapped_column(sa.String(255))
    credential_id: Mapped[bytes] = mapped_column(unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int] = mapped_column(sa.BigInteger)
    transports: Mapped[list[str]]
    is_synced: Mapped[bool]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class RecoveryCodeRow(Base, table="recovery_codes"):
    """A recovery code that was not used yet, as a keyed digest."""

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    user_id: Mapped[str] = _deleted_with("users.id", index=True)


class UsedChallengeRow(Base, table="used_challenges"):
    """A challenge of a passkey that was answered, a form that was sent, or a message counted.

    Also a report of which scopes are used.
    """

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class InvitationRow(Given, Base, table="invitations"):
    """A link with which a user sets a password or a passkey, as a keyed digest of its token."""

    user_id: Mapped[str] = _deleted_with("users.id", primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    verifies_email: Mapped[str | None] = mapped_column(sa.String(254))


class ClientRow(Versioned, SeenByDirectory, Base, table="clients"):
    """A client. `pinned`: an administrator keeps its metadata document, which is never fetched.

    `last_used_at` is only noted for clients that registered themselves. `document` is what its
    metadata document said when it was last read, null if it was not valid. `credentials_given` says
    of keys, trusts and redirect URIs who gave them; see `issuer/authority/credentials.py`.
    `external_audiences` is null for what is older than the column.
    """

    client_id: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    folded_id: Mapped[str] = _deleted_with("principals.folded_id", unique=True)
    name: Mapped[str] = mapped_column(sa.String(255))
    grant_types: Mapped[list[GrantType]] = mapped_column(Words(GrantType))
    scopes: Mapped[list[str]]
    access_token_ttl: Mapped[timedelta | None]
    claims: Mapped[dict[str, Any]]
    may_set_session: Mapped[bool]
    token_endpoint_auth_method: Mapped[AuthMethod] = mapped_column(_word(AuthMethod, 32))
    jwks: Mapped[dict[str, Any] | None]
    jwks_uri: Mapped[str | None] = mapped_column(sa.String(1024))
    trusts: Mapped[list[dict[str, Any]]] = mapped_column(sa.JSON)
    redirect_uris: Mapped[list[str]]
    post_logout_redirect_uris: Mapped[list[str]]
    backchannel_logout_uri: Mapped[str | None] = mapped_column(sa.String(1024))
    backchannel_logout_session_required: Mapped[bool] = mapped_column(server_default=sa.false())
    first_party: Mapped[bool]
    user_rights: Mapped[UserRights] = mapped_column(_word(UserRights, 16))
    registered_by: Mapped[RegisteredBy] = mapped_column(_word(RegisteredBy, 16), index=True)
    pinned: Mapped[bool]
    last_used_at: Mapped[datetime | None]
    document: Mapped[str | None] = mapped_column(sa.Text, deferred=True)
    document_read_at: Mapped[datetime | None]
    disabled: Mapped[bool]
    credentials_given: Mapped[dict[str, Any] | None]
    external_audiences: Mapped[list[dict[str, Any]] | None] = mapped_column(sa.JSON)
    dpop_bound_access_tokens: Mapped[bool] = mapped_column(server_default=sa.false())
    require_pushed_authorization_requests: Mapped[bool] = mapped_column(server_default=sa.false())
    require_pkce: Mapped[bool] = mapped_column(server_default=sa.true())
    act_rules: Mapped[list["ClientActRuleRow"]] = _owned()
    audiences: Mapped[list["ClientAudienceRow"]] = _owned()
    scope_expiries: Mapped[list["ClientScopeExpiryRow"]] = _owned()
    trust_subjects: Mapped[list["ClientTrustSubjectRow"]] = _owned()
    secrets: Mapped[list["ClientSecretRow"]] = relationship(viewonly=True)
    assignments: Mapped[list["AssignmentRow"]] = relationship(
        primaryjoin="foreign(AssignmentRow.folded_id) == ClientRow.folded_id", viewonly=True
    )

    def live_scopes(self, now: datetime) -> tuple[list[str], dict[str, datetime]]:
        """The client's own scopes that have not ended, and the ends of those that have one."""
        ends = {each.scope: each.expires_at for each in self.scope_expiries}
        return live_scopes(self.scopes or (), ends, now)

    def set_trusts(self, trusts: list[dict[str, Any]]) -> None:
        """Exactly these, and what finds the client by the subject of a token."""
        self.trusts = trusts
        kept = {each.subject: each for each in self.trust_subjects}
        subjects = dict.fromkeys(trust["subject"] for trust in trusts)
        self.trust_subjects = [
            kept.get(each) or ClientTrustSubjectRow(subject=each) for each in subjects
        ]


class ClientTrustSubjectRow(Base, table="client_trust_subjects"):
    """A subject of other issuers that a trust of the client names: the client is found by it."""

    __table_args__ = (sa.Index("ix_client_trust_subjects_subject", "subject", "client_id"),)

    client_id: Mapped[str] = _deleted_with("clients.client_id", primary_key=True)
    subject: Mapped[str] = mapped_column(sa.String(512), primary_key=True)


class ClientScopeExpiryRow(SeenByDirectory, Base, table="client_scope_expiries"):
    """One of the client's own scopes, which gives nothing from `expires_at` on."""

    client_id: Mapped[str] = _deleted_with("clients.client_id", primary_key=True)
    scope: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ClientAudienceRow(SeenByDirectory, Base, table="client_audiences"):
    """An audience that a client may request tokens for."""

    __table_args__ = (sa.Index("ix_client_audiences_audience_id", "audience_id", "client_id"),)

    client_id: Mapped[str] = _deleted_with("clients.client_id", primary_key=True)
    audience_id: Mapped[str] = mapped_column(sa.ForeignKey("audiences.id"), primary_key=True)
    audience: Mapped[AudienceRow] = relationship()


class ClientActRuleRow(SeenByDirectory, Base, table="client_act_rules"):
    """A client may exchange a person's token for `from_audience` for one for `to_audience`."""

    __table_args__ = (sa.Index("ix_client_act_rules_from", "from_audience", "client_id"),)

    client_id: Mapped[str] = _deleted_with("clients.client_id", primary_key=True)
    from_audience: Mapped[str] = _deleted_with("audiences.id", primary_key=True)
    to_audience: Mapped[str] = _deleted_with("audiences.id", primary_key=True, index=True)


class ClientSecretRow(Given, SeenByDirectory, Base, table="client_secrets"):
    """A secret of a client, of which only a keyed hash is stored."""

    __table_args__ = (sa.Index("ix_client_secrets_use", "last_used_at", "created_at"),)

    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    client_id: Mapped[str] = _deleted_with("clients.client_id", index=True)
    digest: Mapped[bytes]
    label: Mapped[str] = mapped_column(sa.String(255))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
    last_used_at: Mapped[datetime | None]
    last_used_address: Mapped[str | None] = mapped_column(sa.String(64))


class TrustedIssuerRow(Versioned, Given, SeenByDirectory, Base, table="trusted_issuers"):
    """Another issuer whose tokens are accepted. `keys` says how its keys are found.

    `given_by` made it, or is the last one without `issuer:admin` who changed it. `sign_in` says how
    people sign in there; the secret for that is sealed under the master key. `last_signals` is the
    day on which it last sent a signal about people, by the way in which it came.
    """

    id: Mapped[str] = mapped_column(_collated(128), primary_key=True)
    issuer: Mapped[str] = mapped_column(sa.String(255), index=True)
    algorithms: Mapped[list[TokenAlgorithm]] = mapped_column(Words(TokenAlgorithm))
    keys: Mapped[dict[str, Any]]
    ca_certificate: Mapped[str | None] = mapped_column(sa.Text)
    typ: Mapped[str | None] = mapped_column(sa.String(127))
    kinds: Mapped[list[str]]
    allow_private_addresses: Mapped[bool]
    disabled: Mapped[bool]
    sign_in: Mapped[dict[str, Any] | None]
    sealed_secret: Mapped[bytes | None]
    last_signals: Mapped[dict[str, Any] | None]


class ProviderRoleRow(SeenByDirectory, Base, table="provider_roles"):
    """A role that a trusted issuer gives to the people in one of its groups; as `AssignmentRow`."""

    __table_args__ = (sa.Index("ix_provider_roles_of", "issuer_id", "group"),)

    id: Mapped[int] = _serial()
    issuer_id: Mapped[str] = _deleted_with("trusted_issuers.id")
    group: Mapped[str] = mapped_column(sa.String(255))
    role_name: Mapped[str] = mapped_column(sa.ForeignKey("roles.name"), index=True)
    audience_id: Mapped[str | None] = mapped_column(sa.ForeignKey("audiences.id"), index=True)
    role: Mapped[RoleRow] = relationship()


class IdentityRow(Given, OfPeople, Base, table="identities"):
    """An account at a trusted issuer with which a user signs in: its `sub` there.

    `name` is what the issuer calls the person. It is only displayed. `made_user`: the issuer
    provisioned the user, and says their name and address.
    """

    __table_args__ = (sa.Index("ix_identities_of", "issuer_id", "subject", unique=True),)

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    user_id: Mapped[str] = _deleted_with("users.id", index=True)
    issuer_id: Mapped[str] = _deleted_with("trusted_issuers.id")
    subject: Mapped[str] = mapped_column(sa.String(255))
    name: Mapped[str] = mapped_column(sa.String(255))
    made_user: Mapped[bool | None]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class IdentityGroupRow(OfPeople, Base, table="identity_groups"):
    """A group of the issuer that the person was in at the last sign-in.

    Only groups that gave a role then (`ProviderRoleRow`).
    """

    __table_args__ = (sa.Index("ix_identity_groups_group", "group", "identity_id"),)

    identity_id: Mapped[str] = _deleted_with("identities.id", primary_key=True)
    group: Mapped[str] = mapped_column(sa.String(255), primary_key=True)


class UsedAssertionRow(Base, table="used_assertions"):
    """An assertion that a client has used, until it expires: none is accepted twice.

    Or a proof of possession (RFC 9449); then `client_id` is the thumbprint of its key.
    """

    __table_args__ = (sa.Index("ix_used_assertions_of", "client_id", "expires_at"),)

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(sa.String(255))
    expires_at: Mapped[datetime] = mapped_column(index=True)


class AssignmentRow(Given, SeenByDirectory, Base, table="assignments"):
    """A role assigned to a principal, at one audience or (`audience_id` is null) everywhere.

    At most once for each: the indexes are in `issuer/database/migrations.py`. It gives nothing
    from `expires_at` on. `given_at` and `reason` are null for what is older than the columns.
    """

    __table_args__ = (
        sa.Index("ix_assignments_audience_id", "audience_id", "folded_id"),
        sa.Index("ix_assignments_role_name", "role_name", "folded_id"),
        sa.Index("ix_assignments_role_name_audience_id", "role_name", "audience_id"),
    )

    id: Mapped[int] = _serial()
    folded_id: Mapped[str] = _deleted_with("principals.folded_id", index=True)
    role_name: Mapped[str] = mapped_column(sa.ForeignKey("roles.name"))
    audience_id: Mapped[str | None] = mapped_column(sa.ForeignKey("audiences.id"))
    given_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
    reason: Mapped[str | None] = mapped_column(sa.Text)
    role: Mapped[RoleRow] = relationship()


class SigningKeyRow(SeenByDirectory, Base, table="signing_keys"):
    """A signing key; its state follows from its dates. A destroyed one keeps its row.

    By `handle` its backend finds the private key: a sealed box, or the name of a file.
    """

    kid: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    alg: Mapped[SigningAlgorithm] = mapped_column(_ALGORITHM)
    public_jwk: Mapped[dict[str, Any]]
    handle: Mapped[bytes | None] = mapped_column("sealed_private")
    announced_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]
    activates_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    destroyed_at: Mapped[datetime | None]


class JwksCacheRow(Base, table="key_set_promise"):
    """A single row: how long verifiers may cache a key set that is served now.

    One served under earlier settings may be cached until `kept_until`.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    kept_for: Mapped[timedelta]
    kept_until: Mapped[datetime | None]


class DeploymentRow(Base, table="deployment"):
    """A single row, made by `init`.

    `issuer` is the `ISSUER_URL` of the issued tokens; `written_at` is when it was last checked
    that the database accepts writes.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    issuer: Mapped[str] = mapped_column(sa.String(255))
    written_at: Mapped[datetime]


class SealedSecretRow(Base, table="sealed_secrets"):
    """A secret of the issuer itself, sealed under the master key."""

    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    sealed: Mapped[bytes]


class RefreshFamilyRow(Base, table="refresh_families"):
    """A refresh token and its successors (RFC 9700 §4.14.2). An ended family may have no row.

    Many that end at once are deleted afterwards, so no foreign keys: see `RevokedPrincipalRow`.
    `change` is the feed's count when the family began.

    `handle` finds it, whichever of its tokens is shown; `digest` is that of the newest. `id` is
    the `sid` of its access tokens, the last of which expires at `access_until`. `session_id` is a
    claim that the client chose; `sign_in_session` is the session in which the user signed in.
    `jkt` is the thumbprint of the key to which the refresh token of a public client is bound.
    """

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    handle: Mapped[bytes] = mapped_column(unique=True)
    digest: Mapped[bytes]
    salt: Mapped[bytes | None]
    asked: Mapped[bytes | None]
    client_id: Mapped[str] = mapped_column(sa.String(255), index=True)
    user_id: Mapped[str] = mapped_column(sa.String(128), index=True)
    audience_id: Mapped[str] = mapped_column(_collated(255), index=True)
    scopes: Mapped[list[str]]
    openid_scopes: Mapped[list[str]]
    session_id: Mapped[str | None] = mapped_column(sa.String(255))
    sign_in_session: Mapped[str | None] = mapped_column(sa.String(40), index=True)
    created_at: Mapped[datetime] = mapped_column(index=True)
    rotated_at: Mapped[datetime] = mapped_column(index=True)
    access_until: Mapped[datetime]
    change: Mapped[int] = mapped_column(sa.BigInteger)
    jkt: Mapped[str | None] = mapped_column(sa.String(43))


class ExchangedTokenRow(Base, table="exchanged_tokens"):
    """An access token that a client got in exchange for another (RFC 8693), until it expires.

    What revokes the other token, whose columns begin with `subject_`, revokes this one as well,
    which has the same user and `sid` but may have another client, audience and key. Those with
    `origin_` are of the token with which a chain of exchanges began, which the user's consent is
    about. `sid` as in the token. No foreign keys: all of these may be deleted before it expires.
    """

    __table_args__ = (sa.Index("ix_exchanged_tokens_of", "user_id", "client_id"),)

    jti: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.String(128))
    client_id: Mapped[str] = mapped_column(sa.String(255))
    audience_id: Mapped[str] = mapped_column(sa.String(255))
    sid: Mapped[str | None] = mapped_column(sa.String(40))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    subject_jti: Mapped[str] = mapped_column(sa.String(40), index=True)
    subject_client: Mapped[str] = mapped_column(sa.String(255), index=True)
    subject_audience: Mapped[str] = mapped_column(sa.String(255))
    subject_kid: Mapped[str] = mapped_column(sa.String(64))
    origin_client: Mapped[str] = mapped_column(sa.String(255))
    origin_audience: Mapped[str] = mapped_column(sa.String(255))


class SignInSessionRow(Base, table="sessions"):
    """A person signed in, in one browser. The cookie holds a secret, `digest` is of it.

    `change` is the feed's count when it began: a session that began before all tokens of its user
    were revoked has ended, and is deleted afterwards. See `RevokedPrincipalRow`.
    `continues` is the session that the browser had when a second factor became due. One that began
    at a trusted issuer has the identity that was used, and the `sid` that the issuer gave it;
    `provider_sign_out` is what signing out there needs, sealed.
    """

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    user_id: Mapped[str] = _deleted_with("users.id", index=True)
    created_at: Mapped[datetime] = mapped_column(index=True)
    authenticated_at: Mapped[datetime]
    used_at: Mapped[datetime] = mapped_column(index=True)
    methods: Mapped[list[str]]
    address: Mapped[str | None] = mapped_column(sa.String(64))
    user_agent: Mapped[str | None] = mapped_column(sa.String(255))
    second_factor_due: Mapped[bool]
    continues: Mapped[str | None] = mapped_column(sa.String(40))
    identity_id: Mapped[str | None] = mapped_column(sa.String(40), index=True)
    provider_session: Mapped[str | None] = mapped_column(sa.String(255), index=True)
    provider_sign_out: Mapped[str | None] = mapped_column(sa.Text)
    change: Mapped[int] = mapped_column(sa.BigInteger)


class SessionClientRow(Base, table="session_clients"):
    """A client that got tokens in a session, and must be told when it ends.

    Only of clients with a `backchannel_logout_uri`. The logout token is signed as tokens for the
    audience are. Taken away when the session ends, so that a client is told once.
    """

    session_id: Mapped[str] = _deleted_with("sessions.id", primary_key=True)
    client_id: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    audience_id: Mapped[str] = mapped_column(sa.String(255))


class DeliveryRow(Base, table="deliveries"):
    """A message to another server that was not delivered yet; see `issuer/deliveries/`.

    `kind` says what its recipient is: of `logout`, a client. An id is never used again, so that a
    late process deletes no message but its own.
    """

    __table_args__ = (
        sa.Index("ix_deliveries_of", "kind", "recipient", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = _serial()
    kind: Mapped[str] = mapped_column(sa.String(16))
    recipient: Mapped[str] = mapped_column(sa.String(255))
    message: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class DeliveryRecipientRow(Base, table="delivery_recipients"):
    """Who gets messages: how many wait, when the next is due, and what came of the last ones.

    `due_at` is null while none waits. A process that delivers moves it forward first: no other does
    so until then. `failed` attempts followed the last success; `dropped` messages had no space, and
    are not audited yet.
    """

    kind: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    recipient: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    waiting: Mapped[int]
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    failed: Mapped[int]
    dropped: Mapped[int]
    last_success_at: Mapped[datetime | None]
    last_failure_at: Mapped[datetime | None]
    last_failure: Mapped[str | None] = mapped_column(sa.Text)


class AuthorizationCodeRow(Base, table="authorization_codes"):
    """An authorization code (RFC 6749 §4.1.2), kept for a day after its use to detect another.

    `jti`, `access_until` and `family_id` are what it gave. `change` as for `SignInSessionRow`,
    for its user, client and audience; no foreign keys, as for `RefreshFamilyRow`. `dpop_jkt` is the
    thumbprint of the key to which it is bound (RFC 9449 §10).
    """

    __table_args__ = (sa.Index("ix_authorization_codes_of", "user_id", "client_id"),)

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(sa.String(40), unique=True)
    client_id: Mapped[str] = mapped_column(sa.String(255))
    user_id: Mapped[str] = mapped_column(sa.String(128))
    session_id: Mapped[str] = mapped_column(sa.String(40), index=True)
    redirect_uri: Mapped[str] = mapped_column(sa.String(1024))
    audience_id: Mapped[str] = mapped_column(_collated(255))
    scopes: Mapped[list[str]]
    openid_scopes: Mapped[list[str]]
    nonce: Mapped[str | None] = mapped_column(sa.Text)
    code_challenge: Mapped[str] = mapped_column(sa.String(43))
    authenticated_at: Mapped[datetime]
    methods: Mapped[list[str]]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    jti: Mapped[str | None] = mapped_column(sa.String(40))
    access_until: Mapped[datetime | None]
    family_id: Mapped[str | None] = mapped_column(sa.String(40))
    change: Mapped[int] = mapped_column(sa.BigInteger)
    dpop_jkt: Mapped[str | None] = mapped_column(sa.String(43))


class DeviceCodeRow(Base, table="device_codes"):
    """A device authorization request (RFC 8628 §3.1), until it expires.

    Allowed, it has an authorization code of the same digest; `answered_at` without one: denied.
    `interval` in seconds, `polled_at` is the last request of the device. `dpop_jkt` as of a code.
    No foreign keys, as for `RefreshFamilyRow`.
    """

    __table_args__ = (sa.Index("ix_device_codes_of", "client_id", "network"),)

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    user_code: Mapped[bytes] = mapped_column(unique=True)
    request_id: Mapped[str] = mapped_column(sa.String(40))
    client_id: Mapped[str] = mapped_column(sa.String(255))
    audience_id: Mapped[str | None] = mapped_column(sa.String(255))
    scopes: Mapped[list[str] | None]
    openid_scopes: Mapped[list[str]]
    address: Mapped[str | None] = mapped_column(sa.String(64))
    network: Mapped[str] = mapped_column(sa.String(64))
    expires_at: Mapped[datetime] = mapped_column(index=True)
    answered_at: Mapped[datetime | None]
    polled_at: Mapped[datetime | None]
    interval: Mapped[int]
    dpop_jkt: Mapped[str | None] = mapped_column(sa.String(43))


class ConsentRow(Base, table="consents"):
    """What a user allowed a client at an audience, or (`audience_id` is null) without one.

    `redirects`: the same for each redirect URI, which version 0.1.0 did not store.
    """

    __table_args__ = (sa.Index("ix_consents_of", "user_id", "client_id"),)

    id: Mapped[int] = _serial()
    user_id: Mapped[str] = _deleted_with("users.id")
    client_id: Mapped[str] = _deleted_with("clients.client_id", index=True)
    audience_id: Mapped[str | None] = _deleted_with("audiences.id", index=True)
    scopes: Mapped[list[str]]
    openid_scopes: Mapped[list[str]]
    redirects: Mapped[dict[str, Any] | None]
    granted_at: Mapped[datetime]


class ConsentActorRow(Base, table="consent_actors"):
    """A client that may act for the user, of which the consent page told: at an audience, or at a
    resource of the authorization server `external_issuer`, with these scopes there.

    A client or an audience that is deleted takes its rows along.
    """

    id: Mapped[int] = _serial()
    consent_id: Mapped[int] = _deleted_with("consents.id", index=True)
    client_id: Mapped[str] = _deleted_with("clients.client_id", index=True)
    audience_id: Mapped[str | None] = _deleted_with("audiences.id", index=True)
    external_issuer: Mapped[str | None] = mapped_column(sa.String(255))
    external_resource: Mapped[str | None] = mapped_column(sa.String(1024))
    external_scopes: Mapped[list[str] | None]


class StoppedActorRow(Base, table="stopped_actors"):
    """A client that the user stopped from acting, until they allow it on a consent page."""

    user_id: Mapped[str] = _deleted_with("users.id", primary_key=True)
    client_id: Mapped[str] = _deleted_with("clients.client_id", primary_key=True, index=True)


class AuditEventRow(Base, table="audit_events"):
    """An event, and its place in a chain."""

    __table_args__ = (sa.Index("ix_audit_events_chain", "chain", "seq", unique=True),)

    id: Mapped[int] = _serial()
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str | None] = mapped_column(sa.String(255), index=True)
    action: Mapped[str] = mapped_column(sa.String(64))
    target: Mapped[str | None] = mapped_column(sa.String(255), index=True)
    outcome: Mapped[str] = mapped_column(sa.String(16))
    reason: Mapped[str | None] = mapped_column(sa.Text)
    request_id: Mapped[str | None] = mapped_column(sa.String(128))
    address: Mapped[str | None] = mapped_column(sa.String(64))
    count: Mapped[int]
    details: Mapped[dict[str, Any]]
    chain: Mapped[str] = mapped_column(sa.String(32))
    seq: Mapped[int] = mapped_column(sa.BigInteger)
    hash: Mapped[bytes]


class TokenCountRow(Base, table="token_counts"):
    """How many audit events of this action there were in the hour that begins at `hour`."""

    hour: Mapped[datetime] = mapped_column(primary_key=True)
    action: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    count: Mapped[int] = mapped_column(sa.BigInteger)


class TokenCountsRow(Base, table="token_counts_progress"):
    """A single row: events before `counted_until` are in `token_counts`."""

    id: Mapped[int] = mapped_column(primary_key=True)
    counted_until: Mapped[datetime]


class AuditCheckpointRow(Base, table="audit_checkpoints"):
    """A signed statement of where the chains ended, and a keyed hash of it."""

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    made_at: Mapped[datetime]
    token: Mapped[str] = mapped_column(sa.Text)
    mac: Mapped[bytes]


class AuditPushRow(Base, table="audit_push"):
    """How far a destination has acknowledged the audit events; bookmarks are text."""

    destination: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    acknowledged: Mapped[str] = mapped_column(sa.Text)
    attempted: Mapped[str] = mapped_column(sa.Text)
    failures: Mapped[dict[str, Any]]
    failed: Mapped[int]
    retry_at: Mapped[datetime | None]
    last_failure: Mapped[str | None] = mapped_column(sa.Text)
    last_success_at: Mapped[datetime | None]


class RevokedTokenRow(Base, table="revoked_tokens"):
    """A revoked access token, or all access tokens of a refresh family.

    `kind` is the claim that `id` is compared with: `jti` or `sid`. The entry counts against the
    feed share of `client_id` and `subject`, which are empty if an operator revoked. `change` is
    the feed's count.
    """

    __table_args__ = (sa.Index("ix_revoked_tokens_share", "client_id", "subject"),)

    kind: Mapped[str] = mapped_column(sa.String(8), primary_key=True)
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    client_id: Mapped[str] = mapped_column(sa.String(255))
    subject: Mapped[str] = mapped_column(sa.String(128))
    expires_at: Mapped[datetime] = mapped_column(index=True)
    change: Mapped[int] = mapped_column(sa.BigInteger, index=True)


class RevokedPrincipalRow(Base, table="revoked_principals"):
    """Tokens of a `sub`, a `client_id` or an audience issued at or before `not_after` are revoked.

    No foreign key: it outlives the principal. `expires_at` is that of the last such token. Refresh
    families that began before the change `families_before` are revoked as well. Of tokens for the
    issuer's own audience only those until `own_not_after`, if `own_change` is the last change: not
    where an earlier version has changed the row since. From `again_at` on, tokens issued until then
    are to be revoked.
    """

    kind: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    id: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    not_after: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    change: Mapped[int] = mapped_column(sa.BigInteger, index=True)
    families_before: Mapped[int] = mapped_column(sa.BigInteger)
    own_not_after: Mapped[datetime | None]
    own_change: Mapped[int | None] = mapped_column(sa.BigInteger)
    again_at: Mapped[datetime | None] = mapped_column(index=True)


class VerifierRow(Base, table="verifiers"):
    """A process of an AgentOS that has said which keys it holds; see `issuer/verifiers/`.

    It holds these keys since `changed_at`.
    """

    audience_id: Mapped[str] = _deleted_with("audiences.id", primary_key=True)
    address: Mapped[str] = mapped_column(_collated(64), primary_key=True)
    instance: Mapped[str] = mapped_column(_collated(32), primary_key=True)
    adapter_version: Mapped[str] = mapped_column(sa.String(32))
    agno_version: Mapped[str | None] = mapped_column(sa.String(32))
    kids: Mapped[list[str]]
    feed_issued_at: Mapped[datetime | None]
    first_seen_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class InspectionRow(Base, table="inspections"):
    """What the last inspection of an AgentOS found there, and what is exposed."""

    audience_id: Mapped[str] = _deleted_with("audiences.id", primary_key=True)
    inspected_at: Mapped[datetime]
    url: Mapped[str] = mapped_column(sa.String(1024))
    components: Mapped[dict[str, Any]]
    findings: Mapped[list[dict[str, Any]]] = mapped_column(sa.JSON)


class UsedScopeRow(Base, table="used_scopes"):
    """How often a scope decided about requests of a subject on a day, as verifiers reported.

    `day` is its beginning in UTC. For the token of a client itself, `subject` is the `client_id`.
    The row without a subject, a client and a scope has what exceeded the limits, and the number of
    reports. Every day with a report has it.
    """

    __table_args__ = (
        sa.Index("ix_used_scopes_day_audience_id", "day", "audience_id"),
        sa.Index("ix_used_scopes_subject", "subject", "day"),
        sa.Index("ix_used_scopes_client_id", "client_id", "day"),
    )

    audience_id: Mapped[str] = _deleted_with("audiences.id", primary_key=True)
    subject: Mapped[str] = mapped_column(_collated(255), primary_key=True)
    client_id: Mapped[str] = mapped_column(_collated(255), primary_key=True)
    scope: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    day: Mapped[datetime] = mapped_column(primary_key=True)
    allowed: Mapped[int] = mapped_column(sa.BigInteger)
    refused: Mapped[int] = mapped_column(sa.BigInteger)
    reports: Mapped[int] = mapped_column(server_default="0")


class UsedRoleRow(Base, table="used_roles"):
    """The last day with a request that needed what its subject or client held by the role."""

    role_name: Mapped[str] = _deleted_with("roles.name", primary_key=True)
    day: Mapped[datetime]


class LeftOutVerifiersRow(Base, table="left_out_verifiers"):
    """A single row: how many verifiers were left out last, and when; see `issuer/verifiers/`."""

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
    last_at: Mapped[datetime | None]


class RevocationFeedRow(Base, table="revocation_feed"):
    """A single row: how many changes the feed has had, and its `iat`."""

    id: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(sa.BigInteger)
    issued_at: Mapped[datetime]


class ChangeCounter(Base, table="change_counter"):
    """A single row: how often rows that the token path reads were changed.

    `of_people`: how many of these changes concern people alone. Older programs do not count them
    apart, and so have every process read anew what it holds in memory.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(sa.BigInteger)
    of_people: Mapped[int] = mapped_column(sa.BigInteger, server_default="0")


class SchemaCompatibilityRow(Base, table="schema_compatibility"):
    """A single row: the oldest revision whose programs work with this schema.

    A migration that only adds leaves it as it is. One that removes what older programs use sets it.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    oldest_revision: Mapped[str] = mapped_column(sa.String(32))
