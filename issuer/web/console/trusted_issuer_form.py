"""How people type a trusted issuer, and what is usual at each platform."""

import json
from collections.abc import Mapping
from typing import Any

from issuer.trusted_issuers import TRUSTED_ISSUER, TrustedIssuerFields, TrustedIssuerResource
from issuer.web.console.screens.form_fields import json_text, read_json
from issuer.web.console.screens.resource_form import ResourceForm

MAX_FORM = 256 * 1024  # 20 keys and CA certificates, percent-encoded
SOURCES = ("discovery", "jwks_uri", "jwks")
# Of each kind of new trusted issuer, what its form has at first.
KINDS: dict[str, dict[str, str]] = {
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


class TrustedIssuerForm(ResourceForm[TrustedIssuerFields, TrustedIssuerResource]):
    """Has fields of its own for each source of keys."""

    def given(
        self, form: Mapping[str, str], resource: TrustedIssuerResource | None
    ) -> dict[str, Any]:
        return {**super().given(form, resource), "keys": _typed_keys(form)}

    def typed(self, resource: TrustedIssuerResource) -> dict[str, str]:
        (source,) = resource.keys
        return super().typed(resource) | {
            "source": source,
            "jwks_uri": resource.keys.get("jwks_uri", ""),
            "jwks": json_text(resource.keys.get("jwks")),
        }

    def options(self, given: Mapping[str, Any]) -> list[str]:
        options = super().options(given)
        for source, value in (given.get("keys") or {}).items():
            options.append(f"--{source.replace('_', '-')}")
            if source != "discovery":
                options.append(json.dumps(value) if source == "jwks" else value)
        return options


FORM = TrustedIssuerForm(TRUSTED_ISSUER)


def _typed_keys(form: Mapping[str, str]) -> object:
    match form.get("source", SOURCES[0]):
        case "discovery":
            return {"discovery": True}
        case "jwks_uri":
            return {"jwks_uri": form.get("jwks_uri", "").strip()}
    return {"jwks": read_json("jwks", form.get("jwks", ""))}
