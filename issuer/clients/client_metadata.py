"""Reading the metadata of a client that registers itself (RFC 7591 §2). It never gets rights."""

import re
from collections.abc import Mapping
from typing import Any

from issuer.clients.client import BACKCHANNEL_LOGOUT, REQUIREMENTS, ClientFields
from issuer.errors import InvalidField
from issuer.fields.json import strict_json
from issuer.fields.urls import KNOWN_SCHEMES, is_for_self_registered
from issuer.vocabulary import GRANTS_WITH_A_PERSON, AuthMethod, GrantType, UserRights

_NAME = re.compile(r"^name(?=\.|$)")  # which RFC 7591 calls `client_name`


def parsed(body: bytes) -> dict[str, Any]:
    """The JSON object; `InvalidField` for anything else, and for a repeated member."""
    try:
        members = strict_json(body)
    except (ValueError, RecursionError):
        raise InvalidField("body", "is not JSON in UTF-8 with each member once") from None
    if not isinstance(members, dict):
        raise InvalidField("body", "is not a JSON object")
    return {name: value for name, value in members.items() if value is not None}


def read_client_metadata(
    members: Mapping[str, Any],
    client_id: str | None = None,
    default_method: AuthMethod = AuthMethod.CLIENT_SECRET_BASIC,
) -> ClientFields:
    """The client; `InvalidField` with the names of RFC 7591. Other members are ignored (§2).

    Of the grant types, those without a person are dropped (§3.2.1).
    """
    if "code" not in _words(members, "response_types", ["code"]):
        raise InvalidField("response_types", "must hold code")
    asked = _words(members, "grant_types", sorted(GRANTS_WITH_A_PERSON))
    if GrantType.AUTHORIZATION_CODE not in asked:
        raise InvalidField("grant_types", "must hold authorization_code")
    fields = {
        "client_id": client_id,
        "name": members.get("client_name", ""),
        "grant_types": [grant for grant in asked if grant in GRANTS_WITH_A_PERSON],
        "token_endpoint_auth_method": members.get("token_endpoint_auth_method", default_method),
        **_keys(members),
        "redirect_uris": members.get("redirect_uris", []),
        "post_logout_redirect_uris": members.get("post_logout_redirect_uris", []),
        **{name: members[name] for name in (*REQUIREMENTS, *BACKCHANNEL_LOGOUT) if name in members},
        "user_rights": UserRights.ALL,
    }
    try:
        client = ClientFields.read(fields)
    except InvalidField as error:
        problems = [(_NAME.sub("client_name", name), message) for name, message in error.problems]
        raise InvalidField(*problems[0], *problems[1:]) from None
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        if not all(map(is_for_self_registered, getattr(client, name))):
            schemes = ", ".join(sorted(KNOWN_SCHEMES))
            raise InvalidField(
                name,
                "may be https, on loopback, or have a scheme with a dot (RFC 8252 §7.1) or one of"
                f" {schemes}",
            )
    return client


def _keys(members: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a client that says it signs with them; others may publish keys for other uses."""
    if members.get("token_endpoint_auth_method") != AuthMethod.PRIVATE_KEY_JWT:
        return {}
    keys = {name: members[name] for name in ("jwks", "jwks_uri") if name in members}
    if len(keys) != 1:
        raise InvalidField("jwks_uri", "or jwks is required by private_key_jwt, and not both")
    return keys


def _words(members: Mapping[str, Any], name: str, default: list[str]) -> list[str]:
    words = members.get(name, default)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InvalidField(name, "must be a list of strings")
    return words
