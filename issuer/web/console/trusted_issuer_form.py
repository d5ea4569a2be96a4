"""The members of a trusted issuer, as forms have them, and what is usual at each platform."""

from collections.abc import Mapping
from typing import Any

from issuer.trusted_issuers import TrustedIssuerFields, TrustedIssuerResource
from issuer.vocabulary import TokenAlgorithm
from issuer.web.console.commands import as_options
from issuer.web.console.json_field import json_text, read_json

MAX_FORM = 256 * 1024  # 20 keys and CA certificates, percent-encoded
SOURCES = ("discovery", "jwks_uri", "jwks")
# Of each kind of new trusted issuer, what its form has at first.
_KINDS: dict[str, dict[str, str]] = {
    "kubernetes": {"id": "cluster", "source": "jwks", "RS256": "yes"},
    "github": {
        "id": "github",
        "issuer": "https://token.actions.githubusercontent.com",
        "RS256": "yes",
    },
    "gitlab": {"id": "gitlab", "issuer": "https://gitlab.com", "RS256": "yes"},
    "spiffe": {"source": "jwks_uri", "RS256": "yes", "ES256": "yes"},
    "entra": {"id": "entra", "RS256": "yes"},
    "oidc": {"RS256": "yes"},
}
KINDS = tuple(_KINDS)
_OPTIONS = {
    "issuer": "--issuer",
    "algorithms": "--algorithm",
    "jwks_uri": "--jwks-uri",
    "jwks": "--jwks",
    "ca_certificate": "--ca-certificate",
    "typ": "--typ",
}
_SWITCHES = {
    "discovery": ("--discovery", ""),
    "allow_private_addresses": ("--allow-private-addresses", "--public-addresses-only"),
    "disabled": ("--disabled", "--enabled"),
}


def usual(kind: str) -> dict[str, str]:
    """What is usual for that kind of issuer, as in its form."""
    return {"kind": kind, **_KINDS[kind]}


def typed_trusted_issuer(
    form: Mapping[str, str], now: TrustedIssuerResource | None = None
) -> TrustedIssuerFields:
    """The trusted issuer of a form, or `now` changed by it; `InvalidField`."""
    return TrustedIssuerFields.read(
        {
            "id": now.id if now else form.get("id", "").strip(),
            "issuer": form.get("issuer", "").strip(),
            "algorithms": [alg.value for alg in TokenAlgorithm if alg in form],
            "keys": _typed_keys(form),
            "ca_certificate": form.get("ca_certificate", "").strip() or None,
            "typ": form.get("typ", "").strip() or None,
            "allow_private_addresses": "allow_private_addresses" in form,
            "kinds": list(now.kinds) if now else ["workload"],
            "disabled": now.disabled if now else False,
        }
    )


def trusted_issuer_as_typed(issuer: TrustedIssuerResource) -> dict[str, str]:
    """The fields of the form for a change, for the trusted issuer as it is."""
    (source,) = issuer.keys
    typed = {alg.value: "yes" for alg in issuer.algorithms}
    typed |= {"allow_private_addresses": "yes"} if issuer.allow_private_addresses else {}
    return typed | {
        "issuer": issuer.issuer,
        "source": source,
        "jwks_uri": issuer.keys.get("jwks_uri", ""),
        "jwks": json_text(issuer.keys.get("jwks")),
        "ca_certificate": (issuer.ca_certificate or "").strip(),
        "typ": issuer.typ or "",
    }


def trusted_issuer_options(members: Mapping[str, Any]) -> list[str]:
    """The options of `issuer trusted-issuer create` and `update` that give these members."""
    kept = {name: value for name, value in members.items() if name != "keys"}
    return as_options({**kept, **(members.get("keys") or {})}, _OPTIONS, _SWITCHES)


def _typed_keys(form: Mapping[str, str]) -> object:
    match form.get("source", SOURCES[0]):
        case "discovery":
            return {"discovery": True}
        case "jwks_uri":
            return {"jwks_uri": form.get("jwks_uri", "").strip()}
    return {"jwks": read_json("jwks", form.get("jwks", ""))}
