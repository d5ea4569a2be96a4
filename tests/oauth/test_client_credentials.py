"""The client credentials grant and the claims of its tokens (RFC 6749 §4.4, RFC 9068)."""

from datetime import timedelta

import pytest

from issuer.roles import Assignment
from tests.builders import URL, Credentials, Deployment, FakeClock
from tests.captured_logs import capture_logs
from tests.drivers import TokenDriver
from tests.oauth.refreshing import events
from tests.rows import rows


def test_the_response_is_a_bearer_token_and_no_store(
    shared: Deployment, shared_endpoint: TokenDriver
):
    """RFC 6749 §5.1."""
    client = shared.client(scopes=["agents:run", "agents:web:read"])
    answer = shared_endpoint.client_credentials(client)
    assert answer.status == 200
    assert answer.response.headers["cache-control"] == "no-store"
    assert answer.response.headers["content-type"] == "application/json"
    assert {**answer.body, "access_token": "…"} == {
        "access_token": "…",
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": "agents:run agents:web:read",
    }


def test_the_token_has_the_documented_claims(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    """RFC 9068 §2: every claim, and no other."""
    client = deployment.client("ci-bot", scopes=["agents:run"], claims={"tenant": "acme"})
    answer = token_endpoint.client_credentials(client)
    header, claims = token_endpoint.read(answer)
    now = int(clock().timestamp())
    assert header.keys() == {"alg", "kid", "typ"}
    assert (header["alg"], header["typ"]) == ("ES256", "at+jwt")
    assert len(claims.pop("jti")) >= 22
    assert claims == {
        "iss": URL,
        "sub": "ci-bot",
        "aud": "my-os",
        "exp": now + 900,
        "iat": now,
        "client_id": "ci-bot",
        "scope": "agents:run",
        "scopes": ["agents:run"],
        "tenant": "acme",
    }


def test_scopes_is_an_array_even_if_empty(shared: Deployment, shared_endpoint: TokenDriver):
    """No scope is requested and none is held: an empty `scope`, and an empty array."""
    answer = shared_endpoint.client_credentials(shared.client())
    claims = shared_endpoint.claims(answer)
    assert (answer.body["scope"], claims["scope"], claims["scopes"]) == ("", "", [])


def test_every_token_has_its_own_jti(shared: Deployment, shared_endpoint: TokenDriver):
    client = shared.client()
    answers = [shared_endpoint.client_credentials(client) for _ in range(20)]
    assert len({shared_endpoint.claims(answer)["jti"] for answer in answers}) == 20


def test_a_narrower_scope_is_granted_as_requested(shared: Deployment, shared_endpoint: TokenDriver):
    client = shared.client(scopes=["agents:run"])
    answer = shared_endpoint.client_credentials(client, scope="agents:web:run")
    assert answer.scope == {"agents:web:run"}
    assert shared_endpoint.claims(answer)["scopes"] == ["agents:web:run"]


def test_a_scope_that_is_not_covered_is_named(shared: Deployment, shared_endpoint: TokenDriver):
    """RFC 6749 §5.2; the scope is never reduced silently."""
    client = shared.client(scopes=["agents:web:run"])
    answer = shared_endpoint.client_credentials(client, scope="agents:web:run agents:run")
    assert (answer.status, answer.body) == (
        400,
        {
            "error": "invalid_scope",
            "error_description": "Not permitted at this audience: agents:run",
        },
    )


@rows("scope", ["a  b", " a", "a ", "a\tb", "ä", 'a"b', "a::b", "a:b:c:d"])
def test_a_malformed_scope_is_invalid_scope(
    shared: Deployment, shared_endpoint: TokenDriver, scope: str
):
    """RFC 6749 §3.3."""
    client = shared.client(scopes=["agent_os:admin"])
    assert shared_endpoint.client_credentials(client, scope=scope).error == "invalid_scope"


def test_a_role_applies_at_its_audience_only(deployment: Deployment, token_endpoint: TokenDriver):
    deployment.audience("other-os")
    deployment.role("runner", ["agents:run"])
    client = deployment.client(audiences=["my-os", "other-os"])
    with deployment.changing() as work:
        work.assignments.assign(client.client_id, Assignment(role="runner", audience="other-os"))
    here = token_endpoint.client_credentials(client, audience="my-os")
    there = token_endpoint.client_credentials(client, audience="other-os")
    assert (here.scope, there.scope) == (set(), {"agents:run"})


def test_a_role_without_audience_applies_everywhere(
    deployment: Deployment, token_endpoint: TokenDriver
):
    deployment.audience("other-os")
    deployment.role("runner", ["agents:run"])
    client = deployment.client(audiences=["my-os", "other-os"], roles=["runner"])
    for audience in ("my-os", "other-os"):
        answer = token_endpoint.client_credentials(client, audience=audience)
        assert answer.scope == {"agents:run"}


def test_roles_are_in_the_token_only_if_the_audience_includes_them(
    deployment: Deployment, token_endpoint: TokenDriver
):
    deployment.audience("with-roles", include_roles=True)
    deployment.role("runner", ["agents:run"])
    client = deployment.client(audiences=["my-os", "with-roles"], roles=["runner"])
    answer = token_endpoint.client_credentials(client, audience="with-roles")
    assert token_endpoint.claims(answer)["roles"] == ["runner"]
    answer = token_endpoint.client_credentials(client, audience="my-os")
    assert "roles" not in token_endpoint.claims(answer)


def test_agent_os_admin_grants_nothing_at_the_issuers_own_audience(
    shared: Deployment, shared_endpoint: TokenDriver
):
    client = shared.client(scopes=["agent_os:admin", "issuer:users:read"], audiences=["my-os", URL])
    own = shared_endpoint.client_credentials(client, audience=URL)
    elsewhere = shared_endpoint.client_credentials(client, audience="my-os")
    assert (own.scope, elsewhere.scope) == ({"issuer:users:read"}, {"agent_os:admin"})
    asked = shared_endpoint.client_credentials(client, audience=URL, scope="issuer:admin")
    assert asked.error == "invalid_scope"


@pytest.mark.parametrize("parameter", ["audience", "resource"])
def test_the_audience_may_be_named_by_audience_or_resource(
    deployment: Deployment, token_endpoint: TokenDriver, parameter: str
):
    """RFC 8707 §2."""
    deployment.audience("https://os.example/one")
    client = deployment.client(audiences=["my-os", "https://os.example/one"])
    answer = token_endpoint.client_credentials(client, **{parameter: "https://os.example/one"})
    assert token_endpoint.claims(answer)["aud"] == "https://os.example/one"


def test_the_only_audience_need_not_be_named_but_one_of_two_must(
    deployment: Deployment, token_endpoint: TokenDriver
):
    deployment.audience("other-os")
    assert token_endpoint.client_credentials(deployment.client()).status == 200
    for audiences in ([], ["my-os", "other-os"]):
        answer = token_endpoint.client_credentials(deployment.client(audiences=audiences))
        assert (answer.status, answer.error) == (400, "invalid_target")


def test_an_audience_that_is_not_the_clients_is_invalid_target(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """Unknown and not permitted get the same response (RFC 8707 §2)."""
    deployment.audience("other-os")
    client = deployment.client()
    for audience in ("other-os", "nowhere", "MY-OS", URL):
        answer = token_endpoint.client_credentials(client, audience=audience)
        assert (answer.status, answer.body) == (
            400,
            {
                "error": "invalid_target",
                "error_description": "The client may not have tokens for this audience.",
            },
        ), audience


def test_the_lifetime_is_the_clients_else_the_audiences_else_the_setting(
    deployment: Deployment, token_endpoint: TokenDriver
):
    deployment.audience("long-os", access_token_ttl=3600)
    client = deployment.client(audiences=["my-os", "long-os"])
    hasty = deployment.client(audiences=["long-os"], access_token_ttl=60)
    lifetimes = [
        token_endpoint.client_credentials(client, audience="my-os").body["expires_in"],
        token_endpoint.client_credentials(client, audience="long-os").body["expires_in"],
        token_endpoint.client_credentials(hasty).body["expires_in"],
    ]
    assert lifetimes == [900, 3600, 60]


def test_a_session_id_is_set_only_for_clients_that_may_set_one(
    shared: Deployment, shared_endpoint: TokenDriver
):
    trusted, other = shared.client(may_set_session=True), shared.client()
    bound = shared_endpoint.client_credentials(trusted, session_id="s-1")
    unbound = shared_endpoint.client_credentials(other, session_id="s-1")
    assert shared_endpoint.claims(bound)["session_id"] == "s-1"
    assert "session_id" not in shared_endpoint.claims(unbound)
    assert shared_endpoint.client_credentials(trusted, session_id="x" * 256).error == (
        "invalid_request"
    )


@pytest.mark.parametrize("more_settings", [{"max_token_bytes": "1024"}])
def test_a_token_over_its_limit_is_refused_and_the_claim_named(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client(claims={"small": 1, "huge": "x" * 1000})
    answer = token_endpoint.client_credentials(client)
    assert (answer.status, answer.error) == (400, "invalid_request")
    assert "huge" in answer.body["error_description"]


@pytest.mark.parametrize(
    "more_settings", [{"signing_algorithms": "RS256,PS256,ES256,EdDSA,Ed25519"}], ids=["all"]
)
@rows("alg", ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"])
def test_an_audience_chooses_its_algorithm(
    deployment: Deployment, token_endpoint: TokenDriver, alg: str
):
    deployment.audience(f"os-{alg}", signing_alg=alg)
    answer = token_endpoint.client_credentials(deployment.client(audiences=[f"os-{alg}"]))
    header, claims = token_endpoint.read(answer)
    assert (header["alg"], claims["aud"]) == (alg, f"os-{alg}")
    keys = deployment.http.get("/.well-known/jwks.json").json()["keys"]
    assert [key["alg"] for key in keys if key["kid"] == header["kid"]] == [alg]
    assert token_endpoint.introspect(deployment.admin, answer.token)["active"]


def test_an_expired_secret_is_refused_and_the_others_stay_valid(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    client = deployment.client()
    short = deployment.secret(client, expires_at=(clock() + timedelta(hours=1)).isoformat())
    assert token_endpoint.client_credentials(short).status == 200
    deployment.wait(timedelta(hours=1))
    assert token_endpoint.client_credentials(short).error == "invalid_client"
    assert token_endpoint.client_credentials(client).status == 200


def test_log_and_audit_log_name_an_expired_secret_and_the_caller_learns_nothing(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    client = deployment.client()
    expires_at = clock() + timedelta(hours=1)
    short = deployment.secret(client, expires_at=expires_at.isoformat())
    with deployment.services.administration.reading() as work:
        secrets = work.clients.secrets(client.client_id)
    secret_id = next(each.id for each in secrets if each.expires_at)
    deployment.wait(timedelta(hours=1))
    with capture_logs() as logged:
        expired = token_endpoint.client_credentials(short)
    wrong = token_endpoint.client_credentials(Credentials(client.client_id, "wrong"))
    reason = f"expired secret ({secret_id}, since {expires_at:%Y-%m-%d %H:%M} UTC)"
    assert [each.get("reason") for each in logged if "reason" in each] == [reason]
    reasons = [each.reason for each in events(deployment, "token.refused")]
    assert reasons == [reason, "wrong secret"]
    assert (expired.status, expired.body) == (wrong.status, wrong.body)
