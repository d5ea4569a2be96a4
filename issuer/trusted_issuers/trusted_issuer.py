"""The models of a trusted issuer."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from issuer.fields.fields import Fields, Version
from issuer.fields.ids import RoleName
from issuer.resources.resource_type import DISABLED, Control, Member, ResourceType
from issuer.trusted_issuers import fields
from issuer.trusted_issuers.sign_in import SignInFields
from issuer.vocabulary import TokenAlgorithm


class TrustedIssuerFields(Fields):
    """The members of a trusted issuer that an operator sets.

    `issuer` is the `iss` of its tokens, or `spiffe://` and a trust domain. Its keys are fetched
    from public addresses only, unless `allow_private_addresses`; `ca_certificate` replaces the
    CAs of the system. With `RS256` alone in `algorithms`, those that its metadata names for ID
    tokens count as well, if its keys are found by discovery. `Ed25519` in `algorithms` is stored
    as `EdDSA`, and tokens may have either name. With `typ`, only tokens of workloads with that
    `typ` in their header count. Without it, all do but those of other kinds, such as access tokens
    (`at+jwt`). If `kinds` has `people`, they sign in there as `sign_in` says.
    """

    id: Annotated[
        RoleName,
        Member(
            label="Id",
            help="Its id here, such as github.",
            hint="What trusts call it, such as cluster. It cannot be changed.",
        ),
    ]
    issuer: Annotated[
        fields.IssuerUrl,
        Member(
            label="Issuer",
            help="The iss of its tokens: an https URL, or spiffe:// and a trust domain.",
            hint="The iss of its tokens, or spiffe:// and a trust domain",
            metavar="URL",
        ),
    ]
    algorithms: Annotated[
        fields.TokenAlgorithms,
        Member(
            label="Algorithms of its tokens",
            help=f"An algorithm of its tokens: {', '.join(fields.ALGORITHM_NAMES)}. Repeatable."
            " Default: RS256, and with --discovery what its metadata names for ID tokens.",
            control=Control.CHOICES,
            values=fields.ALGORITHM_NAMES,
            option="--algorithm",
            metavar="ALG",
        ),
    ] = [TokenAlgorithm.RS256]
    keys: fields.KeySourceObject
    ca_certificate: Annotated[
        fields.CaCertificate | None,
        Member(
            label="CA certificates",
            help="CA certificates in PEM for its server, instead of those of the system; '' for"
            " none.",
            hint="In PEM, for its server, in place of those of the system",
            control=Control.CERTIFICATE,
            metavar="@FILE",
        ),
    ] = None
    typ: Annotated[
        fields.TokenType | None,
        Member(
            label="Type of its tokens",
            help="The typ that its tokens must have in their header, such as JWT; '' for any but"
            " at+jwt, which access tokens have.",
            hint="The typ in their header, such as JWT. Left out, any but at+jwt, which access"
            " tokens have.",
            metavar="TYP",
        ),
    ] = None
    kinds: Annotated[
        fields.Kinds,
        Member(
            label="What its tokens are for",
            help=f"What its tokens are for: {' or '.join(fields.KINDS)}. Repeatable.",
            control=Control.CHOICES,
            values=fields.KINDS,
            option="--kind",
            metavar="KIND",
        ),
    ] = ["workload"]
    sign_in: Annotated[SignInFields | None, Field(validate_default=True)] = None
    allow_private_addresses: Annotated[
        bool,
        Member(
            label="Its server may have a private address",
            help="Whether its server may be in a private network.",
            control=Control.SWITCH,
            option="--allow-private-addresses/--public-addresses-only",
        ),
    ] = False
    disabled: Annotated[bool, DISABLED] = False

    @field_validator("algorithms", "typ", "kinds")
    @classmethod
    def _fits_a_trust_domain(cls, value: Any, info: ValidationInfo) -> Any:
        if not fields.is_trust_domain(info.data.get("issuer", "")):
            return value
        match info.field_name:
            case "algorithms" if TokenAlgorithm.EDDSA in value:
                raise ValueError("may not hold EdDSA, which no JWT-SVID has (SPIFFE JWT-SVID §2.1)")
            case "typ" if value is not None and value.lower() not in {"jwt", "jose"}:
                raise ValueError("must be JWT or JOSE, as of JWT-SVIDs (SPIFFE JWT-SVID §2.3)")
            case "kinds" if fields.PEOPLE in value:
                raise ValueError("may not hold people: nobody signs in at a trust domain")
        return value

    @field_validator("sign_in")
    @classmethod
    def _fits_kinds(cls, sign_in: SignInFields | None, info: ValidationInfo) -> SignInFields | None:
        if "kinds" in info.data and (sign_in is None) is (fields.PEOPLE in info.data["kinds"]):
            raise ValueError("belongs to the kind people: give both or neither")
        return sign_in

    @field_validator("keys")
    @classmethod
    def _fit_the_issuer(cls, keys: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if not {"issuer", "algorithms"} <= info.data.keys():
            return keys  # these are wrong themselves
        return fields.check_keys(keys, info.data["issuer"], info.data["algorithms"])


class TrustedIssuerResource(TrustedIssuerFields):
    """A stored trusted issuer."""

    created_at: datetime
    updated_at: datetime
    version: Version


class ProviderRegistration(BaseModel):
    """What to enter at a trusted issuer where people sign in, and what it has sent.

    `last_signals` has the day of the last signal by the way in which it came.
    """

    redirect_uri: str
    post_logout_redirect_uri: str
    backchannel_logout_uri: str
    frontchannel_logout_uri: str
    security_events_uri: str
    global_token_revocation_uri: str
    last_signals: dict[str, str]


TRUSTED_ISSUER = ResourceType(
    "trusted issuer",
    "trusted-issuers",
    key="id",
    fields=TrustedIssuerFields,
    model=TrustedIssuerResource,
)
