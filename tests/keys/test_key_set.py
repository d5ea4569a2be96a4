"""The published key set (RFC 7517) and the keys behind it."""

import json

import pytest
from joserfc.jwk import JWKRegistry

from issuer.database.tables import SigningKeyRow
from issuer.keys.private_key import generate
from issuer.vocabulary import SigningAlgorithm
from tests.builders import Deployment
from tests.drivers import TokenDriver
from tests.rows import rows

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}
JWKS = "/.well-known/jwks.json"


def test_the_key_set_holds_the_active_key_and_the_next_key(
    shared: Deployment, shared_endpoint: TokenDriver
):
    answer = shared.http.get(JWKS)
    keys = answer.json()["keys"]
    header, _ = shared_endpoint.read(shared_endpoint.client_credentials(shared.client()))
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert len(keys) == 2
    assert header["kid"] in {key["kid"] for key in keys}


@pytest.mark.parametrize("more_settings", [{"signing_algorithms": "RS256,ES256,EdDSA"}])
def test_a_published_key_is_public_and_named_by_its_thumbprint(deployment: Deployment):
    """RFC 7517 §4, RFC 7638; only of algorithms an audience uses."""
    deployment.audience("es-os", signing_alg="ES256")
    keys = deployment.http.get(JWKS).json()["keys"]
    assert {key["alg"] for key in keys} == {"RS256", "ES256"}
    for key in keys:
        assert not PRIVATE_MEMBERS & key.keys()
        assert key["use"] == "sig"
        assert key["kid"] == JWKRegistry.import_key(key).thumbprint()


def test_a_kid_never_looks_like_a_command_line_option():
    """One thumbprint in 64 begins with "-"."""
    names = [generate(SigningAlgorithm.EDDSA).thumbprint() for _ in range(800)]
    assert not any(name.startswith("-") for name in names)


@rows("form", ["{}", "W/{}", '"other", {}', "*"])
def test_a_known_etag_gets_304(shared: Deployment, form: str):
    """RFC 9110 §13.1.2: weak comparison, lists, any."""
    first = shared.http.get(JWKS)
    etag = first.headers["etag"]
    assert not etag.startswith("W/")
    again = shared.http.get(JWKS, headers={"If-None-Match": form.format(etag)})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == etag
    assert again.headers["cache-control"] == first.headers["cache-control"]
    other = shared.http.get(JWKS, headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


def test_head_answers_as_get_without_a_body(shared: Deployment):
    """RFC 9110 §9.3.2."""
    head, get = shared.http.head(JWKS), shared.http.get(JWKS)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == get.headers["etag"]


def test_no_private_key_is_in_the_database_in_clear_text(shared: Deployment):
    with shared.services.database.reading() as session:
        rows = session.query(SigningKeyRow).all()
    for row in rows:
        assert b"PRIVATE" not in row.handle
        assert not PRIVATE_MEMBERS & row.public_jwk.keys()
        assert json.dumps(row.public_jwk)


def test_a_public_part_that_was_tampered_with_is_not_published(deployment: Deployment):
    """The published key is derived from the sealed private key."""
    before = deployment.http.get(JWKS).json()
    with deployment.services.database.transaction() as session:
        for row in session.query(SigningKeyRow):
            row.public_jwk = {**row.public_jwk, "x": "AAAA"}
    deployment.services.tokens.changes.poll()
    assert deployment.http.get(JWKS).json() == before


def test_a_key_of_an_unknown_algorithm_is_ignored(deployment: Deployment):
    """A newer version of the issuer may run on the same database."""
    before = deployment.http.get(JWKS).json()
    with deployment.services.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO signing_keys (kid, alg, public_jwk, announced_at, activates_at)"
            " SELECT 'new', 'ML-DSA-44', public_jwk, announced_at, activates_at"
            " FROM signing_keys LIMIT 1"
        )
    deployment.services.keys.keyring.reload()
    assert deployment.http.get(JWKS).json() == before


def test_carrying_out_the_rotation_twice_changes_nothing(shared: Deployment):
    before = shared.services.keys.keyring.keys
    shared.services.keys.keyring.reconcile()
    assert shared.services.keys.keyring.keys == before
