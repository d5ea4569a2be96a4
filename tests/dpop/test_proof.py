"""RFC 9449 §4.3: what is true of a proof, check by check."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, RSAKey

from issuer.dpop.proof import ALGORITHMS, MAX_BYTES, DPoPError, SentProof, check_proof
from tests.builders import URL
from tests.dpop.proving import TOKEN_URL, ProofKey, generated
from tests.rows import rows

NO_JWT = "The proof is not a JWT of JSON objects, with each member once."
OLD = "iat of the proof is not within 60 seconds of the issuer's clock."
WRONG_SIZE = "jwk of the proof must have 2,048 to 4,096 bits, and a usual exponent."
NOW = datetime(2026, 11, 25, 12, 0, 0, 500_000, tzinfo=UTC)
AT = NOW.timestamp()
KEY = ProofKey()
PUBLIC = KEY.key.as_dict(private=False)
RSA = RSAKey.generate_key(2_048)
RSA_PUBLIC = RSA.as_dict(private=False)


def check(*proofs: str, token: str | None = None, now: datetime = NOW) -> str:
    """What the refusal says; the thumbprint if there is none."""
    sent = SentProof([each.encode() for each in proofs], "POST", "/oauth2/token")
    try:
        return check_proof(sent, URL, now, token).jkt
    except DPoPError as error:
        return f"{error}" if error.error == "invalid_dpop_proof" else error.error


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_proof_names_its_key(alg: str):
    key = ProofKey.new(alg)
    assert check(key.proof(AT)) == key.jkt


@pytest.mark.parametrize("bits", [2_048, 4_096])
def test_rsa_keys_of_usual_sizes_are_accepted(bits: int):
    key = ProofKey("PS256", generated("PS256", bits))
    assert check(key.proof(AT)) == key.jkt


def private(key: ProofKey) -> str:
    return key.proof(AT, header={"jwk": key.key.as_dict(private=True)})


def by_secret() -> str:
    secret = ProofKey("HS256", OctKey.generate_key(256))
    return secret.proof(AT, header={"jwk": secret.key.as_dict(private=True)})


def tampered() -> str:
    header, payload, signature = KEY.proof(AT).split(".")
    other = KEY.proof(AT).split(".")[1]
    assert payload != other
    return f"{header}.{other}.{signature}"


def repeated() -> str:
    claims = f'{{"jti":"a","htm":"GET","htm":"POST","htu":"{TOKEN_URL}","iat":{AT}}}'
    return KEY.proof(AT, payload=claims.encode())


def rsa(bits: int = 2_048, exponent: str | None = None) -> str:
    key = RSAKey.generate_key(bits)
    public = key.as_dict(private=False) | ({"e": exponent} if exponent else {})
    return ProofKey("RS256", key).proof(AT, header={"jwk": public})


@rows(
    ("make", "problem"),
    [
        # 1
        (lambda: [], "Send one DPoP header."),
        (lambda: [KEY.proof(AT), KEY.proof(AT)], "Send one DPoP header."),
        # 2
        (lambda: "no JWT", NO_JWT),
        (
            lambda: f"{KEY.proof(AT)}, {KEY.proof(AT)}",
            NO_JWT,
        ),
        (lambda: KEY.proof(AT, payload=b"[]"), NO_JWT),
        (lambda: KEY.proof(AT, payload=b"{"), NO_JWT),
        (repeated, NO_JWT),
        (lambda: KEY.proof(AT, more="a" * MAX_BYTES), "The proof has more than 4096 bytes."),
        # 3
        (lambda: KEY.proof(AT, jti=None), "jti of the proof is missing, or of another type."),
        (lambda: KEY.proof(AT, htm=None), "htm of the proof is missing, or of another type."),
        (lambda: KEY.proof(AT, htu=None), "htu of the proof is missing, or of another type."),
        (lambda: KEY.proof(AT, iat=None), "iat of the proof is missing, or of another type."),
        (lambda: KEY.proof(AT, iat=True), "iat of the proof is missing, or of another type."),
        (lambda: KEY.proof(AT, iat=str(AT)), "iat of the proof is missing, or of another type."),
        (lambda: KEY.proof(AT, jti=7), "jti of the proof is missing, or of another type."),
        (lambda: KEY.proof(AT, jti=""), "jti of the proof must have 1 to 255 characters."),
        (lambda: KEY.proof(AT, jti="j" * 256), "jti of the proof must have 1 to 255 characters."),
        # 4
        (lambda: KEY.proof(AT, header={"typ": "JWT"}), "typ of the proof is not dpop+jwt."),
        (lambda: KEY.proof(AT, header={"typ": None}), "typ of the proof is not dpop+jwt."),
        # 5
        (by_secret, f"alg of the proof is none of {', '.join(ALGORITHMS)}."),
        (
            lambda: KEY.proof(AT, header={"alg": "none"}),
            f"alg of the proof is none of {', '.join(ALGORITHMS)}.",
        ),
        (lambda: KEY.proof(AT, header={"alg": "RS256"}), "jwk of the proof is no key for RS256."),
        # 6
        (tampered, "The signature of the proof is not by its jwk."),
        (
            lambda: KEY.proof(AT, header={"jwk": ProofKey().key.as_dict(private=False)}),
            "The signature of the proof is not by its jwk.",
        ),
        (
            lambda: KEY.proof(AT, header={"crit": ["exp"], "exp": 1}),
            "The header of the proof requires an extension.",
        ),
        # 7
        (lambda: private(KEY), "jwk of the proof holds a private or symmetric key."),
        (
            lambda: private(ProofKey("RS256", RSA)),
            "jwk of the proof holds a private or symmetric key.",
        ),
        (
            lambda: KEY.proof(AT, header={"jwk": None}),
            "jwk of the proof is missing, or no JSON object.",
        ),
        (
            lambda: KEY.proof(AT, header={"jwk": {"kty": "EC", "crv": "P-256"}}),
            "jwk of the proof is not a valid key.",
        ),
        (
            lambda: KEY.proof(
                AT, header={"jwk": ECKey.generate_key("P-384").as_dict(private=False)}
            ),
            "jwk of the proof is no key for ES256.",
        ),
        (
            lambda: KEY.proof(AT, header={"jwk": {**PUBLIC, "kty": "RSA"}}),
            "jwk of the proof is no key for ES256.",
        ),
        (
            lambda: KEY.proof(AT, header={"jwk": {**PUBLIC, "x": "AAAA"}}),
            "jwk of the proof is not a valid key.",
        ),
        (
            lambda: KEY.proof(AT, header={"jwk": {**PUBLIC, "x": 7}}),
            "jwk of the proof is not a valid key.",
        ),
        (lambda: rsa(1_024), WRONG_SIZE),
        (
            lambda: rsa(exponent="AQAAAAAB"),
            WRONG_SIZE,
        ),
        (lambda: KEY.proof(AT, iat=10**400), OLD),
        # 8
        (lambda: KEY.proof(AT, "GET"), "htm of the proof is not the method of the request."),
        (lambda: KEY.proof(AT, "post"), "htm of the proof is not the method of the request."),
        # 9
        (
            lambda: KEY.proof(AT, url=f"{URL}/oauth2/userinfo"),
            "htu of the proof is not the URL of the request at this issuer.",
        ),
        (
            lambda: KEY.proof(AT, url="https://other.example/oauth2/token"),
            "htu of the proof is not the URL of the request at this issuer.",
        ),
        (
            lambda: KEY.proof(AT, url="http://id.example/oauth2/token"),
            "htu of the proof is not the URL of the request at this issuer.",
        ),
        (
            lambda: KEY.proof(AT, url="/oauth2/token"),
            "htu of the proof is not the URL of the request at this issuer.",
        ),
        # 11
        (
            lambda: KEY.proof(AT - 61),
            OLD,
        ),
        (
            lambda: KEY.proof(AT, iat=AT + 61),
            OLD,
        ),
        (
            lambda: KEY.proof(
                AT, payload=f'{{"jti":"a","htm":"POST","htu":"{TOKEN_URL}","iat":1e999}}'.encode()
            ),
            OLD,
        ),
    ],
)
def test_a_refusal_says_which_check_failed(make: Callable[[], str | list[str]], problem: str):
    made = make()
    assert check(*([made] if isinstance(made, str) else made)) == problem


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
NAMES = ["typ", "alg", "jwk", "crit", "kid", "jti", "htm", "htu", "iat", "ath", "nonce"]
keys = st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d"]), json_values)
some_keys = keys.map(lambda members: PUBLIC | members) | keys.map(
    lambda members: RSA_PUBLIC | members
)


@given(
    st.dictionaries(st.sampled_from(NAMES), json_values),
    st.dictionaries(st.sampled_from(NAMES), json_values),
    some_keys,
    st.sampled_from(ALGORITHMS),
)
@settings(deadline=None)
def test_whatever_a_proof_holds_it_is_valid_or_refused(
    header: dict[str, Any], claims: dict[str, Any], jwk: dict[str, Any], alg: str
):
    """An error that nobody foresaw would be a 500."""
    check(KEY.proof(AT, header={"jwk": jwk, "alg": alg, **header}))
    check(KEY.proof(AT, header={"jwk": jwk}, **claims))
    check(KEY.proof(AT, **claims), token="the token")


@given(st.binary(max_size=200) | st.text("ey.JA-_=", max_size=200).map(str.encode))
def test_any_bytes_are_a_proof_or_refused(sent: bytes):
    with pytest.raises(DPoPError):
        check_proof(SentProof([sent], "POST", "/oauth2/token"), URL, NOW)


def test_a_proof_is_valid_for_a_minute_by_clocks_that_differ_by_a_minute():
    for seconds in (-60, 0, 60):
        issued_at = NOW + timedelta(seconds=seconds)
        assert check(KEY.proof(0, iat=issued_at.timestamp())) == KEY.jkt


@rows(
    ("changed", "problem"),
    [
        ({}, "ath of the proof is not the hash of the access token."),
        ({"ath": "other"}, "ath of the proof is not the hash of the access token."),
        ({"ath": "é"}, "ath of the proof is not the hash of the access token."),
        ({"ath": 1}, "ath of the proof is not the hash of the access token."),
        ({"token": "another token"}, "ath of the proof is not the hash of the access token."),
        ({"token": "the token"}, KEY.jkt),
    ],
)
def test_a_proof_for_an_access_token_has_its_hash(changed: dict[str, str], problem: str):
    """The twelfth check; the tenth, of the nonce, needs a server."""
    assert check(KEY.proof(AT, **changed), token="the token") == problem


@rows(
    "url",
    [
        "https://id.example/oauth2/token?a=b",
        "https://id.example/oauth2/token#here",
        "HTTPS://ID.EXAMPLE:443/oauth2/./token",
        "https://id.example/x/../oauth2/%74oken",
    ],
)
def test_the_url_is_compared_as_rfc_3986_normalizes_it(url: str):
    assert check(KEY.proof(AT, url=url)) == KEY.jkt
