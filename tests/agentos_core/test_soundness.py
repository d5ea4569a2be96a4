"""The arguments of a `Verifier` are checked when it is created."""

import math
from types import MappingProxyType
from typing import Any

import pytest

from issuer.agentos import Verifier
from issuer.agentos.errors import InvalidConfiguration
from tests.rows import rows

SOUND: dict[str, Any] = {"issuer": "https://id.example", "audience": "my-os"}


@rows(
    "argument",
    [
        *({"issuer": wrong} for wrong in (None, "", 1, b"https://id.example")),
        *({"issuer": f"https://id.example{more}"} for more in ("?a=1", "#a", "\n", " ", "\0")),
        *({"audience": wrong} for wrong in (None, "", 1, b"my-os", ["my-os"], " my-os", "a\nb")),
        *({"jwks_url": wrong} for wrong in ("", 1, "https://id.example/jwks.json\n")),
        *({"typ": wrong} for wrong in ("", 1, ["at+jwt"])),
        *({"leeway": wrong} for wrong in ("10", None, True, -1, 301, math.nan, math.inf)),
        *({"verification_keys": wrong} for wrong in ("-----BEGIN", None, [None], [b"a"], [""])),
        *({"others": wrong} for wrong in ("x", [None])),
        *({"audience_claim": wrong} for wrong in (None, "", 1, ["azp"])),
        *({"required_claims": wrong} for wrong in ("a", ["a"], {"": "a"}, {"a": None}, {"a": [1]})),
        *({"scopes_claim": wrong} for wrong in (None, "", 1, [], [""], [1], {"scp": 1})),
        *({"scope_mapping": wrong} for wrong in ("a", ["a"], {"a": "agents:read"}, {"": ["a"]})),
        *({"scope_mapping": {"a": [wrong]}} for wrong in (None, "", "agents:read agents:run", 1)),
    ],
)
def test_an_invalid_argument_is_named_in_the_error(argument: dict[str, Any]):
    with pytest.raises(InvalidConfiguration, match=next(iter(argument))):
        Verifier(**{**SOUND, **argument})


def test_auth_refuses_a_jwks_file_that_would_replace_its_own():
    with pytest.raises(InvalidConfiguration, match="jwks_file"):
        Verifier(**SOUND).auth(jwks_file="keys.json")


@rows(
    "argument",
    [
        {},
        {"issuer": "https://id.example/auth/"},
        {"jwks_url": "https://id.example/keys?tenant=1"},
        {"typ": None},
        {"audience_claim": "azp"},
        {"required_claims": {"token_use": "access", "is_anonymous": False}},
        {"required_claims": MappingProxyType({"token_use": "access"})},
        *({"scopes_claim": right} for right in ("cognito:groups", ["realm_access", "roles"])),
        {"scopes_claim": "groups", "scope_mapping": {"admins": ["agent_os:admin"], "none": ()}},
        *({"leeway": right} for right in (0, 0.5, 300)),
        {"verification_keys": ("-----BEGIN PUBLIC KEY-----\n",)},
    ],
)
def test_a_valid_argument_is_accepted(argument: dict[str, Any]):
    assert Verifier(**{**SOUND, **argument}).status()["trusted"] is False
