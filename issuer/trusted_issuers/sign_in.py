"""How people sign in with an account of a trusted issuer: the member `sign_in`."""

import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from issuer.fields.fields import Fields, Label, require_portable, without_repeats
from issuer.fields.ids import AudienceId, RoleName
from issuer.resources.resource_type import Control, ItemText, Member
from issuer.trusted_issuers.fields import matching

MAX_MAPPED = 500
_MAX_NAME = 60
_MAX_CLAIMS = 20
_MAX_CLAIM_BYTES = 2_048
_VISIBLE = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")
_SCOPE = re.compile(r"[!#-\[\]-~]{1,255}")  # RFC 6749 §3.3
_EVERYWHERE = "*"  # no audience has this id


def _group(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must have at least one character, and only printable ones")
    return text


def _secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text.isascii() or not (text.isprintable() and len(text) <= 1_024):  # noqa: PLR2004
        raise ValueError("must have at most 1,024 printable ASCII characters")
    return secret


def _claims(claims: dict[str, Any]) -> dict[str, Any]:
    if len(claims) > _MAX_CLAIMS:
        raise ValueError(f"may name at most {_MAX_CLAIMS} claims")
    require_portable(claims)
    if len(json.dumps(claims)) > _MAX_CLAIM_BYTES:
        raise ValueError(f"may take at most {_MAX_CLAIM_BYTES} bytes as JSON")
    return claims


Visible = Annotated[
    str, matching(_VISIBLE, "must have 1 to 255 ASCII characters, without a space at the ends")
]
_Scope = Annotated[str, matching(_SCOPE, "must have 1 to 255 characters of RFC 6749 §3.3")]


class GroupRole(Fields):
    """People in the `group` of the issuer get the `role`, at one audience or (null) everywhere.

    Everywhere is every AgentOS: rights at this issuer itself need its own audience by name.
    """

    group: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_group)]
    role: RoleName
    audience: AudienceId | None = None


def _read_role(text: str) -> dict[str, Any]:
    """A group may have any character; no role and no audience has an equals sign."""
    group, equals, right = text.rpartition("=")
    role, at, audience = right.partition("@")
    if not (group and equals and role and at and audience):
        raise ValueError("must be GROUP=ROLE@AUDIENCE, or GROUP=ROLE@* for every AgentOS")
    where = None if audience == _EVERYWHERE else audience
    return {"group": group, "role": role, "audience": where}


def _write_role(item: dict[str, Any]) -> str:
    return f"{item['group']}={item['role']}@{item['audience'] or _EVERYWHERE}"


class SignInFields(Fields):
    """This issuer as an OpenID Connect client of the trusted issuer, and what its word counts for.

    `client_secret` is stored sealed and never shown; a change without it keeps it, an empty one
    removes it. People are known by `sub` alone: `username_claim` only names a user that is
    provisioned. Where it is not `shown`, nobody signs in with it yet, but an administrator can try
    it. `required_claims` are compared as whole JSON values; a claim that is a list may
    hold the value.
    """

    client_id: Annotated[
        Visible,
        Member(
            label="Client id",
            help="The id that the trusted issuer gave this issuer as its client.",
            hint="As the trusted issuer gave it to this issuer",
            option="--sign-in-client-id",
        ),
    ]
    client_secret: Annotated[
        Annotated[SecretStr, AfterValidator(_secret)] | None,
        Field(exclude=True, json_schema_extra={"writeOnly": True}),
        Member(
            label="Client secret",
            help="The secret of that client, as @FILE; '' for none.",
            hint="Stored sealed, and never shown again. Left empty, the one that is stored stays.",
            control=Control.SECRET,
            option="--sign-in-client-secret",
            metavar="@FILE",
            is_private=True,
        ),
    ] = None
    name: Annotated[
        Label,
        Field(max_length=_MAX_NAME),
        Member(
            label="Name for people",
            help="What people call it, as on the button of the sign-in page; '' for its id.",
            hint="On the button of the sign-in page; its id if left out",
            option="--sign-in-name",
        ),
    ] = ""
    shown: Annotated[
        bool,
        Member(
            label="People see its button",
            help="Whether people see its button. Administrators can try it before.",
            control=Control.SWITCH,
            option="--sign-in-shown/--sign-in-hidden",
        ),
    ] = True
    scopes: Annotated[
        list[_Scope],
        Field(min_length=1, max_length=50),
        AfterValidator(without_repeats),
        Member(
            label="Scopes to ask for",
            help="A scope to ask for, in addition to openid, profile and email, or to those of a"
            " well-known provider. Repeatable. An update replaces all of them.",
            hint="One a line",
            control=Control.LINES,
            option="--sign-in-scope",
            metavar="SCOPE",
        ),
    ] = ["openid", "profile", "email"]
    username_claim: Annotated[
        Visible,
        Member(
            label="Claim with the user name",
            help="The claim with the name of a user that is provisioned.",
            hint="For users that are provisioned, such as preferred_username",
            metavar="CLAIM",
        ),
    ] = "preferred_username"
    groups_claim: Annotated[
        Visible | None,
        Member(
            label="Claim with the groups",
            help="The claim with the person's groups, a list of texts; '' for none.",
            hint="A list of texts, such as groups",
            metavar="CLAIM",
        ),
    ] = None
    roles: Annotated[
        list[GroupRole],
        Field(max_length=MAX_MAPPED),
        AfterValidator(without_repeats),
        Member(
            label="Roles of groups",
            help="People in a group there get a role here: at an AgentOS, or with * at every one."
            " Repeatable; '' for none.",
            hint="One a line: GROUP=ROLE@AUDIENCE, with * for every AgentOS",
            control=Control.LINES,
            option="--map-group",
            metavar="GROUP=ROLE@AUDIENCE",
            item=ItemText(_read_role, _write_role),
        ),
    ] = []
    provision: Annotated[
        bool,
        Member(
            label="People without a user get one at their first sign-in",
            help="Whether people without a user get one at their first sign-in.",
            control=Control.SWITCH,
            option="--provision/--no-provision",
        ),
    ] = False
    required_claims: Annotated[
        dict[str, Any],
        AfterValidator(_claims),
        Member(
            label="Required claims",
            help="Claims that everybody must have: an object, or @FILE. An update merges them; null"
            " removes one.",
            hint='A JSON object, such as {"hd": "example.com"}',
            control=Control.JSON,
            metavar="JSON",
        ),
    ] = {}
    only: Annotated[
        bool,
        Member(
            label="The only way to sign in, but for administrators",
            help="Whether it is the only way to sign in, but for administrators.",
            control=Control.SWITCH,
            option="--sign-in-only/--sign-in-optional",
        ),
    ] = False
    id_jag: Annotated[
        bool,
        Member(
            label="Its ID-JAGs are accepted (Enterprise-Managed Authorization)",
            help="Whether its ID-JAGs are accepted (Enterprise-Managed Authorization).",
            control=Control.SWITCH,
            option="--id-jag/--no-id-jag",
        ),
    ] = False

    sign_out: Annotated[
        bool,
        Member(
            label="Signing out here signs people out there",
            help="Whether signing out here signs people out there, too.",
            control=Control.SWITCH,
            option="--sign-out-there/--stay-signed-in-there",
        ),
    ] = True

    @field_validator("only")
    @classmethod
    def _needs_its_button(cls, only: bool, info: ValidationInfo) -> bool:
        if only and not info.data.get("shown", True):
            raise ValueError("must be false while shown is: people could not sign in at all")
        return only
