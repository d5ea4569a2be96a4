"""Client authentication by an assertion of the client itself (RFC 7521 §4.2, RFC 7523)."""

import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from issuer.clients.operations import DELETE_KEY
from tests.builders import URL, Deployment
from tests.directory.test_directory import statements
from tests.drivers import TokenDriver
from tests.oauth.asserting import (
    INVALID_CLIENT,
    AssertingClient,
    ask,
    form_of,
    new_key,
    now,
    why_refused,
    with_keys,
)
from tests.oauth.refreshing import events
from tests.rows import rows


@pytest.fixture
def batch(deployment: Deployment) -> AssertingClient:
    """A client with one key and no secret."""
    client = AssertingClient.new("batch")
    deployment.role("runner", ["agents:run"])
    assert with_keys(deployment, client, roles=["runner"]).client_secret == ""
    return client


def test_a_client_gets_a_token_by_its_key(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver
):
    """RFC 7523 §2.2; `client_id` may be left out (RFC 7521 §4.2)."""
    answer = ask(token_endpoint, batch.assertion(now(deployment)))
    claims = token_endpoint.claims(answer)
    assert (claims["sub"], claims["scopes"]) == ("batch", ["agents:run"])
    named = ask(token_endpoint, batch.assertion(now(deployment)), client_id="batch")
    assert named.status == 200


def test_an_assertion_that_memory_confirms_is_stored_as_used_without_another_query(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver
):
    assert ask(token_endpoint, batch.assertion(now(deployment))).status == 200
    with statements(deployment) as seen:
        assert ask(token_endpoint, batch.assertion(now(deployment))).status == 200
    (inserted,) = seen
    assert inserted.startswith("INSERT INTO used_assertions")


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_the_algorithm_is_that_of_the_key(
    deployment: Deployment, token_endpoint: TokenDriver, alg: str
):
    """RFC 8725 §3.1: whatever the header says."""
    client = AssertingClient.new("signer", alg)
    with_keys(deployment, client)
    assert ask(token_endpoint, client.assertion(now(deployment))).status == 200
    others = {"RS256": "PS256", "PS256": "RS256"}
    if alg in others:
        other = AssertingClient("signer", others[alg], key=client.key)
        assert ask(token_endpoint, other.assertion(now(deployment))).body == INVALID_CLIENT


@rows(
    ("changed", "rule"),
    [
        ({"iss": "other"}, "iss is not the client"),
        ({"iss": None}, "iss is not the client"),
        ({"sub": "other"}, "unknown client"),
        ({"sub": None}, "unknown client"),
        ({"sub": ["batch"]}, "unknown client"),
        ({"aud": None}, "aud is not the issuer alone"),
        ({"aud": "https://other.example"}, "aud is not the issuer alone"),
        ({"aud": f"{URL}/oauth2/token"}, "aud is not the issuer alone"),
        ({"aud": f"{URL}/"}, "aud is not the issuer alone"),
        ({"aud": [URL]}, "aud is not the issuer alone"),
        ({"aud": [URL, "https://other.example"]}, "aud is not the issuer alone"),
        ({"exp": None}, "exp is missing"),
        ({"exp": "soon"}, "exp is not a number"),
        ({"exp": True}, "exp is not a number"),
        ({"exp": 1e300}, "exp is not a possible time"),
        ({"exp": -1}, "it has expired"),
        ({"jti": None}, "jti is not a text"),
        ({"jti": ""}, "jti is not a text"),
        ({"jti": 7}, "jti is not a text"),
        ({"jti": "x" * 256}, "jti is not a text"),
        ({"nbf": "now"}, "nbf is not a number"),
    ],
)
def test_each_rule_is_kept_and_the_audit_log_says_which_was_broken(
    deployment: Deployment,
    batch: AssertingClient,
    token_endpoint: TokenDriver,
    changed: dict[str, Any],
    rule: str,
):
    """RFC 7523 §3, with one answer for all."""
    answer = ask(token_endpoint, batch.assertion(now(deployment), **changed))
    assert (answer.status, answer.body) == (401, INVALID_CLIENT)
    assert rule in why_refused(deployment)


def test_it_is_valid_for_ten_minutes_at_most(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver
):
    at = int(now(deployment))
    assert ask(token_endpoint, batch.assertion(at, exp=at + 600)).status == 200
    assert ask(token_endpoint, batch.assertion(at, exp=at + 601)).status == 401
    assert "10 minutes" in why_refused(deployment)
    assert ask(token_endpoint, batch.assertion(at, exp=at)).status == 401
    assert "expired" in why_refused(deployment)


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_clocks_may_differ_a_little(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver, name: str
):
    at = int(now(deployment))
    assert ask(token_endpoint, batch.assertion(at, **{name: at + 10})).status == 200
    assert ask(token_endpoint, batch.assertion(at, **{name: at + 12})).status == 401
    assert ask(token_endpoint, batch.assertion(at, **{name: None})).status == 200


def test_an_assertion_works_once(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver
):
    """RFC 7523 §3 (7): also in another form, and until it has expired everywhere."""
    at = now(deployment)
    assertion = batch.assertion(at, jti="only-once")
    assert ask(token_endpoint, assertion).status == 200
    assert ask(token_endpoint, assertion).body == INVALID_CLIENT
    assert "used before" in why_refused(deployment)
    assert ask(token_endpoint, assertion, client_id="batch", scope="agents:run").status == 401
    again = batch.assertion(at, jti="only-once", exp=int(at) + 30)
    assert ask(token_endpoint, again).status == 401
    deployment.services.tokens.cleanup_assertions()
    assert ask(token_endpoint, assertion).status == 401


def test_the_jti_of_another_client_is_another_one(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver
):
    other = AssertingClient.new("other-batch")
    with_keys(deployment, other)
    for client in (batch, other):
        assert ask(token_endpoint, client.assertion(now(deployment), jti="same")).status == 200


def test_used_assertions_are_deleted_when_no_process_accepts_them(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver
):
    ask(token_endpoint, batch.assertion(now(deployment)))
    assert used(deployment) == 1
    deployment.clock.move(timedelta(seconds=90))
    deployment.services.tokens.cleanup_assertions()
    assert used(deployment) == 1  # a process whose clock is behind
    deployment.clock.move(timedelta(seconds=60))
    deployment.services.tokens.cleanup_assertions()
    assert used(deployment) == 0


def used(deployment: Deployment) -> int:
    with deployment.services.database.statements() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM used_assertions").scalar_one()


def test_the_memory_of_repeated_requests_holds_no_assertion(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver
):
    """The same bytes again are a replay, also in the process that granted them."""
    form = form_of(batch.assertion(now(deployment)))
    assert token_endpoint.post(data=form).status == 200
    assert token_endpoint.post(data=form).body == INVALID_CLIENT


def test_a_request_that_waits_for_the_next_second_uses_its_assertion_once(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver
):
    """All tokens were revoked a moment ago: the request is authenticated again, not replayed."""
    with deployment.changing() as work:
        work.clients.revoke_tokens("batch")
    assertion = batch.assertion(now(deployment))
    assert ask(token_endpoint, assertion).status == 200
    assert ask(token_endpoint, assertion).status == 401


@rows(
    "header",
    [
        {"typ": "at+jwt"},
        {"typ": "application/at+jwt"},
        {"typ": "dpop+jwt"},
        {"crit": ["exp"]},
        {"b64": False},
        {"kid": "unknown"},
        {"kid": ""},
    ],
)
def test_a_header_of_another_kind_is_refused(
    deployment: Deployment,
    batch: AssertingClient,
    token_endpoint: TokenDriver,
    header: dict[str, Any],
):
    """RFC 7515 §4.1.11, RFC 8725 §3.11."""
    assertion = forged(batch, batch.claims(now(deployment)), **header)
    assert ask(token_endpoint, assertion).body == INVALID_CLIENT


def forged(client: AssertingClient, claims: dict[str, Any], **header: Any) -> str:
    """Signed, with whatever header."""
    algorithm = jwt.get_algorithm_by_name(client.alg)
    members = {"alg": client.alg, "kid": client.kid, **header}
    parts = [base64url(json.dumps(each).encode()) for each in (members, claims)]
    key = algorithm.prepare_key(client.key.as_pem(private=True))
    signature = algorithm.sign(".".join(parts).encode(), key)
    return ".".join([*parts, base64url(signature)])


def base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@rows("typ", [None, "JWT", "jwt", "client-authentication+jwt"])
def test_the_types_of_assertions_are_accepted(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver, typ: str | None
):
    header = {} if typ is None else {"typ": typ}
    assertion = forged(batch, batch.claims(now(deployment)), **header)
    assert ask(token_endpoint, assertion).status == 200


def test_eddsa_has_a_second_name(deployment: Deployment, token_endpoint: TokenDriver):
    """RFC 9864 §2.2: libraries for JavaScript send it."""
    client = AssertingClient.new("edward", "EdDSA")
    with_keys(deployment, client, jwks={"keys": [{**client.jwk, "alg": "Ed25519"}]})
    for alg in ("Ed25519", "EdDSA"):
        assertion = forged(client, client.claims(now(deployment)), alg=alg)
        assert ask(token_endpoint, assertion).status == 200
    other = forged(client, client.claims(now(deployment)), alg="Ed448")
    assert ask(token_endpoint, other).body == INVALID_CLIENT


def test_no_signature_and_no_shared_key_count(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver
):
    """RFC 8725 §2.1: `none`, and HMAC with the public key."""
    claims = batch.claims(now(deployment))
    unsigned = jwt.encode(claims, None, "none", {"kid": "k1"})
    assert ask(token_endpoint, unsigned).body == INVALID_CLIENT
    public = batch.key.as_pem(private=False)
    head = base64url(json.dumps({"alg": "HS256", "kid": "k1"}).encode())
    body = base64url(json.dumps(claims).encode())
    digest = jwt.get_algorithm_by_name("HS256").sign(f"{head}.{body}".encode(), public)
    assert ask(token_endpoint, f"{head}.{body}.{base64url(digest)}").body == INVALID_CLIENT


def test_without_kid_every_key_of_the_algorithm_is_tried(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """RFC 7515 §4.1.4: the kid is a hint, and Authlib sends none."""
    keys = [AssertingClient.new("many", kid=None), AssertingClient.new("many", kid=None)]
    jwks = {"keys": [{**each.jwk, "kid": f"k{n}"} for n, each in enumerate(keys)]}
    with_keys(deployment, keys[0], jwks=jwks)
    for each in keys:
        assert ask(token_endpoint, each.assertion(now(deployment))).status == 200
    unknown = AssertingClient.new("many", kid=None)
    assert ask(token_endpoint, unknown.assertion(now(deployment))).body == INVALID_CLIENT


def test_a_new_key_works_at_once_and_a_deleted_one_no_more(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver
):
    assert ask(token_endpoint, batch.assertion(now(deployment))).status == 200
    newer = AssertingClient.new("batch", kid="k2")
    with deployment.changing() as work:
        work.clients.add_key("batch", newer.jwk)
    assert ask(token_endpoint, newer.assertion(now(deployment))).status == 200
    with deployment.changing() as work:
        DELETE_KEY.do(work, "batch", "k1")
    assert ask(token_endpoint, batch.assertion(now(deployment))).body == INVALID_CLIENT
    assert ask(token_endpoint, newer.assertion(now(deployment))).status == 200


def test_a_client_with_a_secret_and_keys_may_use_either_while_it_changes(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """With `private_key_jwt` its secrets are deleted, and no new one is made."""
    keys = AssertingClient.new("moving")
    secret = deployment.client("moving")
    with deployment.changing() as work:
        work.clients.add_key("moving", keys.jwk)
    assert ask(token_endpoint, keys.assertion(now(deployment))).status == 200
    assert token_endpoint.client_credentials(secret).status == 200
    with deployment.changing() as work:
        work.clients.update("moving", {"token_endpoint_auth_method": "private_key_jwt"})
        assert work.clients.secrets("moving") == []
    assert token_endpoint.client_credentials(secret).body == INVALID_CLIENT
    assert ask(token_endpoint, keys.assertion(now(deployment))).status == 200


@pytest.mark.parametrize("method", ["client_secret_basic", "private_key_jwt"])
def test_a_client_without_keys_cannot_use_an_assertion(
    deployment: Deployment, token_endpoint: TokenDriver, method: str
):
    client = AssertingClient.new("keyless")
    deployment.client("keyless", token_endpoint_auth_method=method)
    answer = ask(token_endpoint, client.assertion(now(deployment)))
    assert answer.body == INVALID_CLIENT
    assert "no keys" in why_refused(deployment)


def test_a_disabled_client_is_refused_like_an_unknown_one(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver
):
    with deployment.changing() as work:
        work.clients.update("batch", {"disabled": True})
    unknown = AssertingClient.new("nobody")
    answers = [ask(token_endpoint, each.assertion(now(deployment))) for each in (batch, unknown)]
    assert [answer.body for answer in answers] == [INVALID_CLIENT] * 2


def test_a_client_with_a_key_alone_needs_the_key(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver
):
    """Neither its id alone nor an empty secret authenticates it."""
    for form in ({"client_id": "batch"}, {"client_id": "batch", "client_secret": "x"}):
        answer = token_endpoint.post(data={"grant_type": "client_credentials", **form})
        assert answer.body == INVALID_CLIENT
    assert (
        token_endpoint.post(data={"grant_type": "client_credentials"}, auth=("batch", "x")).body
        == INVALID_CLIENT
    )


def test_malformed_requests_are_told_apart_from_wrong_credentials(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver
):
    """RFC 7521 §4.2, §4.2.1, RFC 6749 §2.3."""
    form = form_of(batch.assertion(now(deployment)))
    untyped = {name: form[name] for name in form if name != "client_assertion_type"}
    assert token_endpoint.post(data=untyped).error == "invalid_request"
    saml = {**form, "client_assertion_type": form["client_assertion_type"].replace("jwt", "saml2")}
    assert token_endpoint.post(data=saml).body == INVALID_CLIENT
    two = token_endpoint.post(data=form, auth=("batch", "x"))
    assert two.body["error_description"].startswith("Use one method")
    two = token_endpoint.post(data={**form, "client_secret": "x"})
    assert two.error == "invalid_request"
    other = token_endpoint.post(data={**form, "client_id": "other"})
    assert other.body == INVALID_CLIENT


@rows("text", ["x", "a.b.c", "..", "e30.e30.", "é.é.é", "a" * 9_000, "."])
def test_what_is_no_jwt_is_refused(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver, text: str
):
    assert ask(token_endpoint, text).body == INVALID_CLIENT
    assert ask(token_endpoint, text, client_id="batch").body == INVALID_CLIENT


def test_it_revokes_and_introspects_its_tokens_by_its_key(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver
):
    """RFC 7009 §2.1, RFC 7662 §2.1."""
    token = ask(token_endpoint, batch.assertion(now(deployment))).token

    def about(endpoint: str) -> Any:
        form = {**form_of(batch.assertion(now(deployment))), "token": token}
        return token_endpoint.http.post(f"/oauth2/{endpoint}", data=form)

    assert about("introspect").json()["active"] is True
    assert about("revoke").status_code == 200
    assert about("introspect").json()["active"] is False


def test_metadata_names_the_method_and_its_algorithms(deployment: Deployment):
    """RFC 8414 §2."""
    metadata = deployment.http.get("/.well-known/oauth-authorization-server").json()
    for name in ("token", "revocation", "introspection"):
        assert "private_key_jwt" in metadata[f"{name}_endpoint_auth_methods_supported"]
        algorithms = metadata[f"{name}_endpoint_auth_signing_alg_values_supported"]
        assert algorithms == ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]


def test_neither_log_nor_audit_log_repeats_an_assertion(
    deployment: Deployment,
    batch: AssertingClient,
    token_endpoint: TokenDriver,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
):
    assertion = batch.assertion(now(deployment), aud="https://other.example")
    ask(token_endpoint, assertion)
    written = caplog.text + "".join(capsys.readouterr())
    written += json.dumps([event.details for event in events(deployment, "token.refused")])
    written += why_refused(deployment)
    assert not any(part in written for part in assertion.split("."))


class Mutations:
    """What a property test changes in a valid assertion."""

    VALUES = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**40), 2**40),
        st.floats(allow_nan=True),
        st.text(max_size=20),
        st.lists(st.text(max_size=20), max_size=2),
        st.sampled_from([URL, [URL], "batch", ["batch"]]),
    )
    CLAIMS = st.dictionaries(
        st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "jti"]), VALUES, min_size=1
    )
    HEADER = st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c"]),
        st.one_of(VALUES, st.sampled_from(["none", "HS256", "ES256", "RS256", "k1", "at+jwt"])),
        max_size=3,
    )


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize("more_settings", [{"rate_limit_failures": "off"}], ids=["no limit"])
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(claims=Mutations.CLAIMS, header=Mutations.HEADER, own_key=st.booleans())
@example(claims={"aud": URL}, header={}, own_key=False)
def test_no_mutated_assertion_is_accepted_that_breaks_a_rule(
    deployment: Deployment,
    token_endpoint: TokenDriver,
    mutated: AssertingClient,
    claims: dict[str, Any],
    header: dict[str, Any],
    own_key: bool,
):
    """RFC 7523 §3 as a second implementation has it: the test's own."""
    at = deployment.clock().timestamp()
    signer = mutated if own_key else AssertingClient("batch", key=new_key("ES256"))
    claims = signer.claims(at, **claims)
    answer = ask(token_endpoint, forged(signer, claims, **header), client_id="batch")
    if answer.status == 200:
        assert own_key
        assert keeps_every_rule(claims, header, at)
    else:
        assert answer.body == INVALID_CLIENT


@pytest.fixture
def mutated(deployment: Deployment) -> AssertingClient:
    client = AssertingClient.new("batch")
    with_keys(deployment, client)
    return client


def keeps_every_rule(claims: dict[str, Any], header: dict[str, Any], at: float) -> bool:
    numbers = {name: claims[name] for name in ("exp", "iat", "nbf") if name in claims}
    return (
        claims.get("iss") == claims.get("sub") == "batch"
        and claims.get("aud") == URL
        and all(type(each) in {int, float} for each in numbers.values())
        and at < numbers["exp"] <= at + 600
        and numbers.get("iat", at) <= at + 10
        and numbers.get("nbf", at) <= at + 10
        and isinstance(claims.get("jti"), str)
        and 0 < len(claims["jti"]) <= 255
        and header.get("alg", "ES256") == "ES256"
        and header.get("kid", "k1") in {"k1", None}
        and "crit" not in header
        and "b64" not in header
    )


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize("more_settings", [{"rate_limit_failures": "off"}], ids=["no limit"])
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, 10_000), character=st.sampled_from("ABCabc012-_.=~é"))
def test_no_changed_character_makes_another_valid_assertion(
    deployment: Deployment,
    token_endpoint: TokenDriver,
    mutated: AssertingClient,
    place: int,
    character: str,
):
    assertion = mutated.assertion(deployment.clock().timestamp())
    place %= len(assertion)
    changed = assertion[:place] + character + assertion[place + 1 :]
    answer = ask(token_endpoint, changed, client_id="batch")
    assert answer.status == (200 if changed == assertion else 401)
