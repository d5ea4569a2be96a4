"""The public keys of a client: what is refused, and by whom they may be changed."""

from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from issuer.clients.client import ClientFields
from issuer.clients.clients import keys_of
from issuer.clients.operations import DELETE_KEY
from issuer.errors import InvalidField, NotAllowed, NotFound
from tests.builders import Deployment
from tests.oauth.asserting import AssertingClient
from tests.rows import rows

EC = ECKey.generate_key("P-256", private=True)
RSA = RSAKey.generate_key(2048, private=True)
ED = OKPKey.generate_key("Ed25519", private=True)


def public(key: Any, **members: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), **members}


def read(*keys: object, **members: Any) -> ClientFields:
    return ClientFields.read({"jwks": {"keys": list(keys)}, **members})


@rows(
    ("key", "alg"),
    {
        "EC": (EC, "ES256"),
        "RSA": (RSA, "RS256"),
        "OKP": (ED, "EdDSA"),
    },
)
def test_a_key_without_kid_and_alg_gets_its_thumbprint_and_the_algorithm_of_its_type(
    key: Any, alg: str
):
    """RFC 7638, RFC 7517 §4.4."""
    bare = {name: value for name, value in public(key).items() if name != "kid"}
    fields = read({**bare, "x5c": ["ignored"], "unknown": 1})
    assert fields.jwks == {"keys": [{**bare, "kid": key.thumbprint(), "alg": alg}]}
    assert read(*fields.jwks["keys"]) == fields


@rows(
    ("key", "problem"),
    [
        (EC.as_dict(private=True), "private"),
        (RSA.as_dict(private=True), "private"),
        (ED.as_dict(private=True), "private"),
        ({"kty": "oct", "k": "c2VjcmV0"}, "symmetric"),
        ("a key", "object"),
        ({}, "complete"),
        ({"kty": "RSA"}, "complete"),
        (public(EC, x="AAAA"), "cannot be used"),
        (public(EC, kid=7), "text"),
        (public(EC, kid=""), "text"),
        (public(EC, kid="a\nb"), "kid"),
        (public(EC, kid="k" * 300), "kid"),
        (public(EC, alg="HS256"), "another algorithm"),
        (public(EC, alg="RS256"), "another algorithm"),
        (public(RSA, alg="none"), "another algorithm"),
        (public(RSA, alg="RS512"), "another algorithm"),
        (public(EC, use="enc"), "not for verifying"),
        (public(EC, key_ops=["encrypt"]), "not for verifying"),
        (public(ECKey.generate_key("P-384")), "another algorithm"),
        (public(RSAKey.generate_key(1024)), "minimum is 2048"),
        (public(RSA, n="A" * 2_000), "characters"),
        (public(RSA, e="AQ"), "cannot be used"),
        (public(RSA, e="AQAAAAE"), "exponent"),
        ({"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}, "weak"),
        ({"kty": "OKP", "crv": "Ed25519", "x": "AQ" + "A" * 41}, "weak"),
    ],
)
def test_keys_that_are_private_weak_or_of_another_kind_are_refused(key: object, problem: str):
    with pytest.raises(InvalidField, match=problem) as refused:
        read(key)
    assert refused.value.field == "jwks"
    private = key.get("d", "no private part") if isinstance(key, dict) else "no private part"
    assert private not in str(refused.value)


@rows(
    "jwks", [{}, {"keys": []}, {"keys": {}}, {"keys": [public(EC, kid=str(n)) for n in range(11)]}]
)
def test_a_set_has_one_to_ten_keys(jwks: dict[str, Any]):
    with pytest.raises(InvalidField, match="1 to 10 keys"):
        ClientFields.read({"jwks": jwks})


def test_two_keys_cannot_have_one_kid():
    with pytest.raises(InvalidField, match="same kid"):
        read(public(EC, kid="k"), public(ED, kid="k"))


@rows(
    "uri",
    [
        "http://app.example/jwks",
        "https://user@app.example/jwks",
        "https://app.example/jwks#keys",
        "https:///jwks",
        "jwks.json",
        "https://app.example/é",
        "https://app.example/" + "a" * 1024,
    ],
)
def test_a_jwks_uri_is_a_plain_https_url(uri: str):
    with pytest.raises(InvalidField) as refused:
        ClientFields.read({"jwks_uri": uri})
    assert refused.value.field == "jwks_uri"


def test_keys_are_in_one_place_and_not_of_a_public_client():
    uri = "https://app.example/jwks"
    with pytest.raises(InvalidField, match="beside jwks"):
        read(public(EC), jwks_uri=uri)
    person = {"grant_types": ["authorization_code"], "redirect_uris": ["https://app.example/cb"]}
    for keys in ({"jwks": {"keys": [public(EC)]}}, {"jwks_uri": uri}):
        with pytest.raises(InvalidField, match="clients that authenticate"):
            ClientFields.read({**person, "token_endpoint_auth_method": "none", **keys})


@rows(
    "members",
    [
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [public(EC)]}},
        {"jwks": {"keys": [public(EC)]}},
        {"jwks_uri": "https://app.example/jwks"},
    ],
)
def test_a_client_that_has_keys_gets_no_secret(deployment: Deployment, members: dict[str, Any]):
    client = deployment.client(**members)
    assert client.client_secret == ""
    with deployment.changing() as work:
        assert work.clients.secrets(client.client_id) == []


def test_no_secret_is_made_for_a_client_that_may_use_none(deployment: Deployment):
    deployment.client("batch", token_endpoint_auth_method="private_key_jwt")
    with pytest.raises(NotAllowed, match="without a secret"):
        deployment.secret(deployment.client("other", token_endpoint_auth_method="private_key_jwt"))


def test_keys_are_added_and_deleted_one_by_one(deployment: Deployment):
    deployment.client("batch", token_endpoint_auth_method="private_key_jwt")
    with deployment.changing() as work:
        for kid in ("k1", "k2"):
            work.clients.add_key("batch", AssertingClient.new("batch", kid=kid).jwk)
        assert [key["kid"] for key in keys_of(work.clients.get("batch"))] == ["k1", "k2"]
        DELETE_KEY.do(work, "batch", "k1")
        with pytest.raises(NotFound):
            DELETE_KEY.do(work, "batch", "k1")
        DELETE_KEY.do(work, "batch", "k2")
        assert work.clients.get("batch").jwks is None


def test_no_key_is_added_to_a_client_that_publishes_its_own(deployment: Deployment):
    deployment.client("batch", jwks_uri="https://app.example/jwks")
    with pytest.raises(NotAllowed, match="publishes its keys"), deployment.changing() as work:
        work.clients.add_key("batch", public(EC))


def test_a_client_with_a_key_can_be_the_last_admin(deployment: Deployment):
    """A key does not expire. Without it nobody could get in."""
    key = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [public(EC, kid="k")]}}
    own = deployment.services.settings.url
    deployment.client("second", scopes=["issuer:admin"], audiences=[own], **key)
    with deployment.changing() as work:
        work.clients.delete("issuer-admin")
    with pytest.raises(NotAllowed, match="or a key"), deployment.changing() as work:
        DELETE_KEY.do(work, "second", "k")
