"""Scopes in the claims of other issuers."""

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import jwt
import pytest

from issuer.agentos.agno_hook import BoundValidator
from issuer.agentos.argument_checks import ScopesClaim, scopes_claim_at
from issuer.agentos.fastapi import scopes_of
from issuer.agentos.possession import PossessionRule
from issuer.agentos.rules import TokenRules
from tests.agentos_core.conftest import Clocks, Following
from tests.agentos_core.hostile_server import hostile_server
from tests.agentos_core.keys import key, key_set
from tests.rows import rows

TEAMS = {"admins": ["agent_os:admin"], "All staff": ["agents:read", "agents:web:run"]}


def scopes(claims: Mapping[str, Any], *path: str, **more: Any) -> list[str]:
    return ScopesClaim(path, **more).apply_to(claims)["scopes"]


@rows(
    ("value", "expected"),
    [
        (["agents:read", "agents:web:run"], ["agents:read", "agents:web:run"]),
        ("agents:read agents:web:run", ["agents:read", "agents:web:run"]),
        (" agents:read  agents:read ", ["agents:read"]),
        (["agents:read agent_os:admin"], []),
        (["agents:read", None, 5, ["agent_os:admin"], {"agent_os:admin": 1}], ["agents:read"]),
        ({"agent_os:admin": True}, []),
        ("", []),
        (None, []),
        (True, []),
        (5, []),
    ],
)
def test_scopes_are_read_from_an_array_or_a_string(value: Any, expected: list[str]):
    assert scopes({"scp": value}, "scp") == expected


def test_scopes_are_read_from_a_nested_claim():
    claims = {"resource_access": {"my-os": {"roles": ["agents:read"]}}, "roles": ["agent_os:admin"]}
    assert scopes(claims, "resource_access", "my-os", "roles") == ["agents:read"]
    assert scopes(claims, "resource_access", "my-os") == []
    assert scopes(claims, "resource_access", "your-os", "roles") == []
    assert scopes(claims, "roles", "my-os") == []
    assert scopes({}, "roles") == []


@rows(
    ("groups", "expected"),
    [
        (["admins"], ["agent_os:admin"]),
        (["All staff", "admins"], ["agents:read", "agents:web:run", "agent_os:admin"]),
        (["Admins", "agent_os:admin", "agents:read"], []),
        ("admins", ["agent_os:admin"]),
        ([], []),
    ],
)
def test_with_a_mapping_only_mapped_values_grant_anything(groups: Any, expected: list[str]):
    assert scopes({"groups": groups}, "groups", mapping=TEAMS) == expected


def test_what_the_token_has_elsewhere_is_replaced():
    """Both claims, since a service may read either."""
    token = {"scope": "agent_os:admin", "scopes": ["agent_os:admin"], "scp": ["agents:read"]}
    claims = ScopesClaim(["scp"]).apply_to(token)
    assert (claims["scope"], claims["scopes"]) == ("agents:read", ["agents:read"])
    assert scopes_of(claims) == {"agents:read"}
    assert scopes_of(ScopesClaim(["none"]).apply_to(token)) == set()


def test_by_default_the_claims_are_those_of_the_token():
    assert scopes_claim_at("scopes", None) is None


@pytest.fixture(scope="module")
def following() -> Iterator[Following]:
    """A verifier of access tokens like Cognito's."""
    with hostile_server() as server:
        server.publish(key_set(key()))
        claim = ScopesClaim(["cognito:groups"], TEAMS)
        following = Following(server, Clocks(), scopes_claim=claim)
        following.issuer.rules = TokenRules(
            server.url,
            "my-app",
            audience_claim="client_id",
            required_claims={"token_use": "access", "verified": True},
        )
        following.look_for()
        yield following
        following.issuer.stop()


def token(following: Following, **changes: Any) -> str:
    good = {"aud": ..., "client_id": "my-app", "token_use": "access", "verified": True}
    return following.token(**{**good, "cognito:groups": ["admins"], **changes})


def test_a_token_without_aud_is_accepted_for_its_client(following: Following):
    good = token(following)
    for _ in range(2):  # verified, and then from the cache
        claims = following.issuer.claims(good)
        assert (claims["client_id"], claims["scopes"]) == ("my-app", ["agent_os:admin"])


@rows(
    "changes",
    [
        {"client_id": ...},
        {"client_id": None},
        {"client_id": "your-app"},
        {"client_id": ["your-app"]},
        {"client_id": ..., "aud": "my-app"},
        {"aud": "your-os"},
        {"aud": None},
        {"aud": []},
        {"token_use": ...},
        {"token_use": "id"},
        {"token_use": ["access"]},
        {"verified": 1},
        {"verified": "True"},
        {"verified": False},
    ],
)
def test_another_client_audience_or_use_is_refused(following: Following, changes: dict[str, Any]):
    """RFC 7519 §4.1.3: an `aud` that does not name the recipient."""
    with pytest.raises(jwt.InvalidTokenError):
        following.issuer.claims(token(following, **changes))


def test_an_aud_that_names_the_same_audience_is_accepted(following: Following):
    assert following.issuer.claims(token(following, aud=["my-app"]))


@rows("read_by_agno", ["scopes", "permissions", "cognito:groups"])
def test_agno_finds_the_scopes_in_the_claim_that_it_reads(following: Following, read_by_agno: str):
    stock = SimpleNamespace(validate_token=None, verification_keys=(), scopes_claim=read_by_agno)
    issuers = {following.issuer.rules.issuer: following.issuer}
    validate = BoundValidator(issuers, stock, lambda: None, PossessionRule())
    signed = token(following, permissions=["agents:web:run"], scopes=["agents:web:run"])
    for _ in range(2):  # verified, and then from the cache
        assert validate(signed, "my-app")[read_by_agno] == ["agent_os:admin"]
    with pytest.raises(jwt.InvalidAudienceError):
        validate(signed, "your-app")
