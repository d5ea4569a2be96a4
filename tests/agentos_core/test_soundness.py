"""What a `Verifier` is told is checked at once: no token has to come first."""

import math
from typing import Any

import pytest

from issuer.agentos import Verifier
from issuer.agentos.errors import ConfigurationError

SOUND: dict[str, Any] = {"issuer": "https://id.example", "audience": "my-os"}


@pytest.mark.parametrize(
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
    ],
    ids=str,
)
def test_what_cannot_be_right_is_said_in_a_sentence(argument: dict[str, Any]):
    with pytest.raises(ConfigurationError, match=next(iter(argument))):
        Verifier(**{**SOUND, **argument})


def test_auth_does_not_pass_on_a_key_set_that_would_take_the_place_of_ours():
    with pytest.raises(ConfigurationError, match="jwks_file"):
        Verifier(**SOUND).auth(jwks_file="keys.json")


@pytest.mark.parametrize(
    "argument",
    [
        {},
        {"issuer": "https://id.example/auth/"},
        {"jwks_url": "https://id.example/keys?tenant=1"},
        {"typ": None},
        *({"leeway": right} for right in (0, 0.5, 300)),
        {"verification_keys": ("-----BEGIN PUBLIC KEY-----\n",)},
    ],
    ids=str,
)
def test_what_can_be_right_is_taken(argument: dict[str, Any]):
    assert Verifier(**{**SOUND, **argument}).status()["believed"] is False
