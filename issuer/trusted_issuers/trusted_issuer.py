"""The models of a trusted issuer."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import ValidationInfo, field_validator

from issuer.fields.fields import Fields, Version
from issuer.fields.ids import RoleName
from issuer.resources.resource_type import DISABLED, Control, Member, ResourceType
from issuer.trusted_issuers.fields import (
    ALGORITHM_NAMES,
    CaCertificate,
    IssuerUrl,
    KeySourceObject,
    Kinds,
    TokenAlgorithms,
    TokenType,
    checked_keys,
    is_trust_domain,
)
from issuer.vocabulary import TokenAlgorithm


class TrustedIssuerFields(Fields):
    """The members of a trusted issuer that an operator sets.

    `issuer` is the `iss` of its tokens, or `spiffe://` and a trust domain. Its keys are fetched
    from public addresses only, unless `allow_private_addresses`; `ca_certificate` replaces the
    CAs of the system. `Ed25519` in `algorithms` is stored as `EdDSA`, and tokens may have either
    name. With `typ`, only tokens with that `typ` in their header count. Without it, all do but
    access tokens (`at+jwt`), which are for resource servers.
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
        IssuerUrl,
        Member(
            label="Issuer",
            help="The iss of its tokens: an https URL, or spiffe:// and a trust domain.",
            hint="The iss of its tokens, or spiffe:// and a trust domain",
            metavar="URL",
        ),
    ]
    algorithms: Annotated[
        TokenAlgorithms,
        Member(
            label="Algorithms of its tokens",
            help=f"An algorithm of its tokens: {', '.join(ALGORITHM_NAMES)}. Repeatable.",
            control=Control.CHOICES,
            values=ALGORITHM_NAMES,
            option="--algorithm",
            metavar="ALG",
        ),
    ] = [TokenAlgorithm.RS256]
    keys: KeySourceObject
    ca_certificate: Annotated[
        CaCertificate | None,
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
        TokenType | None,
        Member(
            label="Type of its tokens",
            help="The typ that its tokens must have in their header, such as JWT; '' for any but"
            " at+jwt, which access tokens have.",
            hint="The typ in their header, such as JWT. Left out, any but at+jwt, which access"
            " tokens have.",
            metavar="TYP",
        ),
    ] = None
    kinds: Kinds = ["workload"]
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

    @field_validator("algorithms")
    @classmethod
    def _fit_svids(
        cls, algorithms: list[TokenAlgorithm], info: ValidationInfo
    ) -> list[TokenAlgorithm]:
        if is_trust_domain(info.data.get("issuer", "")) and TokenAlgorithm.EDDSA in algorithms:
            raise ValueError("may not hold EdDSA, which no JWT-SVID has (SPIFFE JWT-SVID §2.1)")
        return algorithms

    @field_validator("typ")
    @classmethod
    def _fits_svids(cls, typ: str | None, info: ValidationInfo) -> str | None:
        of_domain = is_trust_domain(info.data.get("issuer", ""))
        if of_domain and typ is not None and typ.lower() not in {"jwt", "jose"}:
            raise ValueError("must be JWT or JOSE, as of JWT-SVIDs (SPIFFE JWT-SVID §2.3)")
        return typ

    @field_validator("keys")
    @classmethod
    def _fit_the_issuer(cls, keys: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if not {"issuer", "algorithms"} <= info.data.keys():
            return keys  # these are wrong themselves
        return checked_keys(keys, info.data["issuer"], info.data["algorithms"])


class TrustedIssuerResource(TrustedIssuerFields):
    """A stored trusted issuer."""

    created_at: datetime
    updated_at: datetime
    version: Version


TRUSTED_ISSUER = ResourceType(
    "trusted issuer",
    "trusted-issuers",
    key="id",
    fields=TrustedIssuerFields,
    model=TrustedIssuerResource,
)
