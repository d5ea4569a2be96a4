"""Access tokens that are bound to a key (RFC 9449 §5): every grant, and who must have them."""

from typing import Any

import httpx
import pytest

from issuer.composition import compose
from tests.builders import OPERATOR, URL, Credentials, Deployment
from tests.dpop.proving import ProofKey, ProvingDriver
from tests.drivers import TokenAnswer, TokenDriver
from tests.oauth.exchanging import ACCESS_TOKEN, EXCHANGE, ID_JAG, exchange
from tests.oauth.refreshing import events
from tests.people_of_others import JWT_BEARER, company
from tests.rows import rows
from tests.sign_in.authorizing import CALLBACK, App, Person, sign_in
from tests.sign_in.devices import GRANT as DEVICE_CODE
from tests.sign_in.devices import DeviceClient, allows

SCOPES = ["agents:run", "sessions:read"]


@pytest.fixture
def client(deployment: Deployment) -> Credentials:
    return deployment.client("ci-bot", scopes=["agents:run"])


@pytest.fixture
def proving(deployment: Deployment) -> ProvingDriver:
    return ProvingDriver(deployment)


def is_bound(answer: TokenAnswer, driver: ProvingDriver) -> bool:
    """By `token_type` and `cnf` alike."""
    assert answer.status == 200, answer.body
    cnf = driver.claims(answer).get("cnf")
    assert (answer.body["token_type"] == "DPoP") == (cnf is not None)
    return cnf == {"jkt": driver.key.jkt}


def refused(answer: TokenAnswer) -> tuple[int, str | None]:
    assert "access_token" not in answer.body
    return answer.status, answer.error


def test_every_grant_binds_its_token_to_the_key(
    deployment: Deployment, proving: ProvingDriver, alice: Person
):
    deployment.audience("archive")
    grants = ["client_credentials", "password", "authorization_code", "refresh_token"]
    client = deployment.client(
        "all",
        scopes=SCOPES,
        grant_types=[*grants, DEVICE_CODE, EXCHANGE, JWT_BEARER],
        audiences=["my-os", "archive"],
        may_act=[{"from": "my-os", "to": "archive"}],
        redirect_uris=[CALLBACK],
        user_rights="all",
    )
    with deployment.changing() as work:
        work.users.set_password(alice.user_id, deployment.hashed("correct horse battery staple"))
    person = sign_in(deployment, alice.user_id)
    assert is_bound(proving.client_credentials(client, audience="my-os"), proving)
    by_password = proving.password(client, "alice", audience="my-os")
    assert is_bound(by_password, proving)
    assert is_bound(proving.refresh(client, by_password.refresh_token), proving)
    app = App(proving, client)
    assert is_bound(person.signs_in_to(app, audience="my-os"), proving)
    assert is_bound(exchange(proving, client, by_password.token, audience="archive"), proving)
    device = DeviceClient(deployment, proving, client)
    device.asks(audience="my-os")
    allows(person, device)
    assert is_bound(device.polls(), proving)
    here = company(deployment, id_jag=True)
    here.link(alice.user_id)
    with deployment.changing() as work:
        work.audiences.update("my-os", {"resources": ["https://os.example/mcp"]})
    id_jag = here.id_jag("all", subject="s-alice", resource="https://os.example/mcp")
    form = {"grant_type": JWT_BEARER, "assertion": id_jag}
    assert is_bound(proving.post(data=form, auth=("all", client.client_secret)), proving)


def test_without_a_proof_nothing_changes(client: Credentials, token_endpoint: TokenDriver):
    answer = token_endpoint.client_credentials(client)
    assert answer.body["token_type"] == "Bearer"
    assert "cnf" not in token_endpoint.claims(answer)
    assert "DPoP-Nonce" not in answer.response.headers


def test_the_audit_event_of_a_token_has_the_thumbprint(
    deployment: Deployment, client: Credentials, proving: ProvingDriver, token_endpoint: TokenDriver
):
    proving.client_credentials(client)
    assert events(deployment, "token.issued")[-1].details["jkt"] == proving.key.jkt
    token_endpoint.client_credentials(client)
    assert "jkt" not in events(deployment, "token.issued")[-1].details


@rows(
    ("changed", "problem"),
    [
        ({"htm": "GET"}, "htm of the proof is not the method of the request."),
        (
            {"htu": "https://os.example/x"},
            "htu of the proof is not the URL of the request at this issuer.",
        ),
        ({"iat": 0}, "iat of the proof is not within 60 seconds of the issuer's clock."),
        ({"header": {"typ": "JWT"}}, "typ of the proof is not dpop+jwt."),
    ],
)
def test_a_wrong_proof_is_refused_and_never_a_bearer_token(
    shared: Deployment, changed: dict[str, Any], problem: str
):
    """RFC 9449 §5; the audit log says who sent it, and why it was refused."""
    client = shared.client(scopes=["agents:run"])
    answer = ProvingDriver(shared, **changed).client_credentials(client)
    assert refused(answer) == (400, "invalid_dpop_proof")
    assert answer.body["error_description"] == problem
    event = events(shared, "token.refused")[-1]
    assert (event.actor, event.reason) == (client.client_id, problem)


def test_two_proofs_are_none(client: Credentials, proving: ProvingDriver):
    headers = [("DPoP", proving.proof()), ("DPoP", proving.proof())]
    form = {"grant_type": "client_credentials"}
    answer = TokenDriver(proving.http).post(
        data=form, auth=(client.client_id, client.client_secret), headers=headers
    )
    assert refused(answer) == (400, "invalid_dpop_proof")


def test_the_client_is_authenticated_before_its_proof_counts(
    client: Credentials, proving: ProvingDriver
):
    proof = {"DPoP": proving.proof()}
    form = {"grant_type": "client_credentials"}
    wrong = proving.post(data=form, auth=(client.client_id, "wrong"), headers=proof)
    assert refused(wrong) == (401, "invalid_client")
    right = proving.post(data=form, auth=(client.client_id, client.client_secret), headers=proof)
    assert is_bound(right, proving)


def test_a_proof_counts_once_also_where_the_grant_is_cached(
    client: Credentials, proving: ProvingDriver
):
    form, auth = {"grant_type": "client_credentials"}, (client.client_id, client.client_secret)
    for _ in range(3):
        proof = {"DPoP": proving.proof()}
        assert is_bound(proving.post(data=form, auth=auth, headers=proof), proving)
        again = proving.post(data=form, auth=auth, headers=proof)
        assert refused(again) == (400, "invalid_dpop_proof")
        assert again.body["error_description"] == "jti of the proof was used before."


def test_the_cached_grant_of_one_key_is_not_that_of_another(
    deployment: Deployment, client: Credentials, token_endpoint: TokenDriver
):
    """The same request in the same bytes, by two keys and by none."""
    keys = [ProvingDriver(deployment), ProvingDriver(deployment, ProofKey.new("EdDSA"))]
    for _ in range(3):
        assert all(is_bound(each.client_credentials(client), each) for each in keys)
        assert is_bound(keys[1].client_credentials(client), keys[1])
        assert token_endpoint.client_credentials(client).body["token_type"] == "Bearer"


def test_a_cached_grant_takes_the_signature_of_every_proof(
    client: Credentials, proving: ProvingDriver
):
    """The cache finds it by the key in the header, which everybody can send."""
    assert is_bound(proving.client_credentials(client), proving)
    header, payload, _ = proving.proof().split(".")
    signature = proving.proof().split(".")[2]
    form, auth = {"grant_type": "client_credentials"}, (client.client_id, client.client_secret)
    proof = {"DPoP": f"{header}.{payload}.{signature}"}
    assert refused(proving.post(data=form, auth=auth, headers=proof)) == (400, "invalid_dpop_proof")


def test_a_client_that_must_prove_a_key_gets_no_other_token(
    deployment: Deployment, client: Credentials, proving: ProvingDriver, token_endpoint: TokenDriver
):
    """RFC 9449 §5.2."""
    assert token_endpoint.client_credentials(client).status == 200
    with deployment.changing() as work:
        work.clients.update("ci-bot", {"dpop_bound_access_tokens": True})
    assert refused(token_endpoint.client_credentials(client)) == (400, "invalid_dpop_proof")
    assert is_bound(proving.client_credentials(client), proving)
    assert refused(token_endpoint.client_credentials(client)) == (400, "invalid_dpop_proof")


def test_an_audience_that_requires_proofs_has_no_other_tokens(
    deployment: Deployment, proving: ProvingDriver, token_endpoint: TokenDriver
):
    deployment.audience("open")
    client = deployment.client("both", scopes=["agents:run"], audiences=["my-os", "open"])
    with deployment.changing() as work:
        work.audiences.update("my-os", {"require_dpop": True})
    strict = token_endpoint.client_credentials(client, audience="my-os")
    assert refused(strict) == (400, "invalid_dpop_proof")
    assert "send a proof in the header DPoP" in strict.body["error_description"]
    assert token_endpoint.client_credentials(client, audience="open").status == 200
    assert is_bound(proving.client_credentials(client, audience="my-os"), proving)


def test_a_code_is_not_used_up_where_the_proof_is_missing(
    deployment: Deployment, alice: Person, app: App, proving: ProvingDriver
):
    with deployment.changing() as work:
        work.audiences.update("my-os", {"require_dpop": True})
    code = alice.allows(app)
    assert refused(app.redeem(code)) == (400, "invalid_dpop_proof")
    assert is_bound(App(proving, app.client).redeem(code), proving)


def test_an_exchange_binds_to_the_key_of_whoever_exchanges(
    deployment: Deployment, token_endpoint: TokenDriver, proving: ProvingDriver
):
    """The subject token may be bound to the key of another client, which the actor cannot have."""
    deployment.audience("archive")
    deployment.role("runner", SCOPES)
    deployment.user("alice", roles=["runner"])
    app = deployment.client("app", scopes=SCOPES, grant_types=["password"], first_party=True)
    agent = deployment.client(
        "agent",
        scopes=SCOPES,
        grant_types=[EXCHANGE],
        audiences=["archive"],
        may_act=[{"from": "my-os", "to": "archive"}],
        external_audiences=[
            {"issuer": "https://as.example", "resource": "https://r.example", "client_id": "x"}
        ],
    )
    bound = proving.password(app, "alice").token
    of_agent = ProvingDriver(deployment)
    assert is_bound(exchange(of_agent, agent, bound), of_agent)
    without = exchange(token_endpoint, agent, bound)
    assert without.body["token_type"] == "Bearer"
    assert "cnf" not in token_endpoint.claims(without)
    # An ID-JAG is no access token, and is never bound.
    more = {"audience": "https://as.example", "requested_token_type": ID_JAG}
    assert refused(exchange(of_agent, agent, bound, **more)) == (400, "invalid_request")
    with deployment.changing() as work:
        work.clients.update("agent", {"dpop_bound_access_tokens": True})
    assert refused(exchange(token_endpoint, agent, bound)) == (400, "invalid_dpop_proof")
    assert exchange(token_endpoint, agent, bound, **more).body["token_type"] == "N_A"
    assert exchange(of_agent, agent, bound).body["issued_token_type"] == ACCESS_TOKEN


@pytest.mark.parametrize("more_settings", [{"dpop_nonce": "required"}])
def test_a_nonce_is_asked_for_where_the_settings_say_so(
    deployment: Deployment, client: Credentials, proving: ProvingDriver
):
    """RFC 9449 §8: with the error, and with every token for the next proof."""
    answer = proving.client_credentials(client)
    assert refused(answer) == (400, "use_dpop_nonce")
    for _ in range(3):
        nonce = answer.response.headers["DPoP-Nonce"]
        answer = ProvingDriver(deployment, proving.key, nonce=nonce).client_credentials(client)
        assert is_bound(answer, proving)
    assert refused(ProvingDriver(deployment, nonce="x").client_credentials(client)) == (
        400,
        "use_dpop_nonce",
    )
    unbound = TokenDriver(deployment.http).client_credentials(client)
    assert unbound.status == 200
    assert "DPoP-Nonce" not in unbound.response.headers


def test_the_metadata_names_the_algorithms(shared: Deployment):
    """RFC 9449 §5.1."""
    described = shared.http.get("/.well-known/oauth-authorization-server").json()
    assert described["dpop_signing_alg_values_supported"] == [
        *("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
    ]


def test_scripts_may_send_proofs_and_read_nonces(shared: Deployment):
    for path in ("/oauth2/token", "/oauth2/userinfo", "/oauth2/revoke"):
        allowed = shared.http.options(path).headers["Access-Control-Allow-Headers"]
        assert "dpop" in allowed.split(", ")
    answer = shared.http.post("/oauth2/token").headers["Access-Control-Expose-Headers"]
    assert "DPoP-Nonce" in answer.split(", ")


@pytest.mark.parametrize("more_settings", [{"client_registration": "open"}])
def test_a_client_that_registers_itself_may_want_bound_tokens(
    deployment: Deployment, alice: Person
):
    """RFC 9449 §5.2."""
    asked = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}

    def registered(**members: object) -> httpx.Response:
        return deployment.http.post("/oauth2/register", json={**asked, **members})

    assert "dpop_bound_access_tokens" not in registered().json()
    assert registered(dpop_bound_access_tokens="maybe").json()["error"] == "invalid_client_metadata"
    answer = registered(dpop_bound_access_tokens=True).json()
    assert answer["dpop_bound_access_tokens"] is True
    app = App(TokenDriver(deployment.http), Credentials(answer["client_id"], ""))
    code = alice.allows(app, audience="my-os")
    assert refused(app.redeem(code)) == (400, "invalid_dpop_proof")
    proving = ProvingDriver(deployment)
    assert is_bound(App(proving, app.client).redeem(code), proving)


@pytest.mark.parametrize("more_settings", [{"url": f"{URL}/auth"}])
def test_the_url_is_that_of_the_issuer_whatever_a_proxy_makes_of_it(deployment: Deployment):
    """Host and scheme of the request are those of the connection to the proxy."""
    client, key = deployment.client(scopes=["agents:run"]), ProofKey()
    for path, status in (("/auth/oauth2/token", 200), ("/oauth2/token", 400)):
        proof = key.proof(deployment.clock().timestamp(), url=URL + path)
        answer = deployment.http.post(
            "http://issuer.internal:9000/auth/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(client.client_id, client.client_secret),
            headers={
                "DPoP": proof,
                "Host": "issuer.internal:9000",
                "X-Forwarded-Host": "x.example",
            },
        )
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize("grant", ["client_credentials", "password"])
def test_a_request_that_waits_for_a_revocation_has_used_its_proof_itself(
    deployment: Deployment, proving: ProvingDriver, grant: str
):
    """Also where the grant was cached, and where the revocation is seen after the commit."""
    client = deployment.client("web", grant_types=["client_credentials", "password"])
    deployment.user("alice", id="alice")

    def ask() -> TokenAnswer:
        if grant == "password":
            return proving.password(client, "alice")
        return proving.client_credentials(client)

    assert is_bound(ask(), proving)
    with deployment.changing() as work:
        work.revocations.revoke_client("web")
    assert is_bound(ask(), proving)
    deployment.services.tokens.changes.stop()
    elsewhere = compose(deployment.services.settings, deployment.clock)
    with elsewhere.administration.changing(OPERATOR) as work:
        work.revocations.revoke_client("web")
    elsewhere.database.dispose()
    assert is_bound(ask(), proving)
