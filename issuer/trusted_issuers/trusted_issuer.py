"""The models of a trusted issuer."""

from datetime import datetime
from typing import Any

from pydantic import ValidationInfo, field_validator

from issuer.fields.fields import Fields, Version
from issuer.fields.ids import RoleName
from issuer.resources import ResourceType
from issuer.trusted_issuers.fields import (
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

    id: RoleName
    issuer: IssuerUrl
    algorithms: TokenAlgorithms = [TokenAlgorithm.RS256]
    keys: KeySourceObject
    ca_certificate: CaCertificate | None = None
    typ: TokenType | None = None
    kinds: Kinds = ["workload"]
    allow_private_addresses: bool = False
    disabled: bool = False

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
