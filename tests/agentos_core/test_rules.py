"""Which tokens are accepted (RFC 9068 §4, RFC 8725)."""

import base64
import hmac
import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from issuer.agentos.issuer_token_verifier import TrustedIssuer
from issuer.agentos.rules import MAX_BYTES, TokenRules, other_issuer
from tests.agentos_core.conftest import Clocks, Following
from tests.agentos_core.hostile_server import hostile_server
from tests.agentos_core.keys import encoded, key, key_set
from tests.rows import rows

NOW = 1_800_000_000


@pytest.fixture(scope="module")
def following() -> Iterator[Following]:
    """No test here changes it."""
    with hostile_server() as server:
        server.publish(key_set(key(), key("rsa", "RS256")))
        following = Following(server, Clocks(), algorithms=["ES256", "RS256"])
        following.look_for()
        yield following
        following.issuer.stop()


def test_a_valid_token_gives_its_claims(following: Following):
    claims = following.claims(scopes=["agents:run"], more={"a": [1, None, "é"]})
    assert following.issuer.claims(key().sign(claims)) == claims
    assert following.issuer.claims(key("rsa", "RS256").sign(claims)) == claims


@rows(
    ("claims", "error"),
    [
        ({"iss": ...}, jwt.InvalidIssuerError),
        ({"iss": None}, jwt.InvalidIssuerError),
        ({"iss": "https://other.example"}, jwt.InvalidIssuerError),
        ({"iss": ["https://id.example"]}, jwt.InvalidIssuerError),
        ({"aud": ...}, jwt.MissingRequiredClaimError),
        ({"aud": None}, jwt.MissingRequiredClaimError),
        ({"aud": ""}, jwt.InvalidAudienceError),
        ({"aud": "my-os-2"}, jwt.InvalidAudienceError),
        ({"aud": "MY-OS"}, jwt.InvalidAudienceError),
        ({"aud": "other my-os"}, jwt.InvalidAudienceError),
        ({"aud": []}, jwt.InvalidAudienceError),
        ({"aud": ["other"]}, jwt.InvalidAudienceError),
        ({"aud": [["my-os"]]}, jwt.InvalidAudienceError),
        ({"aud": ["my-os", ["other"]]}, jwt.InvalidAudienceError),
        ({"aud": ["my-os", None]}, jwt.InvalidAudienceError),
        ({"aud": {"my-os": "my-os"}}, jwt.InvalidAudienceError),
        ({"aud": 5}, jwt.InvalidAudienceError),
        ({"sub": ...}, jwt.InvalidTokenError),
        ({"sub": None}, jwt.InvalidTokenError),
        ({"sub": ""}, jwt.InvalidTokenError),
        ({"sub": 5}, jwt.InvalidTokenError),
        ({"sub": ["usr_alice"]}, jwt.InvalidTokenError),
        ({"sub": "sa:alice"}, jwt.InvalidTokenError),
        ({"sub": "__oauth__:alice"}, jwt.InvalidTokenError),
        ({"sub": "__scheduler__"}, jwt.InvalidTokenError),
        ({"exp": ...}, jwt.MissingRequiredClaimError),
        ({"exp": None}, jwt.MissingRequiredClaimError),
        ({"exp": str(NOW + 900)}, jwt.DecodeError),
        ({"exp": True}, jwt.DecodeError),
        ({"exp": [NOW + 900]}, jwt.DecodeError),
        ({"exp": float("nan")}, jwt.DecodeError),
        ({"exp": float("inf")}, jwt.DecodeError),
        ({"exp": (NOW + 900) * 1000}, jwt.DecodeError),
        ({"exp": 10**400}, jwt.DecodeError),
        ({"exp": -(10**400)}, jwt.DecodeError),
        ({"exp": 0}, jwt.ExpiredSignatureError),
        ({"exp": -1}, jwt.ExpiredSignatureError),
        ({"exp": NOW - 10}, jwt.ExpiredSignatureError),
        ({"iat": NOW + 11}, jwt.ImmatureSignatureError),
        ({"iat": str(NOW)}, jwt.DecodeError),
        ({"iat": True}, jwt.DecodeError),
        ({"iat": float("nan")}, jwt.DecodeError),
        ({"iat": float("-inf")}, jwt.DecodeError),
        ({"nbf": NOW + 11}, jwt.ImmatureSignatureError),
        ({"nbf": {}}, jwt.DecodeError),
        ({"nbf": float("nan")}, jwt.DecodeError),
    ],
)
def test_a_token_with_an_invalid_claim_is_refused(
    following: Following, claims: dict[str, Any], error: type[Exception]
):
    with pytest.raises(error):
        following.issuer.claims(following.token(**claims))


@rows(
    "claims",
    [
        {"aud": ["my-os"]},
        {"aud": ["other", "my-os"]},
        {"sub": "sa"},
        {"sub": "__scheduler__2"},
        {"exp": NOW - 9},
        {"exp": NOW + 0.5},
        {"iat": ...},
        {"iat": NOW + 10},
        {"nbf": NOW + 10},
        {"nbf": 0},
    ],
)
def test_claims_that_the_rules_allow_are_accepted(following: Following, claims: dict[str, Any]):
    assert following.issuer.claims(following.token(**claims)) == following.claims(**claims)


@rows(
    "header",
    [
        {"typ": ...},
        {"typ": None},
        {"typ": ""},
        {"typ": "JWT"},
        {"typ": "id+jwt"},
        {"typ": "application/jwt"},
        {"typ": ["at+jwt"]},
        {"typ": "application/application/at+jwt"},
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"crit": None},
        {"b64": True},
        {"b64": False},
        {"kid": ...},
        {"kid": ""},
        {"kid": "k2"},
        {"kid": "K1"},
        {"kid": 1},
        {"kid": ["k1"]},
        {"kid": None},
        {"kid": "\ud800"},
    ],
)
def test_a_token_with_an_invalid_header_is_refused(following: Following, header: dict[str, Any]):
    with pytest.raises(jwt.InvalidTokenError):
        following.issuer.claims(key().sign(following.claims(), **header))


@rows("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_the_typ_is_a_media_type(following: Following, typ: str):
    """RFC 9068 §4, RFC 7515 §4.1.9."""
    assert following.issuer.claims(key().sign(following.claims(), typ=typ))


@rows("typ", [..., None, "JWT", "at+jwt", ["odd"]])
def test_without_a_required_typ_any_is_accepted(typ: Any):
    with hostile_server() as server:
        server.publish(key_set(key()))
        lenient = Following(server, Clocks())
        lenient.issuer.rules = TokenRules(server.url, "my-os", typ=None)
        lenient.look_for()
        assert lenient.issuer.claims(key().sign(lenient.claims(), typ=typ))
        lenient.issuer.stop()


def test_a_key_verifies_its_own_algorithm_and_no_other(following: Following):
    """RFC 8725 §3.1: RSA keys could do both."""
    confused = key("rsa", "RS256").sign(following.claims(), alg="PS256")
    with pytest.raises(jwt.InvalidAlgorithmError):
        following.issuer.claims(confused)


@rows("alg", ["none", "None", "HS256", "RS256", "ES384", "", None, 5, ["ES256"]])
def test_a_token_with_another_alg_in_its_header_is_refused(following: Following, alg: Any):
    _, claims, signature = following.token().split(".")
    forged = encoded({"alg": alg, "kid": "k1", "typ": "at+jwt"})
    for end in (signature, ""):
        with pytest.raises(jwt.InvalidTokenError):
            following.issuer.claims(f"{forged}.{claims}.{end}")


@rows("form", [Encoding.PEM, Encoding.DER])
def test_a_public_key_is_not_used_as_an_hmac_secret(following: Following, form: Encoding):
    """RFC 8725 §2.1."""
    secret = (
        key("rsa", "RS256")
        .private.public_key()
        .public_bytes(form, PublicFormat.SubjectPublicKeyInfo)
    )
    header = encoded({"alg": "HS256", "kid": "rsa", "typ": "at+jwt"})
    signed = f"{header}.{encoded(following.claims())}"
    forged = f"{signed}.{encoded(hmac.digest(secret, signed.encode(), sha256))}"
    with pytest.raises(jwt.InvalidAlgorithmError):
        following.issuer.claims(forged)


def test_a_key_in_the_token_header_is_not_used(following: Following):
    """RFC 7515 §4.1.2, §4.1.3: an attacker can set `jku` and `jwk`."""
    own = key("k1", "EdDSA")
    brought = {"jwk": own.jwk, "jku": following.server.url + "/own"}
    with pytest.raises(jwt.InvalidTokenError):
        following.issuer.claims(own.sign(following.claims(), **brought))
    assert "/own" not in following.server.asked


def test_a_key_signs_only_under_its_own_kid(following: Following):
    with pytest.raises(jwt.InvalidTokenError):
        following.issuer.claims(key().sign(following.claims(), kid="rsa"))


def test_a_token_is_16_kib_at_most(following: Following):
    token = following.token(padding="x" * 11_000)
    assert MAX_BYTES - 2_000 < len(token) < MAX_BYTES
    assert following.issuer.claims(token)
    with pytest.raises(jwt.DecodeError):
        following.issuer.claims(following.token(padding="x" * 13_000))


@rows(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c",
        "a.b.c.d.e",
        "agno_pat_x",
        "é.é.é",
        "\ud800.\ud800.",
        "\0",
    ],
)
def test_text_that_is_not_a_jwt_is_refused(following: Following, token: str):
    with pytest.raises(jwt.DecodeError):
        following.issuer.claims(token)


@rows("claims", [b"", b"null", b"[]", b'"text"', b"5", b"{", b"\xff", b"[" * 9_000, b"1" * 9_000])
def test_signed_claims_that_are_not_an_object_are_refused(following: Following, claims: bytes):
    with pytest.raises(jwt.DecodeError):
        following.issuer.claims(key().sign(claims))


@rows("depth", [*range(880, 1000, 3), 2_000, 5_000])
def test_deeply_nested_claims_never_raise_another_error(following: Following, depth: int):
    """JSON parsers give up at different depths."""
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    inside = json.dumps(following.claims()).encode()[:-1] + b',"deep":' + nested + b"}"
    for token in (key().sign(inside), key().sign(nested), with_header(nested)):
        for _ in range(2):
            assert is_good_or_refused(following.issuer, token)


def test_the_last_of_two_members_with_the_same_name_is_used(following: Following):
    """RFC 7519 §4. All parts must parse a token alike."""
    twice = json.dumps(following.claims()).encode()[:-1] + b',"sub":"usr_bob"}'
    assert following.issuer.claims(key().sign(twice))["sub"] == "usr_bob"
    worse = json.dumps(following.claims()).encode()[:-1] + b',"exp":1}'
    with pytest.raises(jwt.ExpiredSignatureError):
        following.issuer.claims(key().sign(worse))


def test_a_signature_has_only_one_accepted_spelling(following: Following):
    """RFC 7515 §2: base64url without padding, white space or anything else.

    A list of refused tokens must not be evaded with another spelling.
    """
    token = following.token()
    signature = base64.urlsafe_b64decode(token.rsplit(".", 1)[1] + "==")
    same = {token[:-1] + last for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"}
    same |= {token + end for end in ("=", "==", "!", "\n", " ", "====")}
    same |= {token[:-3] + "!" + token[-3:], "\n" + token, token[:-4] + "\n" + token[-4:]}
    for spelling in same - {token}:
        with pytest.raises(jwt.InvalidTokenError):
            following.issuer.claims(spelling)
    assert encoded(signature) == token.rsplit(".", 1)[1]


def with_header(header: bytes) -> str:
    return f"{encoded(header)}.{encoded(b'{}')}.AAAA"


def is_good_or_refused(issuer: TrustedIssuer, token: str) -> bool:
    try:
        return bool(issuer.claims(token))
    except jwt.InvalidTokenError:
        return True


def test_the_error_for_a_token_of_another_issuer_names_both(following: Following):
    token = key().sign(following.claims(iss="https://other.example"))
    with pytest.raises(jwt.InvalidIssuerError) as refused:
        following.issuer.claims(token)
    assert "'https://other.example'" in str(refused.value)
    assert repr(following.server.url) in str(refused.value)
    assert len(str(other_issuer("x" * 5_000, "https://id.example"))) < 500
