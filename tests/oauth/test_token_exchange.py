"""The token exchange grant (RFC 8693)."""

from datetime import timedelta

import pytest

from issuer.errors import InvalidField
from issuer.roles import Assignment
from issuer.token_exchange import TokenExchanges, UserToken
from issuer.tokens.reading import VerifiedToken
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
from tests.sign_in.authorizing import CALLBACK, App, sign_in

UNUSABLE = {"error": "invalid_request", "error_description": "The subject token cannot be used."}
REFRESH_TOKEN = "urn:ietf:params:oauth:token-type:refresh_token"


@pytest.fixture
def acting(deployment: Deployment, token_endpoint: TokenDriver) -> Actors:
    return actors(deployment, token_endpoint)


def assert_unusable(acting: Actors, answer: TokenAnswer, reason: str) -> None:
    """The caller learns nothing; the audit log has the reason."""
    assert (answer.status, answer.body) == (400, UNUSABLE)
    refused = events(acting.deployment, "token.refused")[-1]
    assert reason in refused.reason
    assert refused.details["error"] == "invalid_request"


def test_a_client_gets_a_token_for_another_audience_that_names_it_as_the_actor(acting: Actors):
    """RFC 8693 §4.1. The subject stays the user."""
    answer = acting.by_agent(acting.sign_in().token, audience="archive")
    header, claims = acting.endpoint.read(answer)
    assert header["typ"] == "at+jwt"
    assert claims["sub"] == acting.user_id
    assert (claims["aud"], claims["client_id"]) == ("archive", "agent")
    assert claims["act"] == {"sub": "agent"}
    assert claims["scopes"] == SCOPES
    assert acting.accepted(answer.token)


def test_the_answer_has_the_members_of_the_standard(acting: Actors):
    """RFC 8693 §2.2.1. No refresh token, no ID token."""
    answer = acting.by_agent(acting.sign_in().token, requested_token_type=ACCESS_TOKEN)
    assert answer.response.headers["cache-control"] == "no-store"
    assert {**answer.body, "access_token": ""} == {
        "access_token": "",
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": " ".join(SCOPES),
    }


def test_introspection_says_who_acts_and_user_info_is_refused(acting: Actors):
    """RFC 8693 §4.1 and RFC 7662 §2.2. Scopes of OpenID Connect are not passed on."""
    deployment = acting.deployment
    app = deployment.client(
        "web",
        scopes=SCOPES,
        grant_types=["authorization_code"],
        redirect_uris=[CALLBACK],
        first_party=True,
    )
    person = sign_in(deployment, acting.user_id)
    signed_in = person.signs_in_to(App(acting.endpoint, app), scope="openid email agents:run")
    assert "openid" in signed_in.scope
    token = acting.by_agent(signed_in.token).token
    members = acting.endpoint.introspect(acting.agent, token)
    assert (members["act"], members["sub"]) == ({"sub": "agent"}, acting.user_id)
    assert members["scope"] == "agents:run"
    headers = {"Authorization": f"Bearer {token}"}
    assert deployment.http.get("/oauth2/userinfo", headers=headers).status_code == 403
    assert acting.by_agent(signed_in.token, scope="openid agents:run").scope == {"agents:run"}


# What it may do


CEILINGS = {
    "all of it": ({"agents:run"}, {"agents:run"}, {"agents:run"}, {"agents:run"}),
    "the narrower one of the token": (
        {"agents:web:run"},
        {"agents:run"},
        {"agents:*:run"},
        {"agents:web:run"},
    ),
    "the narrower one of the user": (
        {"agents:run"},
        {"agents:web:run"},
        {"agents:run"},
        {"agents:web:run"},
    ),
    "the narrower one of the client": (
        {"agents:run", "teams:run"},
        {"agents:run", "teams:run"},
        {"agents:web:run"},
        {"agents:web:run"},
    ),
    "nothing that one of them lacks": (
        {"agents:run", "teams:run"},
        {"agents:run", "workflows:run"},
        {"agents:run", "teams:run", "workflows:run"},
        {"agents:run"},
    ),
    "what the user holds there, by an administrator's token": (
        {"agent_os:admin"},
        {"agents:run", "teams:run"},
        {"agent_os:admin"},
        {"agents:run", "teams:run"},
    ),
    "what the token says, of an administrator there": (
        {"teams:run"},
        {"agent_os:admin"},
        {"agent_os:admin"},
        {"teams:run"},
    ),
}


@pytest.mark.parametrize("what", CEILINGS)
def test_it_holds_what_subject_token_user_and_client_all_hold(
    deployment: Deployment, token_endpoint: TokenDriver, what: str
):
    of_token, of_user, of_client, expected = CEILINGS[what]
    deployment.audience("archive")
    deployment.role("here", sorted(of_token))
    deployment.role("there", sorted(of_user))
    user_id = deployment.user("alice")
    with deployment.changing() as work:
        work.assignments.assign(user_id, Assignment(role="here", audience="my-os"))
        work.assignments.assign(user_id, Assignment(role="there", audience="archive"))
    app = deployment.client("app", scopes=sorted(of_token), grant_types=["password"])
    agent = deployment.client(
        "agent",
        scopes=sorted(of_client),
        audiences=["archive"],
        grant_types=[EXCHANGE],
        may_act=[{"from": "my-os", "to": "archive"}],
    )
    subject = token_endpoint.password(app, "alice")
    assert subject.scope == of_token
    assert exchange(token_endpoint, agent, subject.token).scope == expected


def test_it_is_narrowed_as_asked_and_never_widened(acting: Actors):
    token = acting.sign_in(scope="agents:run").token
    assert acting.by_agent(token, scope="agents:web:run").scope == {"agents:web:run"}
    answer = acting.by_agent(token, scope="agents:run sessions:read")
    assert (answer.status, answer.error) == (400, "invalid_scope")
    assert answer.body["error_description"] == (
        "Not held at this audience by the subject token, its user and the client alike:"
        " sessions:read"
    )


def test_scopes_that_the_user_lost_at_the_first_audience_are_not_passed_on(acting: Actors):
    """Although the subject token still says them, and the user holds them at the other audience."""
    token = acting.sign_in().token
    acting.unassign("runner", acting.user_id)
    acting.assign("runner", acting.user_id, "archive")
    answer = acting.by_agent(token)
    assert (answer.status, answer.scope) == (200, set())


def test_it_expires_no_later_than_the_subject_token(acting: Actors):
    first = acting.sign_in()
    acting.deployment.clock.move(timedelta(minutes=10))
    acting.change(acting.agent, access_token_ttl="1h")
    second = acting.by_agent(first.token)
    claims = acting.endpoint.claims(second)
    assert claims["exp"] == acting.endpoint.claims(first)["exp"]
    assert claims["iat"] + second.body["expires_in"] == claims["exp"]
    acting.change(acting.agent, access_token_ttl="60s")
    assert acting.by_agent(first.token).body["expires_in"] == 60


def test_a_token_may_be_exchanged_again_and_names_all_who_act(acting: Actors):
    """Also narrowed on the way: what was left out does not come back."""
    token = acting.sign_in().token
    first = acting.by_agent(token, scope="agents:run")
    second = exchange(acting.endpoint, acting.archivist, first.token)
    third = exchange(acting.endpoint, acting.keeper, second.token)
    assert second.scope == third.scope == {"agents:run"}
    claims = acting.endpoint.claims(third)
    act = {"sub": "keeper", "act": {"sub": "archivist", "act": {"sub": "agent"}}}
    assert (claims["sub"], claims["aud"], claims["act"]) == (acting.user_id, "my-os", act)


def test_a_fourth_actor_is_refused(acting: Actors):
    *_, third = acting.chain(acting.sign_in().token)
    assert_unusable(acting, acting.by_agent(third), "4 actors, more than 3")


def test_a_client_that_exchanges_what_it_got_by_exchange_is_named_once(acting: Actors):
    """It is still one actor. What ends the first of its tokens ends the second."""
    rules = [{"from": "my-os", "to": "archive"}, {"from": "archive", "to": "vault"}]
    acting.change(acting.agent, audiences=["archive", "vault"], may_act=rules)
    first = acting.by_agent(acting.sign_in().token, audience="archive")
    second = acting.by_agent(first.token, audience="vault")
    assert acting.endpoint.claims(second)["act"] == {"sub": "agent"}
    assert events(acting.deployment, "token.issued")[-1].details["actors"] == ["agent"]
    third = exchange(acting.endpoint, acting.keeper, second.token)
    assert acting.endpoint.claims(third)["act"] == {"sub": "keeper", "act": {"sub": "agent"}}
    acting.endpoint.revoke(acting.agent, first.token)
    assert not any(acting.accepted(each.token) for each in (first, second, third))


def test_claims_of_the_user_are_in_it_and_those_of_the_session_are_not(acting: Actors):
    with acting.deployment.changing() as work:
        work.users.update(acting.user_id, {"claims": {"tenant": "blue"}})
    acting.change(acting.app, may_set_session=True)
    token = acting.sign_in(session_id="s-1").token
    claims = acting.endpoint.claims(acting.by_agent(token, session_id="s-2"))
    assert claims["tenant"] == "blue"
    assert "session_id" not in claims
    acting.change(acting.agent, may_set_session=True)
    claims = acting.endpoint.claims(acting.by_agent(token, session_id="s-2"))
    assert claims["session_id"] == "s-2"


# Who may exchange what


def test_only_clients_with_the_grant_may(acting: Actors):
    acting.change(acting.agent, grant_types=["client_credentials"])
    answer = acting.by_agent(acting.sign_in().token)
    assert (answer.status, answer.error) == (400, "unauthorized_client")


TARGETS = {
    "not listed": {"audience": "vault"},
    "unknown": {"audience": "nowhere"},
    "the issuer": {"audience": "https://id.example"},
    "two": {"audience": "archive", "resource": "vault"},
    "from another audience": {"audience": "my-os"},
    "too long": {"audience": "a" * 5_000},
}


@rows("target", TARGETS)
def test_only_audiences_that_may_act_names_can_be_reached(
    shared_acting: Actors, target: dict[str, str]
):
    """RFC 8693 §2.2.2."""
    answer = shared_acting.by_agent(shared_acting.sign_in().token, **target)
    assert (answer.status, answer.error) == (400, "invalid_target")


@pytest.fixture(scope="module")
def shared_acting(shared: Deployment) -> Actors:
    return actors(shared, TokenDriver(shared.http))


def test_the_audience_may_be_left_out_or_named_as_a_resource(acting: Actors):
    with acting.deployment.changing() as work:
        work.audiences.update("archive", {"resources": ["https://archive.example/mcp"]})
    token = acting.sign_in().token
    for named in ({}, {"audience": "archive"}, {"resource": "https://archive.example/mcp"}):
        assert acting.endpoint.claims(acting.by_agent(token, **named))["aud"] == "archive"
    acting.change(acting.agent, audiences=["archive", "vault"])
    assert acting.by_agent(token).error == "invalid_target"


def test_public_clients_cannot_have_the_grant(deployment: Deployment):
    with pytest.raises(InvalidField, match="none is for clients whose grant types are"):
        deployment.client(token_endpoint_auth_method="none", grant_types=[EXCHANGE])


# Requests that are refused


REQUESTS = {
    "no token": ({"subject_token": None}, "Missing 'subject_token' in request."),
    "no type": ({"subject_token_type": None}, "Missing 'subject_token_type' in request."),
    "unknown type": (
        {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        f"subject_token_type must be {ACCESS_TOKEN}.",
    ),
    "an ID token for an access token": (
        {"subject_token_type": ID_TOKEN},
        f"subject_token_type must be {ACCESS_TOKEN}.",
    ),
    "a refresh token": (
        {"requested_token_type": REFRESH_TOKEN},
        f"requested_token_type must be {ACCESS_TOKEN} or {ID_JAG}.",
    ),
    "an actor token": (
        {"actor_token": "a", "actor_token_type": ACCESS_TOKEN},
        "actor_token is not supported: the actor is the client itself.",
    ),
    "the type of an actor token": (
        {"actor_token_type": ACCESS_TOKEN},
        "actor_token_type is not supported: the actor is the client itself.",
    ),
}


@rows(("parameters", "description"), REQUESTS)
def test_an_invalid_request_is_refused(
    shared_acting: Actors, parameters: dict[str, str | None], description: str
):
    token = shared_acting.sign_in().token
    answer = shared_acting.by_agent(token, **parameters)
    assert (answer.status, answer.error) == (400, "invalid_request")
    assert answer.body["error_description"] == description


def test_repeated_parameters_are_refused(shared_acting: Actors):
    token = shared_acting.sign_in().token
    pairs = [
        ("grant_type", EXCHANGE),
        ("subject_token", token),
        ("subject_token", token),
        ("subject_token_type", ACCESS_TOKEN),
    ]
    answer = shared_acting.endpoint.post(
        content="&".join(f"{name}={value}" for name, value in pairs),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        auth=(shared_acting.agent.client_id, shared_acting.agent.client_secret),
    )
    assert (answer.status, answer.error) == (400, "invalid_request")


def test_text_that_is_no_token_of_this_issuer_is_not_usable(acting: Actors):
    token = acting.sign_in().token
    header, payload, signature = token.split(".")
    texts = ["x", "a.b.c", f"{header}.{payload}.{signature[:-4]}AAAA", f"{header}.{payload}.", "é"]
    for text in [*texts, f"{token}{'x' * 8_000}"]:
        assert_unusable(acting, acting.by_agent(text), "not a token of this issuer")
        refused = events(acting.deployment, "token.refused")[-1]
        assert text not in refused.reason or len(text) == 1


def test_a_token_of_a_client_is_not_usable(acting: Actors):
    service = acting.deployment.client("service", scopes=SCOPES)
    token = acting.endpoint.client_credentials(service).token
    assert_unusable(acting, acting.by_agent(token), "a token of a client, not of a user")


def test_an_expired_token_is_not_usable(acting: Actors):
    token = acting.sign_in().token
    acting.deployment.wait(timedelta(seconds=899))
    assert acting.by_agent(token).body["expires_in"] == 1
    acting.deployment.wait(timedelta(seconds=1))
    assert_unusable(acting, acting.by_agent(token), "expired")


def test_a_token_that_expires_while_it_is_exchanged_is_not_usable(acting: Actors, monkeypatch):
    """No token is sent whose lifetime is over when it begins."""
    token, look_up = acting.sign_in().token, TokenExchanges.look_up
    acting.deployment.wait(timedelta(seconds=899))

    async def look_up_slowly(exchanges: TokenExchanges, read: VerifiedToken) -> UserToken:
        acting.deployment.clock.move(timedelta(seconds=1))
        return await look_up(exchanges, read)

    monkeypatch.setattr(TokenExchanges, "look_up", look_up_slowly)
    assert_unusable(acting, acting.by_agent(token), "expired")


ENDED = {
    "the user is disabled": lambda work, who: work.users.update(who, {"disabled": True}),
    "the user is deleted": lambda work, who: work.users.delete(who),
    "the client is disabled": lambda work, _: work.clients.update("app", {"disabled": True}),
    "the client is deleted": lambda work, _: work.clients.delete("app"),
    "tokens of the user are revoked": lambda work, who: work.users.revoke_tokens(who),
    "tokens of the client are revoked": lambda work, _: work.clients.revoke_tokens("app"),
}


@pytest.mark.parametrize("what", ENDED)
def test_a_revoked_token_is_not_usable(acting: Actors, what: str):
    token = acting.sign_in().token
    with acting.deployment.changing() as work:
        ENDED[what](work, acting.user_id)
    assert_unusable(acting, acting.by_agent(token), "revoked")


def test_a_token_whose_client_lost_the_audience_is_not_usable(acting: Actors):
    token = acting.sign_in().token
    acting.change(acting.app, audiences=["archive"])
    assert_unusable(acting, acting.by_agent(token), "revoked")


def test_refusals_of_subject_tokens_take_one_duration(acting: Actors, monkeypatch):
    """As those of credentials: they are sent at a multiple of an interval."""
    delayed: list[float] = []

    async def note(_clock: object, arrived_at: float) -> None:
        delayed.append(arrived_at)

    monkeypatch.setattr("issuer.oauth.endpoint.delay_refusal", note)
    acting.by_agent("x")
    assert len(delayed) == 1
    acting.by_agent(acting.sign_in().token, audience="vault")
    assert len(delayed) == 1


# Consent


@pytest.fixture
def web(acting: Actors) -> App:
    """A client of another party."""
    client = acting.deployment.client(
        "web", scopes=SCOPES, grant_types=["authorization_code"], redirect_uris=[CALLBACK]
    )
    return App(acting.endpoint, client)


def test_the_user_must_have_allowed_each_actor_on_the_consent_page(acting: Actors, web: App):
    """For the token with which the chain began. A rule that is added later needs consent again."""
    person = sign_in(acting.deployment, acting.user_id)
    rules = [{"from": "archive", "to": "vault"}]
    acting.change(acting.archivist, may_act=[])
    token = person.signs_in_to(web).token
    acting.deployment.clock.move(timedelta(seconds=3))
    acting.change(acting.archivist, may_act=rules)
    first = acting.by_agent(token)
    assert first.status == 200
    refused = exchange(acting.endpoint, acting.archivist, first.token)
    assert (refused.status, refused.error) == (400, "invalid_target")
    assert "has not allowed" in refused.body["error_description"]
    again = acting.by_agent(person.signs_in_to(web).token)
    assert exchange(acting.endpoint, acting.archivist, again.token).status == 200
    assert exchange(acting.endpoint, acting.archivist, first.token).status == 200


def test_a_token_that_was_got_before_the_client_acted_gives_only_what_the_page_showed(
    acting: Actors, web: App
):
    person = sign_in(acting.deployment, acting.user_id)
    acting.change(acting.agent, may_act=[])
    token = person.signs_in_to(web).token
    acting.deployment.clock.move(timedelta(seconds=3))
    acting.change(acting.agent, may_act=[{"from": "my-os", "to": "archive"}])
    person.signs_in_to(web, scope="sessions:read")
    assert acting.by_agent(token).error == "invalid_target"
    assert acting.by_agent(token, scope="sessions:read").scope == {"sessions:read"}
    person.signs_in_to(web)
    assert acting.by_agent(token).scope == set(SCOPES)


def test_withdrawing_the_consent_ends_what_was_exchanged(acting: Actors, web: App):
    person = sign_in(acting.deployment, acting.user_id)
    token = person.signs_in_to(web).token
    chain = acting.chain(token)
    with acting.deployment.changing() as work:
        work.consents.withdraw(acting.user_id, "web")
    assert not any(acting.accepted(each) for each in [token, *chain])
    assert_unusable(acting, acting.by_agent(token), "revoked")


# Audit


def test_the_audit_log_tells_the_whole_chain(acting: Actors):
    """Who acts, for whom, and with which token."""
    first = acting.sign_in()
    chain = [first.token, *acting.chain(first.token)]
    jtis = [acting.endpoint.introspect(acting.deployment.admin, each)["jti"] for each in chain]
    issued = events(acting.deployment, "token.issued")[-3:]
    assert [each.target for each in issued] == [acting.user_id] * 3
    assert [each.actor for each in issued] == ["agent", "archivist", "keeper"]
    assert [each.details["audience"] for each in issued] == ["archive", "vault", "my-os"]
    assert [each.details["subject_token"] for each in issued] == jtis[:-1]
    assert [each.details["jti"] for each in issued] == jtis[1:]
    actors_of = [each.details["actors"] for each in issued]
    assert actors_of == [["agent"], ["archivist", "agent"], ["keeper", "archivist", "agent"]]
    assert acting.deployment.services.audit.verify().ok


def test_the_metadata_names_the_grant_and_id_jags(shared: Deployment):
    """RFC 8414 §2, draft-ietf-oauth-identity-assertion-authz-grant §7.1."""
    metadata = shared.http.get("/.well-known/oauth-authorization-server").json()
    assert EXCHANGE in metadata["grant_types_supported"]
    assert metadata["identity_chaining_requested_token_types_supported"] == [ID_JAG]


def test_a_client_may_act_with_a_token_of_its_own(
    deployment: Deployment, token_endpoint: TokenDriver
):
    deployment.audience("archive")
    deployment.role("runner", SCOPES)
    deployment.user("alice", roles=["runner"])
    client: Credentials = deployment.client(
        "app",
        scopes=SCOPES,
        audiences=["my-os", "archive"],
        grant_types=["password", EXCHANGE],
        may_act=[{"from": "my-os", "to": "archive"}],
    )
    token = token_endpoint.password(client, "alice", audience="my-os").token
    answer = exchange(token_endpoint, client, token, audience="archive")
    assert token_endpoint.claims(answer)["act"] == {"sub": "app"}
    assert exchange(token_endpoint, client, answer.token, audience="archive").error == (
        "invalid_target"
    )


def test_scopes_of_openid_alone_are_refused_instead_of_giving_everything(acting: Actors):
    """They are not passed on. Beside others they are ignored, as by other grants without a page."""
    token = acting.sign_in().token
    for scope in ("openid", "openid profile email offline_access"):
        assert acting.by_agent(token, scope=scope).error == "invalid_scope"
    assert acting.by_agent(token, scope="openid agents:run").scope == {"agents:run"}


def test_what_was_exchanged_ends_when_the_first_client_loses_the_audience(acting: Actors):
    first = acting.sign_in().token
    tokens = [first, *acting.chain(first)]
    acting.change(acting.app, audiences=["archive", "my-os"])
    assert [acting.accepted(each) for each in tokens] == [True, True, True, True]
    acting.change(acting.app, audiences=["archive"])
    assert [acting.accepted(each) for each in tokens] == [False, False, False, False]
    acting.deployment.clock.move(timedelta(seconds=3))
    other = acting.endpoint.password(acting.app, "alice", audience="archive")
    assert other.status == 200
