"""ID-JAGs: draft-ietf-oauth-identity-assertion-authz-grant, by token exchange (RFC 8693)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from issuer.audit import Actor
from issuer.composition import UnitOfWork
from issuer.errors import InvalidCredentials
from issuer.refresh_tokens import TokenToStore
from issuer.tokens.issuing import RevokedUntil
from tests.builders import Credentials, Deployment
from tests.drivers import TokenAnswer, TokenDriver
from tests.oauth.exchanging import (
    ACCESS_TOKEN,
    EXCHANGE,
    ID_JAG,
    ID_TOKEN,
    SCOPES,
    Actors,
    actors,
    exchange,
)
from tests.oauth.refreshing import events
from tests.rows import rows
from tests.sign_in.authorizing import CALLBACK, App, Person, sign_in

SAAS = "https://login.saas.example"
FILES, MAIL = "https://api.saas.example/files", "https://api.saas.example/mail"
LISTED = [
    {"issuer": SAAS, "resource": FILES, "client_id": "ours", "scopes": ["files.read", "files:w"]},
    {"issuer": SAAS, "resource": MAIL, "client_id": "ours-2", "scopes": []},
]
UNUSABLE = {"error": "invalid_request", "error_description": "The subject token cannot be used."}


@dataclass(frozen=True)
class SignedInApp:
    """alice signed in to a client that may have ID-JAGs, and its ID token."""

    deployment: Deployment
    endpoint: TokenDriver
    client: Credentials
    person: Person
    answer: TokenAnswer

    @property
    def id_token(self) -> str:
        return self.answer.body["id_token"]

    def id_jag(self, token: str | None = None, **parameters: str | None) -> TokenAnswer:
        """By default for the ID token and the first resource."""
        form: dict[str, str | None] = {
            "requested_token_type": ID_JAG,
            "subject_token_type": ID_TOKEN,
            "audience": SAAS,
            "resource": FILES,
            **parameters,
        }
        return exchange(self.endpoint, self.client, token or self.id_token, **form)


def signed_in(
    deployment: Deployment, endpoint: TokenDriver, scope: str = "openid", **fields: object
) -> SignedInApp:
    deployment.role("runner", SCOPES)
    user_id = deployment.user(
        "alice", roles=["runner"], email="alice@corp.example", email_verified=True
    )
    client = deployment.client(
        "agent",
        grant_types=["authorization_code", EXCHANGE],
        redirect_uris=[CALLBACK],
        external_audiences=LISTED,
        user_rights="all",
        **fields,
    )
    person = sign_in(deployment, user_id, ("pwd", "otp", "mfa"))
    answer = person.signs_in_to(App(endpoint, client), scope=scope)
    return SignedInApp(deployment, endpoint, client, person, answer)


@pytest.fixture
def app(deployment: Deployment, token_endpoint: TokenDriver) -> SignedInApp:
    return signed_in(deployment, token_endpoint)


@pytest.fixture
def acting(deployment: Deployment, token_endpoint: TokenDriver) -> Actors:
    acting = actors(deployment, token_endpoint)
    acting.change(acting.agent, external_audiences=LISTED)
    return acting


def by_access_token(acting: Actors, token: str, **parameters: str | None) -> TokenAnswer:
    return acting.by_agent(
        token, requested_token_type=ID_JAG, audience=SAAS, resource=FILES, **parameters
    )


def test_an_id_token_gives_an_id_jag_for_a_listed_resource(app: SignedInApp):
    """§4.3.4 and §3.1 of the draft."""
    answer = app.id_jag()
    assert {**answer.body, "access_token": ""} == {
        "access_token": "",
        "issued_token_type": ID_JAG,
        "token_type": "N_A",
        "expires_in": 300,
        "scope": "files.read files:w",
    }
    header, claims = app.endpoint.read(answer)
    assert header["typ"] == "oauth-id-jag+jwt"
    now = int(app.deployment.clock().timestamp())
    assert {**claims, "jti": ""} == {
        "iss": "https://id.example",
        "sub": app.person.user_id,
        "aud": SAAS,
        "resource": FILES,
        "client_id": "ours",
        "scope": "files.read files:w",
        "jti": "",
        "iat": now,
        "exp": now + 300,
        "auth_time": now,
        "acr": "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
        "amr": ["pwd", "otp", "mfa"],
    }
    assert app.endpoint.claims(app.id_jag())["jti"] != claims["jti"]


def test_its_scopes_are_those_of_the_other_server_and_never_more(app: SignedInApp):
    assert app.id_jag(scope="files:w").scope == {"files:w"}
    assert app.id_jag(scope="files.write").error == "invalid_scope"
    assert app.id_jag(scope="agents:run").error == "invalid_scope"
    mail = app.id_jag(resource=MAIL)
    assert "scope" not in app.endpoint.claims(mail)
    assert (mail.body["scope"], app.id_jag(resource=MAIL, scope="a").error) == (
        "",
        "invalid_scope",
    )


@pytest.mark.parametrize(
    ("scope", "is_verified", "named"),
    [("openid email", True, True), ("openid email", False, False), ("openid", True, False)],
)
def test_it_has_a_verified_address_that_the_user_lets_the_client_see(
    deployment: Deployment,
    token_endpoint: TokenDriver,
    scope: str,
    is_verified: bool,
    named: bool,
):
    app = signed_in(deployment, token_endpoint, scope)
    with deployment.changing() as work:
        work.users.update(app.person.user_id, {"email_verified": is_verified})
    claims = token_endpoint.claims(app.id_jag())
    assert (claims.get("email"), claims.get("email_verified")) == (
        ("alice@corp.example", True) if named else (None, None)
    )


def test_it_is_no_access_token(app: SignedInApp):
    """Its `typ` differs: neither the issuer nor a verifier accepts it."""
    token = app.id_jag().token
    assert app.endpoint.introspect(app.deployment.admin, token) == {"active": False}
    headers = {"Authorization": f"Bearer {token}"}
    assert app.deployment.http.get("/oauth2/userinfo", headers=headers).status_code == 401
    assert app.deployment.http.get("/admin/v1/users", headers=headers).status_code == 401
    for kind in (ID_TOKEN, ACCESS_TOKEN):
        assert app.id_jag(token, subject_token_type=kind).body == UNUSABLE


def test_it_is_audited(app: SignedInApp):
    answer = app.id_jag()
    event = events(app.deployment, "token.issued")[-1]
    assert (event.actor, event.target) == ("agent", app.person.user_id)
    claims = app.endpoint.claims(answer)
    assert event.details["jti"] == claims["jti"]
    assert (event.details["audience"], event.details["resource"]) == (SAAS, FILES)
    assert event.details["issued_token_type"] == ID_JAG
    assert event.details["session"] == app.person.session.id
    assert app.deployment.services.audit.verify().ok


@rows(
    ("listed", "asked"),
    [
        ("https://api.saas.example", "https://api.saas.example/"),
        ("https://api.saas.example/", "https://api.saas.example"),
        ("https://api.saas.example/mcp", "https://api.saas.example/mcp/"),
    ],
)
def test_a_trailing_slash_of_the_resource_is_ignored(app: SignedInApp, listed: str, asked: str):
    """The MCP SDK for TypeScript adds one. The claim is the resource as it is listed."""
    with app.deployment.changing() as work:
        work.clients.update("agent", {"external_audiences": [{**LISTED[0], "resource": listed}]})
    again = app.person.signs_in_to(App(app.endpoint, app.client), scope="openid")
    answer = app.id_jag(again.body["id_token"], resource=asked)
    assert answer.status == 200
    assert app.endpoint.claims(answer)["resource"] == listed


def test_what_was_asked_for_is_in_the_audit_log(app: SignedInApp):
    app.id_jag(resource="https://other.example", audience="https://login.other.example")
    assert events(app.deployment, "token.refused")[-1].reason == (
        "no external_audiences for https://login.other.example and https://other.example"
    )


def test_authorization_details_are_refused(acting: Actors):
    """§4.3.3 of the draft: an ID-JAG without regard to them would say more than was asked for."""
    token, details = acting.sign_in().token, '[{"type": "files", "actions": ["read"]}]'
    for ask in (by_access_token, Actors.by_agent):
        refused = ask(acting, token, authorization_details=details)
        assert (refused.error, refused.body["error_description"]) == (
            "invalid_request",
            "authorization_details is not supported: name scopes.",
        )


TARGETS = {
    "another server": {"audience": "https://login.other.example"},
    "a server with a slash": {"audience": f"{SAAS}/"},
    "another resource": {"resource": "https://api.saas.example"},
    "several resources": {"resource": None},
    "an AgentOS": {"audience": "my-os", "resource": None},
    "the issuer itself": {"audience": "https://id.example", "resource": None},
}


@rows("target", TARGETS)
def test_only_listed_resources_can_be_reached(
    shared_app: SignedInApp, target: dict[str, str | None]
):
    answer = shared_app.id_jag(**target)
    assert (answer.status, answer.error) == (400, "invalid_target")


@pytest.fixture(scope="module")
def shared_app(shared: Deployment) -> SignedInApp:
    return signed_in(shared, TokenDriver(shared.http))


def test_the_audience_is_required(shared_app: SignedInApp):
    """§4.3 of the draft."""
    answer = shared_app.id_jag(audience=None)
    assert (answer.error, answer.body["error_description"]) == (
        "invalid_request",
        "Missing 'audience' in request.",
    )


def assert_unusable(deployment: Deployment, answer: TokenAnswer, reason: str) -> None:
    assert (answer.status, answer.body) == (400, UNUSABLE)
    assert reason in events(deployment, "token.refused")[-1].reason


def test_an_id_token_of_another_client_is_not_usable(app: SignedInApp):
    """§4.3.3 of the draft."""
    other = app.deployment.client(
        "other",
        grant_types=["authorization_code"],
        redirect_uris=[CALLBACK],
        user_rights="all",
    )
    answer = app.person.signs_in_to(App(app.endpoint, other), scope="openid")
    refused = app.id_jag(answer.body["id_token"])
    assert_unusable(app.deployment, refused, "an ID token of another client")


def test_an_expired_id_token_is_not_usable(app: SignedInApp):
    app.deployment.wait(timedelta(seconds=890))
    assert app.id_jag().body["expires_in"] == 10
    app.deployment.wait(timedelta(seconds=10))
    assert_unusable(app.deployment, app.id_jag(), "expired")


def test_other_tokens_are_not_id_tokens(app: SignedInApp):
    for text in (app.answer.token, "x"):
        assert_unusable(app.deployment, app.id_jag(text), "not a")


ENDED = {
    "the session": (
        lambda work, app: work.sessions.end(app.person.user_id, app.person.session.id),
        "revoked",
    ),
    "the user's tokens": (
        lambda work, app: work.users.revoke_tokens(app.person.user_id),
        "revoked",
    ),
    "the user": (lambda work, app: work.users.update(app.person.user_id, {"disabled": True}), ""),
    "the client's tokens": (lambda work, _: work.clients.revoke_tokens("agent"), "revoked"),
}


@pytest.mark.parametrize("what", ENDED)
def test_nothing_is_asserted_once_it_has_ended(app: SignedInApp, what: str):
    change, reason = ENDED[what]
    assert app.id_jag().status == 200
    with app.deployment.changing() as work:
        change(work, app)
    app.deployment.clock.move(timedelta(seconds=3))
    assert_unusable(app.deployment, app.id_jag(), reason)


def store_after(app: SignedInApp, change: Callable[[UnitOfWork], object]) -> RevokedUntil | None:
    """The outcome for an ID-JAG that is signed before something changes, and stored after it."""
    services = app.deployment.services
    id_jags, client = services.people.id_jags, services.tokens.directory.load_client("agent")
    asserted = id_jags.of_id_token(app.id_token, client)
    authorization = id_jags.authorization(asserted, client, client.external_audiences[0])
    token = services.tokens.issuer.issue(authorization, app.deployment.clock())
    with app.deployment.changing() as work:
        change(work)
    return id_jags.store(asserted, authorization, TokenToStore(token, Actor("agent"), {}))


def test_one_whose_subject_token_ends_meanwhile_is_refused(app: SignedInApp):
    """Its key is revoked, or it has expired."""
    with pytest.raises(InvalidCredentials) as expired:
        store_after(app, lambda _: app.deployment.clock.move(timedelta(minutes=5)))
    kid = app.deployment.services.keys.keyring.active("ES256").kid
    with pytest.raises(InvalidCredentials) as revoked:
        store_after(app, lambda work: work.token_revocations.revoke_key(kid))
    assert (expired.value.reason, revoked.value.reason) == ("expired", "revoked")


CHANGED: dict[str, dict[str, object]] = {
    "the resource": {"external_audiences": LISTED[1:]},
    "its scopes": {"external_audiences": [{**LISTED[0], "scopes": ["files.read"]}]},
    "the grant": {"grant_types": ["authorization_code"]},
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_client_that_loses_the_resource_meanwhile_must_ask_again(app: SignedInApp, what: str):
    """Another process may have the client in memory as it was."""
    outcome = store_after(app, lambda work: work.clients.update("agent", CHANGED[what]))
    assert isinstance(outcome, RevokedUntil)


def test_the_user_must_have_allowed_the_other_server(app: SignedInApp):
    """As the consent page said. One that is listed later needs consent again."""
    more = {**LISTED[0], "issuer": "https://login.new.example"}
    with app.deployment.changing() as work:
        work.clients.update("agent", {"external_audiences": [*LISTED, more]})
    asked = {"audience": "https://login.new.example"}
    assert app.id_jag(**asked).error == "invalid_target"
    again = app.person.signs_in_to(App(app.endpoint, app.client), scope="openid")
    assert app.id_jag(again.body["id_token"], **asked).status == 200
    with app.deployment.changing() as work:
        work.consents.withdraw(app.person.user_id, "agent")
    refused = app.id_jag()
    assert (refused.status, refused.error) == (400, "invalid_target")
    assert "has not allowed" in refused.body["error_description"]


def test_the_user_must_have_allowed_the_resource_and_its_scopes(app: SignedInApp):
    """One that was told of goes on; others that are listed later need consent again."""
    wider = {**LISTED[0], "scopes": [*LISTED[0]["scopes"], "files.delete"]}
    more = {**LISTED[0], "resource": "https://later.example"}
    with app.deployment.changing() as work:
        work.clients.update("agent", {"external_audiences": [wider, *LISTED[1:], more]})
    told = " ".join(LISTED[0]["scopes"])
    assert app.id_jag(scope=told).status == 200
    for asked in ({}, {"scope": "files.delete"}, {"resource": "https://later.example"}):
        refused = app.id_jag(**asked)
        assert refused.error == "invalid_target"
        assert "has not allowed" in refused.body["error_description"]
    again = app.person.signs_in_to(App(app.endpoint, app.client), scope="openid")
    assert app.id_jag(again.body["id_token"], scope="files.delete").status == 200
    assert app.id_jag(again.body["id_token"], resource="https://later.example").status == 200


def test_nobody_is_asked_for_a_client_of_the_first_party(
    deployment: Deployment, token_endpoint: TokenDriver
):
    app = signed_in(deployment, token_endpoint, first_party=True)
    assert app.id_jag().status == 200


def test_a_session_that_expired_asserts_nothing(app: SignedInApp):
    with app.deployment.changing() as work:
        work.clients.update("agent", {"access_token_ttl": "24h"})
    answer = app.person.signs_in_to(App(app.endpoint, app.client), scope="openid")
    app.deployment.wait(timedelta(hours=9))
    refused = app.id_jag(answer.body["id_token"])
    assert_unusable(app.deployment, refused, "the session has ended")


# By an access token


def test_an_access_token_of_a_user_gives_an_id_jag_too(acting: Actors):
    """To a client that may act with tokens for its audience. It says no more than the token."""
    answer = by_access_token(acting, acting.sign_in().token, scope="files.read")
    claims = acting.endpoint.claims(answer)
    assert (claims["sub"], claims["client_id"], claims["scope"]) == (
        acting.user_id,
        "ours",
        "files.read",
    )
    assert not claims.keys() & {"auth_time", "email", "act", "scopes", "roles"}
    event = events(acting.deployment, "token.issued")[-1]
    assert event.details["actors"] == ["agent"]


def test_a_client_that_may_not_act_with_it_gets_none(acting: Actors):
    acting.change(acting.archivist, external_audiences=LISTED)
    token = acting.sign_in().token
    answer = exchange(
        acting.endpoint,
        acting.archivist,
        token,
        requested_token_type=ID_JAG,
        audience=SAAS,
        resource=FILES,
    )
    assert_unusable(acting.deployment, answer, "no may_act from my-os")


def test_a_client_may_use_an_access_token_of_its_own(app: SignedInApp):
    answer = app.id_jag(app.answer.token, subject_token_type=ACCESS_TOKEN)
    assert answer.status == 200
    with app.deployment.changing() as work:
        work.consents.withdraw(app.person.user_id, "agent")
    refused = app.id_jag(app.answer.token, subject_token_type=ACCESS_TOKEN)
    assert_unusable(app.deployment, refused, "revoked")


def test_the_consent_without_an_audience_counts_for_an_access_token_without_one(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """Its audience is the issuer. A server of which no page told is refused, by either token."""
    deployment.audience("second")
    app = signed_in(deployment, token_endpoint, audiences=["my-os", "second"])
    assert token_endpoint.claims(app.answer)["aud"] == "https://id.example"
    more = {**LISTED[0], "issuer": "https://login.new.example"}
    grants = ["authorization_code", "password", EXCHANGE]
    with deployment.changing() as work:
        fields = {"external_audiences": [*LISTED, more], "grant_types": grants}
        work.clients.update("agent", fields)
    for token, kind in ((app.answer.token, ACCESS_TOKEN), (app.id_token, ID_TOKEN)):
        by_token = {"subject_token_type": kind}
        assert app.id_jag(token, **by_token).status == 200
        refused = app.id_jag(token, audience="https://login.new.example", **by_token)
        assert refused.error == "invalid_target"


def test_the_user_must_have_allowed_the_client_to_act(acting: Actors):
    client = acting.deployment.client(
        "web", scopes=SCOPES, grant_types=["authorization_code"], redirect_uris=[CALLBACK]
    )
    person, web = sign_in(acting.deployment, acting.user_id), App(acting.endpoint, client)
    rules = [{"from": "my-os", "to": "archive"}]
    acting.change(acting.agent, may_act=[])
    acting.deployment.clock.move(timedelta(seconds=3))
    token = person.signs_in_to(web).token
    acting.change(acting.agent, may_act=rules)
    assert by_access_token(acting, token).error == "invalid_target"
    assert by_access_token(acting, person.signs_in_to(web).token).status == 200


def test_revoked_tokens_and_those_of_clients_assert_nothing(acting: Actors):
    token = acting.sign_in().token
    acting.endpoint.revoke(acting.app, token)
    assert_unusable(acting.deployment, by_access_token(acting, token), "revoked")
    service = acting.deployment.client("service")
    own = acting.endpoint.client_credentials(service).token
    assert_unusable(acting.deployment, by_access_token(acting, own), "a token of a client")


def test_a_fourth_actor_gets_none(acting: Actors):
    *_, third = acting.chain(acting.sign_in().token)
    assert_unusable(acting.deployment, by_access_token(acting, third), "4 actors, more than 3")
