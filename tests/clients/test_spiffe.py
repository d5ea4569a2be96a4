"""JWT-SVIDs, judged by our rules and by the `spiffe` package, which SPIFFE publishes."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from spiffe import JwtBundle, JwtSvid, TrustDomain
from spiffe.errors import PySpiffeError

from issuer.clients.trust_presets import Workload, preset
from tests.builders import URL, Deployment
from tests.clients.presenting import Presenting, signed
from tests.trusting import OtherIssuer, trusted

DOMAIN, ID = "spiffe://prod.example", "spiffe://prod.example/ns/prod/sa/web"
RIGHT: dict[str, Any] = {}

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def presenting(deployment: Deployment) -> Presenting:
    """At the time of the machine, by which the package judges."""
    deployment.clock.now = datetime.now(UTC)
    return Presenting(deployment)


@pytest.fixture(params=["ES256", "RS256"])
def spire(request: pytest.FixtureRequest, deployment: Deployment) -> OtherIssuer:
    """A SPIRE server; the client `svid` has the trust of the preset."""
    spire = OtherIssuer.new(DOMAIN, request.param)
    trusted(deployment, spire, id="mesh", keys={"jwks": bundle(spire)})
    found = preset(Workload(spiffe=ID))
    assert (found.issuer, found.claims) == (DOMAIN, {})
    deployment.client("svid", trusts=[{"issuer": "mesh", "subject": found.subject}])
    return spire


def bundle(spire: OtherIssuer) -> dict[str, Any]:
    """The keys as SPIRE publishes them (SPIFFE JWT-SVID §4): with a use and without an `alg`."""
    key = {name: value for name, value in spire.jwk.items() if name != "alg"}
    return {"keys": [{**key, "use": "jwt-svid"}]}


def accepted_by_the_package(spire: OtherIssuer, token: str) -> bool:
    keys = JwtBundle.parse(TrustDomain("prod.example"), json.dumps(bundle(spire)).encode())
    try:
        svid = JwtSvid.parse_and_validate(token, keys, {URL})
    except (PySpiffeError, KeyError):  # KeyError where there is no exp
        return False
    return str(svid.spiffe_id) == ID


def svid(at: int, **changed: Any) -> dict[str, Any]:
    """As SPIRE signs it; None leaves a claim out."""
    claims = {"sub": ID, "aud": [URL], "iat": at, "exp": at + 300, **changed}
    return {name: value for name, value in claims.items() if value is not None}


def verdicts(presenting: Presenting, spire: OtherIssuer, token: str) -> tuple[bool, bool]:
    """Ours, and that of the package."""
    return presenting.accepts(token, "svid"), accepted_by_the_package(spire, token)


def test_both_accept_what_spire_signs(presenting: Presenting, spire: OtherIssuer):
    for claims in (
        {},
        {"aud": URL},
        {"aud": ["https://other.example", URL]},
        {"iss": DOMAIN},
        {"jti": "1", "nbf": presenting.at, "extra": {"a": [1]}},
    ):
        for typ in ({}, {"typ": "JWT"}, {"typ": "JOSE"}, {"typ": None}):
            token = signed(spire, svid(presenting.at, **claims), kid="c1", **typ)
            assert verdicts(presenting, spire, token) == (True, True), (claims, typ)


def test_both_refuse_what_differs(presenting: Presenting, spire: OtherIssuer):
    at = presenting.at
    for claims in (
        {"sub": None},
        {"sub": ""},
        {"sub": DOMAIN},
        {"sub": f"{ID}/more"},
        {"sub": f"{ID}/"},
        {"sub": "spiffe://other.example/ns/prod/sa/web"},
        {"sub": "spiffe://prod.example.evil.example/ns/prod/sa/web"},
        {"sub": "https://prod.example/ns/prod/sa/web"},
        {"sub": [ID]},
        {"aud": None},
        {"aud": []},
        {"aud": f"{URL}/"},
        {"aud": ["https://other.example"]},
        {"aud": {URL: True}},
        {"exp": None},
        {"exp": at - 1},
        {"exp": "later"},
        {"nbf": at + 60},
    ):
        token = signed(spire, svid(at, **claims), kid="c1")
        assert verdicts(presenting, spire, token) == (False, False), claims


def test_both_refuse_other_headers_and_keys(presenting: Presenting, spire: OtherIssuer):
    claims = svid(presenting.at)
    other = OtherIssuer.new(DOMAIN, spire.alg)
    for token in tokens_of_others(spire, other, claims):
        assert verdicts(presenting, spire, token) == (False, False), token


def tokens_of_others(
    spire: OtherIssuer, other: OtherIssuer, claims: dict[str, Any]
) -> Iterator[str]:
    yield signed(other, claims, kid="c1")
    yield signed(spire, claims, kid="c2")
    yield signed(spire, claims, kid="c1", typ="at+jwt")
    yield signed(spire, claims, kid="c1", typ="dpop+jwt")
    yield signed(spire, claims, kid="c1", typ=["JWT"])
    yield signed(OtherIssuer.new(DOMAIN, "EdDSA"), claims, kid="c1")
    header, payload, signature = signed(spire, claims, kid="c1").split(".")
    yield f"{header}.{payload}."
    yield f"{header}.{payload}.{signature[::-1]}"
    yield f"{header}.{signed(spire, {**claims, 'jti': '1'}).split('.')[1]}.{signature}"
