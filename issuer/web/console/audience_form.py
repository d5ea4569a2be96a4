"""The members of an audience, as forms have them."""

from collections.abc import Mapping
from typing import Any

from issuer.audiences import Audience, AudienceFields
from issuer.web.console.commands import as_options
from issuer.web.console.lifetimes import lifetime_as_typed, typed_lifetime
from issuer.web.console.scope_texts import one_a_line

_OPTIONS = {
    "name": "--name",
    "signing_alg": "--signing-alg",
    "access_token_ttl": "--access-token-ttl",
    "resources": "--resource",
}
_SWITCHES = {"include_roles": ("--include-roles", "--no-roles")}


def typed_audience(form: Mapping[str, str], audience_id: str = "") -> AudienceFields:
    """The audience of a form, or that of this id changed; `InvalidField` if it cannot be one."""
    return AudienceFields.read(
        {
            "id": audience_id or form.get("id", "").strip(),
            "name": form.get("name", "").strip(),
            "signing_alg": form.get("signing_alg") or None,
            "access_token_ttl": typed_lifetime(form.get("access_token_ttl", "")),
            "include_roles": "include_roles" in form,
            "resources": form.get("resources", "").split(),
        }
    )


def audience_as_typed(audience: Audience) -> dict[str, str]:
    """The fields of the form for a change, for the audience as it is."""
    typed = {"include_roles": "yes"} if audience.include_roles else {}
    return typed | {
        "name": audience.name,
        "signing_alg": audience.signing_alg or "",
        "access_token_ttl": lifetime_as_typed(audience.access_token_ttl),
        "resources": one_a_line(audience.resources),
    }


def audience_options(members: Mapping[str, Any]) -> list[str]:
    """The options of `issuer audience create` and `update` that give these members."""
    return as_options(members, _OPTIONS, _SWITCHES)
