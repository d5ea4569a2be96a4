"""The models of an audience, and the rules for audiences."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from issuer.algorithms import AlgorithmInUse
from issuer.audiences.store import AudienceStore
from issuer.database.tables import AudienceRow
from issuer.errors import AlreadyExists, InUse, InvalidField, NotAllowed
from issuer.fields.fields import Algorithm, Fields, Label, Version
from issuer.fields.ids import AudienceId
from issuer.fields.times import Lifetime
from issuer.fields.urls import AgentOSUrl, Resources, require_protected
from issuer.resources import Collection, Transaction
from issuer.resources.resource_type import LIFETIME, NAME, Control, Member, ResourceType
from issuer.scopes import ISSUER_ADMIN
from issuer.vocabulary import SigningAlgorithm

_MAX_NAMED = 100


class AudienceFields(Fields):
    """The members of an audience that an operator sets.

    Without `signing_alg` it gets the first of `ISSUER_SIGNING_ALGORITHMS`. `resources` are URLs
    that a request may name instead of the id (RFC 8707), such as that of an MCP endpoint. `url` is
    where the AgentOS is. Tokens are sent to both, so only `issuer:admin` may set them.
    """

    id: Annotated[
        AudienceId,
        Member(
            label="Id",
            help="The id of the AgentOS.",
            hint="The id of the AgentOS, such as my-os, or a URL. It cannot be changed.",
        ),
    ]
    name: Annotated[Label, replace(NAME, hint="What people read on the consent page")] = ""
    signing_alg: Annotated[
        Algorithm | None,
        Member(
            label="Signing algorithm",
            help=f"Signing algorithm of its tokens: {', '.join(SigningAlgorithm)}.",
            control=Control.CHOICE,
            values=SigningAlgorithm,
            metavar="ALG",
        ),
    ] = None
    access_token_ttl: Annotated[Lifetime | None, LIFETIME] = None
    include_roles: Annotated[
        bool,
        Member(
            label="Its tokens list the names of roles",
            help="Whether its tokens name the roles all of whose scopes they have.",
            control=Control.SWITCH,
            option="--include-roles/--no-roles",
        ),
    ] = False
    include_profile: Annotated[
        bool,
        Member(
            label="Its tokens have name and address of the user",
            help="Whether its tokens have `name`, and `email` where it is verified, of the user.",
            control=Control.SWITCH,
            option="--include-profile/--no-profile",
        ),
    ] = False
    require_dpop: Annotated[
        bool,
        Member(
            label="Its tokens are bound to a key (DPoP)",
            help="Whether there is no token for it without a proof of possession (RFC 9449).",
            control=Control.SWITCH,
            option="--require-dpop/--no-dpop",
        ),
    ] = False
    url: Annotated[
        AgentOSUrl | None,
        Member(
            label="URL",
            help="Where the AgentOS is, for inspections; '' for none.",
            hint="Where this issuer reaches the AgentOS, to inspect it. Only holders of"
            " issuer:admin may set it.",
            metavar="URL",
        ),
    ] = None
    resources: Annotated[
        Resources,
        Member(
            label="Also named by",
            help="A URL that a request may name instead of the id, such as that of an MCP endpoint."
            " Repeatable; '' for none.",
            hint="URLs that a request may name instead of the id, such as that of an MCP endpoint;"
            " one a line. Only holders of issuer:admin may set them.",
            control=Control.LINES,
            option="--resource",
            metavar="URL",
        ),
    ] = []


class Audience(AudienceFields):
    """A stored audience. Its tokens are signed with `previous_alg` until `alg_changes_at`."""

    previous_alg: SigningAlgorithm | None
    alg_changes_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: Version

    @property
    def algorithm(self) -> AlgorithmInUse:
        """What signs its tokens, and what did before."""
        assert self.signing_alg is not None  # stored with one
        return AlgorithmInUse(self.signing_alg, self.previous_alg, self.alg_changes_at)


AUDIENCE = ResourceType(
    "audience",
    "audiences",
    key="id",
    fields=AudienceFields,
    model=Audience,
    deleted_with=lambda *_: " and revoke every token for it",
)


class Audiences(Collection[AudienceRow, AudienceFields, Audience]):
    """Audiences. The issuer's own, `own_id`, can only be changed by its admins.

    Without `signing_alg`, an audience gets the first of `algorithms`. A new algorithm signs once
    its keys have been published for `announce_for`.
    """

    resource_type = AUDIENCE
    store_type = AudienceStore
    _store: AudienceStore

    def __init__(
        self,
        transaction: Transaction,
        own_id: str,
        algorithms: Sequence[SigningAlgorithm],
        announce_for: timedelta,
        *,
        allow_http: bool,
    ) -> None:
        super().__init__(transaction)
        self.own_id = own_id
        self.algorithms = algorithms
        self._announce_for = announce_for
        self._allow_http = allow_http

    def have_urls(self) -> bool:
        """Whether one of them has the URL of its AgentOS."""
        return self._store.have_urls()

    def ensure_own(self) -> None:
        """Create the issuer's own audience if it is missing; its id is the issuer identifier."""
        if not self._store.find(self.own_id):
            self.create(AudienceFields(id=self.own_id, name="The issuer's admin API"))

    def move_own(self, before: str) -> None:
        """Change the id of the issuer's own audience from `before` to `own_id`."""
        if self._store.find(self.own_id):
            raise AlreadyExists("audience", self.own_id)
        self._store.move(self._store.get(before), self.own_id)
        self._trail.note("issuer.url_changed", self.own_id, before=before)

    def require_algorithm(self, audience_id: str, alg: SigningAlgorithm) -> None:
        """`NotAllowed` if the audience cannot change to `alg` now."""
        self._in_use(self._store.get(audience_id), alg)

    def require_url(self, audience_id: str, url: str) -> None:
        """`InvalidField` unless a token for that audience may be sent to `url`."""
        if audience_id == self.own_id:
            raise InvalidField("url", "is for the URL of an AgentOS; this is the issuer's own API")
        require_protected("url", url, allow_http=self._allow_http)

    def authorize_release(self, audience_id: str) -> None:
        """`Forbidden` unless the caller may take it from all that use it, as `cascade` does.

        Only admins may change principals with rights at the issuer.
        """
        privileged = self._authority.privileged()
        is_assigned = audience_id in privileged.audiences
        if is_assigned or self._store.is_used_by(audience_id, privileged.clients):
            self._authority.authorize_privileged_change()

    def _authorize(self, before: AudienceFields | None, after: AudienceFields | None) -> None:
        if after is not None and _places(after) != (_places(before) if before else (None, set())):
            self._authority.require(ISSUER_ADMIN)  # tokens for the audience are sent there
        if before is None:
            return
        if after is None and before.id == self.own_id:
            raise NotAllowed("The issuer's own audience cannot be deleted.")
        self._authority.authorize_change(audiences=[before.id])

    def _with_key(self, fields: AudienceFields) -> AudienceFields:
        if self._store.is_client(fields.id):
            raise AlreadyExists("client", fields.id)  # the `aud` of an ID token is a client
        if self._store.named(fields.id):
            raise AlreadyExists("audience", fields.id)
        return fields

    def _write(self, row: AudienceRow, fields: AudienceFields) -> None:
        alg = fields.signing_alg or self.algorithms[0]
        if alg not in self.algorithms:
            raise InvalidField(
                "signing_alg",
                f"is not one of ISSUER_SIGNING_ALGORITHMS ({', '.join(self.algorithms)})",
            )
        if fields.url is not None and fields.url != row.url:
            self.require_url(fields.id, fields.url)
        current = row.signing_alg or alg  # a new row has none
        super()._write(row, fields.model_copy(update={"signing_alg": current}))
        after = self._in_use(row, alg)
        row.signing_alg, row.previous_alg = after.current, after.previous
        row.alg_changes_at = after.changes_at
        for resource in fields.resources:
            named = self._store.named(resource)
            if named is not None and named.id != fields.id:
                raise InvalidField("resources", f"{resource} names the audience {named.id}")
        self._store.set_resources(row, fields.resources)

    def _related(self, row: AudienceRow) -> dict[str, Any]:
        return {"resources": sorted(each.resource for each in row.resources)}

    def _in_use(self, row: AudienceRow, alg: SigningAlgorithm) -> AlgorithmInUse:
        in_use = AlgorithmInUse(row.signing_alg, row.previous_alg, row.alg_changes_at)
        return in_use.changed_to(alg, self._clock(), self._announce_for)

    def _revoke_for(self, before: AudienceFields, after: AudienceFields | None) -> None:
        if after is None:
            self._revocations.revoke_audience(before.id)

    def _release(self, row: AudienceRow, *, cascade: bool) -> dict[str, Any]:
        using = self._store.users_of(row.id, self._clock(), _MAX_NAMED)
        if using and not cascade:
            raise InUse("audience", row.id, using)
        self.authorize_release(row.id)
        for client_id in self._store.release(row.id):
            self._revocations.revoke_client(client_id)
        return {"released": using}


def _places(audience: AudienceFields) -> tuple[str | None, set[str]]:
    """Where tokens for the audience are sent."""
    return audience.url, set(audience.resources)
