"""The members of a client, as forms have them: lists one a line, choices as checkboxes."""

from collections.abc import Mapping

from issuer.clients import Client, ClientFields
from issuer.vocabulary import AuthMethod, GrantType, RegisteredBy, UserRights
from issuer.web.console.screens.commands import as_options
from issuer.web.console.screens.form_fields import (
    json_text,
    lifetime_as_typed,
    read_json,
    typed_lifetime,
)

LISTS = ("audiences", "scopes", "redirect_uris", "post_logout_redirect_uris")
# The members that a client that registered itself cannot have.
OF_ADMINS = ("audiences", "scopes", "user_rights", "claims", "first_party", "may_set_session")
_SWITCHES = {
    "first_party": ("--first-party", "--third-party"),
    "may_set_session": ("--may-set-session", "--no-session"),
    "disabled": ("--disabled", "--enabled"),
}
_CHECKBOXES = ("first_party", "may_set_session")
_OPTIONS = {
    "name": "--name",
    "audiences": "--audience",
    "scopes": "--scope",
    "grant_types": "--grant-type",
    "redirect_uris": "--redirect-uri",
    "post_logout_redirect_uris": "--post-logout-redirect-uri",
    "token_endpoint_auth_method": "--auth-method",
    "jwks": "--jwks",
    "jwks_uri": "--jwks-uri",
    "user_rights": "--user-rights",
    "access_token_ttl": "--access-token-ttl",
    "claims": "--claims",
}
_WITH_A_PERSON = [GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN]
# Of each kind of new client, what the form does not ask.
_KINDS: dict[str, dict[str, object]] = {
    "service": {"grant_types": [GrantType.CLIENT_CREDENTIALS]},
    "web": {"grant_types": _WITH_A_PERSON},
    "public": {"grant_types": _WITH_A_PERSON, "token_endpoint_auth_method": AuthMethod.NONE},
}
KINDS = tuple(_KINDS)


def new_client(form: Mapping[str, str]) -> ClientFields:
    """The client of the form for new ones; `InvalidField` if it cannot be one."""
    members: dict[str, object] = dict(_KINDS.get(form.get("kind", ""), _KINDS["service"]))
    members |= {name: form[name].split() for name in LISTS if name in form}
    members |= {name: form[name].strip() for name in ("client_id", "name") if name in form}
    members |= {"user_rights": form["user_rights"]} if "user_rights" in form else {}
    if (jwks := read_json("jwks", form.get("jwks", ""))) is not None:
        members |= {"jwks": jwks, "token_endpoint_auth_method": AuthMethod.PRIVATE_KEY_JWT}
    members |= {name: True for name in _CHECKBOXES if name in form}
    return ClientFields.read(members)


def edited_client(client: Client, form: Mapping[str, str]) -> ClientFields:
    """The client as the form for a change says; `InvalidField` if it cannot be one."""
    members: dict[str, object] = {name: form.get(name, "").split() for name in LISTS}
    members |= {name: name in form for name in _CHECKBOXES}
    members |= {
        "name": form.get("name", "").strip(),
        "grant_types": [grant for grant in GrantType if grant in form],
        "token_endpoint_auth_method": form.get("token_endpoint_auth_method", ""),
        "jwks": read_json("jwks", form.get("jwks", "")),
        "jwks_uri": form.get("jwks_uri", "").strip() or None,
        "user_rights": form.get("user_rights", UserRights.OWN),
        "access_token_ttl": typed_lifetime(form.get("access_token_ttl", "")),
        "claims": read_json("claims", form.get("claims", ""), {}),
        "trusts": [trust.model_dump(mode="json") for trust in client.trusts],
        "client_id": client.client_id,
        "disabled": client.disabled,
    }
    if client.registered_by is not RegisteredBy.ADMIN:
        kept = client.model_dump(mode="json")
        members |= {name: kept[name] for name in OF_ADMINS}
    return ClientFields.read(members)


def as_typed(client: Client) -> dict[str, str]:
    """The fields of the form for a change, for the client as it is."""
    typed = {name: "\n".join(getattr(client, name)) for name in LISTS}
    typed |= {name: "yes" for name in _CHECKBOXES if getattr(client, name)}
    typed |= {grant.value: "yes" for grant in client.grant_types}
    return typed | {
        "name": client.name,
        "token_endpoint_auth_method": client.token_endpoint_auth_method.value,
        "jwks": json_text(client.jwks),
        "jwks_uri": client.jwks_uri or "",
        "user_rights": client.user_rights.value,
        "access_token_ttl": lifetime_as_typed(client.access_token_ttl),
        "claims": json_text(client.claims),
    }


def client_options(members: Mapping[str, object]) -> list[str]:
    """The options of `issuer client create` and `update` that give these members."""
    return as_options(members, _OPTIONS, _SWITCHES)
