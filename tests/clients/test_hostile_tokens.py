"""Tokens of an attacker: who has another issuer's keys, or a token of another subject."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest

from tests.builders import URL, Deployment
from tests.clients.presenting import Presenting, signed
from tests.trusting import CLUSTER, POD, OtherIssuer, trust, trusted

DOMAIN, SVID = "spiffe://prod.example", "spiffe://prod.example/ns/prod/sa/web"
EVIL = "https://evil.example"
P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def presenting(deployment: Deployment) -> Presenting:
    return Presenting(deployment)


@pytest.fixture
def cluster(deployment: Deployment) -> OtherIssuer:
    """A cluster whose pod is the client `pod`, and once only the client `careful`."""
    cluster = OtherIssuer.new(alg="ES256")
    trusted(deployment, cluster)
    deployment.client("pod", trusts=[trust()])
    deployment.client("careful", trusts=[trust(once=True)])
    return cluster


@pytest.fixture
def mesh(deployment: Deployment) -> OtherIssuer:
    """A SPIFFE trust domain whose workload is the client `svid`."""
    mesh = OtherIssuer.new(DOMAIN, "ES256")
    trusted(deployment, mesh, id="mesh")
    deployment.client("svid", trusts=[trust(issuer="mesh", subject=SVID)])
    return mesh


@pytest.fixture
def evil(deployment: Deployment, cluster: OtherIssuer) -> OtherIssuer:
    """A trusted issuer in the hands of an attacker; its key has the `kid` of the cluster's."""
    evil = OtherIssuer.new(EVIL, "ES256", kid=cluster.kid)
    trusted(deployment, evil, id="evil")
    deployment.client("evil-bot", trusts=[trust(issuer="evil")])
    return evil


def encoded(data: dict[str, Any] | bytes) -> str:
    """In base64url; of an object its JSON."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed_as_it_is(by: OtherIssuer, header: dict[str, Any] | bytes, claims: dict[str, Any]) -> str:
    """With a header that PyJWT does not make."""
    text = f"{encoded(header)}.{encoded(claims)}"
    algorithm = jwt.get_algorithm_by_name(by.alg)
    key = algorithm.prepare_key(by.key.as_pem(private=True).decode())
    return f"{text}.{encoded(algorithm.sign(text.encode(), key))}"


def test_these_tokens_are_accepted_unless_they_are_changed(
    presenting: Presenting, cluster: OtherIssuer, mesh: OtherIssuer, evil: OtherIssuer
):
    assert presenting.accepts(signed(cluster, presenting.claims(), kid="c1"))
    assert presenting.accepts(signed(cluster, presenting.claims()))
    assert presenting.accepts(signed(mesh, presenting.claims(iss=DOMAIN, sub=SVID)), "svid")
    assert presenting.accepts(signed(evil, presenting.claims(iss=EVIL)), "evil-bot")
    header = {"alg": "ES256", "kid": "c1"}
    assert presenting.accepts(signed_as_it_is(cluster, header, presenting.claims()))


def test_the_keys_of_one_issuer_do_not_speak_for_another(presenting: Presenting, evil: OtherIssuer):
    """RFC 8725 §3.8."""
    for issuer in (
        CLUSTER,
        EVIL,
        [CLUSTER],
        [EVIL, CLUSTER],
        {"": CLUSTER},
        None,
        CLUSTER.upper(),
        f"{CLUSTER}/",
        f"{CLUSTER}\0",
        f"{EVIL}#{CLUSTER}",
    ):
        token = signed(evil, presenting.claims(iss=issuer), kid="c1")
        assert not presenting.accepts(token), issuer


@pytest.mark.parametrize("domain", ["spiffe://evil", "spiffe://prod", "spiffe://prod.example.evil"])
def test_the_keys_of_one_trust_domain_do_not_speak_for_another(
    deployment: Deployment, presenting: Presenting, mesh: OtherIssuer, domain: str
):
    """Not even where a trusted issuer was changed after a client had a trust in it."""
    other = OtherIssuer.new("https://oidc.example", "ES256", kid=mesh.kid)
    trusted(deployment, other, id="other")
    trusts = [trust(issuer="mesh", subject=SVID), trust(issuer="other", subject=SVID)]
    deployment.client("both", trusts=trusts)
    with deployment.changing() as work:
        work.trusted_issuers.update("other", {"issuer": domain})
    for issuer in (None, DOMAIN, domain, EVIL):
        token = signed(other, presenting.claims(iss=issuer, sub=SVID), kid="c1")
        assert not presenting.accepts(token, "svid"), issuer
        assert not presenting.accepts(token, "both"), issuer


def test_no_header_replaces_the_key(presenting: Presenting, evil: OtherIssuer):
    """RFC 8725 §3.10."""
    for header in (
        {"kid": "c1", "jwk": evil.jwk},
        {"kid": "c1", "jku": "https://evil.example/jwks"},
        {"kid": "c1", "x5u": "https://evil.example/cert"},
        {"kid": "c1", "x5c": ["MIIB"]},
        {"kid": "../../../../dev/null"},
        {"kid": "c1\0"},
        {"kid": "x" * 4_000},
        {"kid": ""},
        {"kid": ["c1"]},
        {"kid": None},
        {"kid": "c1", "zip": "DEF"},
        {"kid": "c1", "typ": "at+jwt"},
    ):
        token = signed_as_it_is(evil, {"alg": "ES256", **header}, presenting.claims())
        assert not presenting.accepts(token), header


def test_no_algorithm_makes_a_public_key_a_secret(presenting: Presenting, cluster: OtherIssuer):
    """RFC 8725 §3.1."""
    secrets = [cluster.key.as_pem(private=False), json.dumps(cluster.jwk).encode(), b""]
    for alg in ("none", "None", "NONE", "", "HS256", "HS512", "ES256K", "RS256", None, ["ES256"]):
        text = f"{encoded({'alg': alg, 'kid': 'c1'})}.{encoded(presenting.claims())}"
        digest = hashlib.sha512 if alg == "HS512" else hashlib.sha256
        macs = [hmac.digest(secret, text.encode(), digest) for secret in secrets]
        for signature in (b"", *macs):
            assert not presenting.accepts(f"{text}.{encoded(signature)}"), alg


def test_an_extension_of_jws_is_refused(presenting: Presenting, cluster: OtherIssuer):
    """RFC 7515 §4.1.11: none is understood."""
    for extension in ({"crit": ["x"]}, {"crit": []}, {"b64": False}, {"b64": True}):
        header = {"alg": "ES256", "kid": "c1", **extension}
        token = signed_as_it_is(cluster, header, presenting.claims())
        assert not presenting.accepts(token), extension


def test_a_token_has_one_spelling(presenting: Presenting, cluster: OtherIssuer):
    token = signed(cluster, presenting.claims(), kid="c1")
    header, payload, signature = token.split(".")
    as_json = {"protected": header, "payload": payload, "signature": signature}
    for spelled in (
        f"{token}=",
        f"{token}\n",
        f" {token}",
        f"{token}.",
        f".{token}",
        f"{token}.{token}",
        f"{header}..{signature}",
        f"{header}=.{payload}.{signature}",
        f"{header}.{payload}=.{signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        json.dumps(as_json),
        "",
        "..",
    ):
        assert not presenting.accepts(spelled), spelled
    assert presenting.accepts(token)


def test_a_subject_that_only_looks_alike_is_another(presenting: Presenting, cluster: OtherIssuer):
    for subject in (
        f"{POD} ",
        f"{POD}\n",
        f"{POD}\0",
        f"{POD}/",
        f"{POD}\u200b",
        POD.replace("e", "\u0435"),  # Cyrillic
        POD.replace("s", "\u017f"),  # equal by case folding and by NFKC
        POD.replace("web", "\uff57eb"),  # equal by NFKC
        POD.swapcase(),
        [POD],
        {"sub": POD},
        "\ud800",
    ):
        refusal = presenting.refusal(signed(cluster, presenting.claims(sub=subject)))
        assert refusal == "assertion: sub is not the subject of the trust", subject


def test_an_audience_that_only_looks_alike_is_another(presenting: Presenting, cluster: OtherIssuer):
    for audience in (
        f"{URL}/",
        URL.upper(),
        f"{URL}/oauth2/token",
        [[URL]],
        [URL, None],
        [URL, {"": URL}],
        {URL: URL},
        f"https://evil.example {URL}",
        "",
        [],
        True,
    ):
        refusal = presenting.refusal(signed(cluster, presenting.claims(aud=audience)))
        assert refusal == "assertion: aud does not hold the audience of the trust", audience


def test_json_that_parsers_read_differently_is_refused(
    presenting: Presenting, cluster: OtherIssuer
):
    """RFC 7519 §4: an issuer may let others write a part of its tokens."""
    claims = presenting.claims()
    del claims["sub"]
    others = json.dumps(claims)[1:-1]
    for text in (
        f'{{"sub": "other", {others}, "sub": "{POD}"}}',
        f'{{"sub": "other", {others}, "s\\u0075b": "{POD}"}}',
        f'{{{others}, "sub": "{POD}", "pod": {{"name": "a", "name": "b"}}}}',
        f'{{{others}, "sub": "{POD}", "n": NaN}}',
        f'{{{others}, "sub": "{POD}", "n": -Infinity}}',
    ):
        refusal = presenting.refusal(signed(cluster, text.encode(), kid="c1"))
        assert refusal == "assertion: not JSON in UTF-8 with each member once", text
    header = b'{"kid":"x","kid":"c1","alg":"ES256"}'
    token = signed_as_it_is(cluster, header, presenting.claims())
    assert "each member once" in (presenting.refusal(token) or "")


def test_a_payload_is_utf_8(presenting: Presenting, cluster: OtherIssuer):
    text = json.dumps(presenting.claims(name="é"), ensure_ascii=False)
    assert presenting.accepts(signed(cluster, text.encode(), kid="c1"))
    for encoding in ("utf-16", "utf-32", "latin-1"):
        assert not presenting.accepts(signed(cluster, text.encode(encoding), kid="c1")), encoding


@pytest.mark.parametrize("client_id", ["pod", "careful"])
def test_impossible_times_are_an_answer_and_no_failure(
    presenting: Presenting, cluster: OtherIssuer, client_id: str
):
    """Also where the time is kept, with a margin, until when a token counts once."""
    for name in ("exp", "iat", "nbf"):
        for value in ("1e999", "1e308", "1" + "0" * 400, "253402300799", "9223372036854775808"):
            text = json.dumps(presenting.claims(**{name: 0})).replace(
                f'"{name}": 0', f'"{name}": {value}'
            )
            refusal = presenting.refusal(signed(cluster, text.encode()), client_id)
            assert refusal == f"assertion: {name} is not a possible time", value
    for name in ("iat", "nbf"):
        claims = presenting.claims(**{name: -(10**400), "jti": name})
        assert presenting.accepts(signed(cluster, claims), client_id)


def test_deep_claims_are_an_answer_and_no_failure(
    deployment: Deployment, presenting: Presenting, cluster: OtherIssuer
):
    deployment.client("strict", trusts=[trust(claims={"deep": [[1]]})])
    for depth in (3, 100, 900, 990, 2_000, 5_000):
        deep = json.dumps(presenting.claims())[:-1] + f', "deep": {"[" * depth}1{"]" * depth}}}'
        assert not presenting.accepts(signed(cluster, deep.encode()), "strict"), depth


def test_a_second_signature_of_a_token_is_no_second_use(
    presenting: Presenting, cluster: OtherIssuer
):
    """With (r, s) also (r, n - s) is a signature by ECDSA, which anybody can compute."""
    token = signed(cluster, presenting.claims(), kid="c1")
    text, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(f"{signature}==")
    twin = f"{text}.{encoded(raw[:32] + (P256 - int.from_bytes(raw[32:])).to_bytes(32))}"
    assert presenting.accepts(twin)
    assert presenting.accepts(token, "careful")
    assert "used before" in (presenting.refusal(twin, "careful") or "")


def test_a_token_for_another_client_is_no_evidence(
    deployment: Deployment, presenting: Presenting, cluster: OtherIssuer
):
    other = POD.replace("web", "batch")
    deployment.client("batch", trusts=[trust(subject=other)])
    token = signed(cluster, presenting.claims(sub=other))
    assert presenting.accepts(token, "batch")
    assert not presenting.accepts(token, "pod")
    assert presenting.refusal(token, "nobody") == "unknown client"
