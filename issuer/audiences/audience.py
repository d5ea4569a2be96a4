"""The models of an audience."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from issuer.algorithms import AlgorithmInUse
from issuer.fields.fields import Algorithm, Fields, Label, Version
from issuer.fields.ids import AudienceId
from issuer.fields.times import Lifetime
from issuer.fields.urls import AgentOSUrl, Resources
from issuer.resources.resource_type import LIFETIME, NAME, Control, Member, ResourceType
from issuer.vocabulary import SigningAlgorithm


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
