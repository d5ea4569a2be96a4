"""`POST /oauth2/backchannel-logout` (OpenID Back-Channel Logout 1.0)."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from issuer.database.tables import SignInSessionRow
from issuer.sign_in.sessions import ProviderProof
from tests.builders import Deployment
from tests.oauth.refreshing import events
from tests.rows import rows
from tests.sign_in.authorizing import BROWSER, App, Person
from tests.sign_in.authorizing import sign_in as begin_session
from tests.sign_in.fake_provider import SUBJECT, FakeProvider
from tests.trusting import OtherIssuer

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYPE = {"typ": "logout+jwt"}
_numbers = count(1)


@pytest.fixture
def provider(deployment: Deployment) -> FakeProvider:
    provider = FakeProvider.trusted(deployment)
    provider.header = dict(TYPE)
    return provider


@pytest.fixture
def person(deployment: Deployment, provider: FakeProvider, alice: Person) -> Person:
    """Alice, in a session that began with the account there."""
    provider.link(alice.user_id)
    return session_of(deployment, alice.user_id)


def session_of(deployment: Deployment, user_id: str, sid: str | None = "there-1") -> Person:
    with deployment.services.administration.reading() as work:
        (identity,) = work.identities.of_user(user_id)
    proof = ProviderProof(identity.id, deployment.clock(), sid)
    return begin_session(deployment, user_id, provider=proof)


def logout_token(provider: FakeProvider, **changed: Any) -> str:
    claims = {
        "sub": SUBJECT,
        "sid": "there-1",
        "jti": f"logout-{next(_numbers)}",
        "events": {EVENT: {}},
        **changed,
    }
    return provider.token(**claims)


def send(deployment: Deployment, token: str | None) -> httpx.Response:
    form = {"other": "x"} if token is None else {"logout_token": token}
    return deployment.http.post("/oauth2/backchannel-logout", data=form)


def is_signed_in(person: Person) -> bool:
    return person.deployment.services.people.sessions.find(person.cookie) is not None


def test_a_sign_out_there_ends_session_and_tokens_here(
    deployment: Deployment, provider: FakeProvider, person: Person, app: App
):
    answer = person.signs_in_to(app)
    response = send(deployment, logout_token(provider))
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert not is_signed_in(person)
    assert app.refresh(answer.refresh_token).error == "invalid_grant"
    deployment.wait(timedelta(seconds=1))
    assert app.endpoint.introspect(app.client, answer.token) == {"active": False}
    (ended,) = events(deployment, "session.ended")
    assert (ended.target, ended.details["session"]) == (person.user_id, person.session.id)


def test_what_may_outlast_a_sign_out_here_outlasts_one_there(
    deployment: Deployment, provider: FakeProvider, person: Person, app: App
):
    """§2.7: refresh tokens with `offline_access`."""
    answer = person.signs_in_to(app, scope="openid offline_access agents:run")
    assert send(deployment, logout_token(provider)).status_code == httpx.codes.OK
    assert not is_signed_in(person)
    assert app.refresh(answer.refresh_token).status == httpx.codes.OK


ENDED = {
    "sub and sid": ({}, (True, False, False)),
    "sid": ({"sub": None}, (True, False, False)),
    "sub": ({"sid": None}, (True, True, True)),
    "another sid": ({"sid": "there-9"}, (False, False, False)),
    "another sub": ({"sub": "another"}, (False, False, False)),
}


@rows(("claims", "ended"), ENDED)
def test_only_what_the_token_names_ends(
    shared: Deployment, claims: dict[str, Any], ended: tuple[bool, ...]
):
    """Two sessions of the account there, and one that began with a password.

    Without a `sid` the person is signed out everywhere, as where they left.
    """
    provider = honest(shared)
    user_id = known_user(shared)
    sessions = [
        session_of(shared, user_id, "there-1"),
        session_of(shared, user_id, "there-2"),
        begin_session(shared, user_id),
    ]
    assert send(shared, logout_token(provider, **claims)).status_code == httpx.codes.OK
    assert tuple(not is_signed_in(each) for each in sessions) == ended


def honest(shared: Deployment) -> FakeProvider:
    """Trusted once in the deployment."""
    providers = shared.services.provider_sign_in._providers
    if isinstance(providers._fetcher, FakeProvider):
        known = FakeProvider(shared, providers._fetcher.other)
    else:
        known = FakeProvider.trusted(shared)
        known.link(shared.user("alice"))
    known.header = dict(TYPE)
    shared.wait(timedelta(minutes=1))
    return known


def known_user(shared: Deployment) -> str:
    with shared.services.administration.reading() as work:
        return work.users.get_by_username("alice").id


def changing(**claims: Any) -> Callable[[FakeProvider], str]:
    return lambda provider: logout_token(
        provider,
        **{
            name: value(int(provider.deployment.clock().timestamp())) if callable(value) else value
            for name, value in claims.items()
        },
    )


def with_header(**members: Any) -> Callable[[FakeProvider], str]:
    def signed(provider: FakeProvider) -> str:
        provider.header = members
        return logout_token(provider)

    return signed


def by_another_key(provider: FakeProvider) -> str:
    other = OtherIssuer.new(alg="ES256")
    provider.signer = OtherIssuer(provider.other.issuer, "ES256", "c1", other.key)
    return logout_token(provider)


WRONG: dict[str, tuple[Callable[[FakeProvider], str | None], str]] = {
    "none": (lambda _: None, "not a JWT"),
    "no JWT": (lambda _: "token", "not a JWT"),
    "another issuer": (changing(iss="https://evil.example"), "iss is no issuer where people"),
    "another key": (by_another_key, "the signature is wrong"),
    "another client": (changing(aud="other"), "aud is not the client here"),
    "expired": (changing(exp=lambda at: at - 1), "it has expired"),
    "no exp": (changing(exp=None), "exp is missing"),
    "no iat": (changing(iat=None), "iat is missing"),
    "an ID token": (changing(events=None), "events does not say"),
    "another event": (changing(events={"x": {}}), "events does not say"),
    "an event that is no object": (changing(events={EVENT: True}), "events does not say"),
    "a nonce": (changing(nonce="n"), "it has a nonce"),
    "nobody": (changing(sub=None, sid=None), "names neither sub nor sid"),
    "a sub that is no text": (changing(sub=1), "sub is not a text"),
    "no jti": (changing(jti=None), "jti is not a text"),
    "an access token": (with_header(typ="at+jwt"), "typ is that of another kind"),
    "an ID-JAG": (with_header(typ="oauth-id-jag+jwt"), "typ is that of another kind"),
}


@rows(("token", "reason"), WRONG)
def test_a_token_that_breaks_a_rule_ends_nothing(
    shared: Deployment, token: Callable[[FakeProvider], str | None], reason: str
):
    """§2.6; the answer says which (§2.8), and the audit log too."""
    provider = honest(shared)
    person = session_of(shared, known_user(shared))
    before = len(events(shared, "backchannel_logout.refused"))
    response = send(shared, token(provider))
    assert response.status_code == httpx.codes.BAD_REQUEST
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["error"] == "invalid_request"
    assert reason in response.json()["error_description"]
    assert is_signed_in(person)
    (refused,) = events(shared, "backchannel_logout.refused")[before:]
    assert reason in (refused.reason or "")


@rows("header", [{"typ": "logout+jwt"}, {"typ": "application/logout+jwt"}, {"typ": "JWT"}, {}])
def test_issuers_need_not_type_their_tokens(shared: Deployment, header: dict[str, str]):
    """§2.4 only recommends it."""
    provider = honest(shared)
    provider.header = header
    assert send(shared, logout_token(provider)).status_code == httpx.codes.OK


def test_a_token_counts_once(deployment: Deployment, provider: FakeProvider, person: Person):
    token = logout_token(provider)
    assert send(deployment, token).status_code == httpx.codes.OK
    later = session_of(deployment, person.user_id)
    assert send(deployment, token).status_code == httpx.codes.BAD_REQUEST
    assert is_signed_in(later)


def test_a_token_counts_again_if_the_database_failed(
    deployment: Deployment, provider: FakeProvider, person: Person
):
    """Else the next attempt of the issuer would be refused, and the session would go on."""
    engine, token = deployment.services.database.engine, logout_token(provider)

    def fail(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(f"DELETE FROM {SignInSessionRow.__tablename__}"):
            raise OperationalError(statement, None, Exception("the connection was lost"))

    event.listen(engine, "before_cursor_execute", fail)
    try:
        assert send(deployment, token).status_code == httpx.codes.SERVICE_UNAVAILABLE
    finally:
        event.remove(engine, "before_cursor_execute", fail)
    assert is_signed_in(person)
    assert send(deployment, token).status_code == httpx.codes.OK
    assert not is_signed_in(person)


def test_an_issuer_that_is_disabled_ends_nothing(
    deployment: Deployment, provider: FakeProvider, person: Person
):
    provider.change(disabled=True)
    assert send(deployment, logout_token(provider)).status_code == httpx.codes.BAD_REQUEST


def test_wrong_tokens_are_limited(deployment: Deployment, provider: FakeProvider):
    statuses = [send(deployment, "x").status_code for _ in range(61)]
    assert statuses[59:] == [httpx.codes.BAD_REQUEST, httpx.codes.TOO_MANY_REQUESTS]


def test_a_session_that_waits_for_its_second_factor_ends_too(
    deployment: Deployment, provider: FakeProvider, alice: Person
):
    provider.link(alice.user_id)
    with deployment.services.administration.reading() as work:
        (identity,) = work.identities.of_user(alice.user_id)
    user = deployment.services.tokens.directory.load_user(alice.user_id)
    assert user is not None
    sessions = deployment.services.people.sessions
    _, cookie = sessions.begin(
        user,
        (),
        BROWSER,
        second_factor_due=True,
        provider=ProviderProof(identity.id, deployment.clock(), "there-1"),
    )
    assert sessions.find_second_factor_due(cookie) is not None
    assert send(deployment, logout_token(provider)).status_code == httpx.codes.OK
    assert sessions.find_second_factor_due(cookie) is None
