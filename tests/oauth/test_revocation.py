"""The revocation endpoint (RFC 7009)."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import event

from issuer.revocations.share import LIMITS
from issuer.revocations.store import RevocationStore
from tests.builders import Credentials, Deployment
from tests.drivers import TokenDriver
from tests.oauth.refreshing import (
    GRANTS,
    SignedIn,
    events,
    families,
    revoked,
    revoked_families,
    sign_in,
)

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def alice(deployment: Deployment, token_endpoint: TokenDriver) -> SignedIn:
    return sign_in(deployment, token_endpoint)


@pytest.fixture
def other(deployment: Deployment) -> Credentials:
    return deployment.client("other", grant_types=GRANTS)


def revoke(alice: SignedIn, token: str, by: Credentials | None = None, **parameters: str) -> int:
    return alice.endpoint.revoke(by or alice.client, token, **parameters).status_code


def test_revoking_a_refresh_token_revokes_its_access_tokens(alice: SignedIn):
    """RFC 7009 §2.1."""
    next_one = alice.refresh()
    answer = alice.endpoint.revoke(alice.client, next_one.refresh_token)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert alice.refresh(next_one.refresh_token).error == "invalid_grant"
    assert revoked_families(alice.deployment) == {
        alice.endpoint.claims(each)["sid"] for each in (alice.answer, next_one)
    }
    (event,) = events(alice.deployment, "refresh.revoked")
    assert (event.actor, event.target) == ("app", alice.user_id)
    assert event.request_id == answer.headers["x-request-id"]


def test_another_family_stays_active(alice: SignedIn):
    other = alice.sign_in()
    revoke(alice, alice.answer.refresh_token)
    assert alice.refresh(other.refresh_token).status == 200


def test_revoking_a_used_refresh_token_ends_its_family(alice: SignedIn):
    """As a client does that lost a response."""
    next_one = alice.refresh()
    assert revoke(alice, alice.answer.refresh_token) == 200
    assert alice.refresh(next_one.refresh_token).error == "invalid_grant"
    assert not events(alice.deployment, "refresh.reused")


def test_revoking_an_access_token_revokes_only_that_token(alice: SignedIn):
    """RFC 7009 §2.1: the refresh token stays valid."""
    assert revoke(alice, alice.answer.token) == 200
    claims = alice.endpoint.claims(alice.answer)
    assert revoked(alice.deployment) == {claims["jti"]}
    (event,) = events(alice.deployment, "token.revoked")
    assert (event.target, event.details["jti"]) == (alice.user_id, claims["jti"])
    assert alice.refresh().status == 200


def test_a_token_of_client_credentials_can_be_revoked(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client()
    answer = token_endpoint.client_credentials(client)
    assert token_endpoint.revoke(client, answer.token).status_code == 200
    assert revoked(deployment) == {token_endpoint.claims(answer)["jti"]}


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "saml2_assertion"])
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_the_hint_is_ignored(alice: SignedIn, kind: str, hint: str):
    """RFC 7009 §2.1."""
    assert revoke(alice, alice.answer.body[kind], token_type_hint=hint) == 200
    claims = alice.endpoint.claims(alice.answer)
    assert revoked(alice.deployment) | revoked_families(alice.deployment) <= {
        claims["jti"],
        claims["sid"],
    }
    assert alice.introspect(alice.answer.body[kind]) == {"active": False}


def test_an_inactive_token_gets_the_same_response(alice: SignedIn):
    """RFC 7009 §2.2."""
    for token in ("x", "a.b.c", "airt_" + "0" * 73, alice.answer.token[:-4] + "AAAA", "é" * 500):
        assert revoke(alice, token) == 200
    for token in (alice.answer.token, alice.answer.refresh_token):
        assert (revoke(alice, token), revoke(alice, token)) == (200, 200)
    assert len(events(alice.deployment, "token.revoked")) == 1
    assert len(events(alice.deployment, "refresh.revoked")) == 1


def test_an_expired_token_gets_the_same_response(alice: SignedIn):
    alice.deployment.wait(timedelta(days=15))
    for token in (alice.answer.token, alice.answer.refresh_token):
        assert revoke(alice, token) == 200
    assert not revoked(alice.deployment) | revoked_families(alice.deployment)


def test_another_client_cannot_revoke_a_refresh_token_nor_learn_that_it_is_active(
    alice: SignedIn, other: Credentials
):
    answers = [
        alice.endpoint.revoke(other, token)
        for token in (alice.answer.refresh_token, "airt_" + "0" * 73)
    ]
    assert [(each.status_code, each.json()) for each in answers] == [(200, {})] * 2
    assert alice.refresh().status == 200


def test_another_client_cannot_revoke_an_access_token(alice: SignedIn, other: Credentials):
    """RFC 7009 §2.1. The token itself names its client."""
    answer = alice.endpoint.revoke(other, alice.answer.token)
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "error": "invalid_grant",
            "error_description": "The token was issued to another client.",
        },
    )
    assert not revoked(alice.deployment)
    assert events(alice.deployment, "revocation.refused")[-1].actor == "other"


def test_requests_that_revoke_nothing_are_audited(alice: SignedIn, other: Credentials):
    revoke(alice, alice.answer.refresh_token, by=other)
    event = events(alice.deployment, "revocation.refused")[-1]
    assert (event.actor, event.outcome) == ("other", "refused")
    assert alice.answer.refresh_token not in repr(vars(event))


def test_it_accepts_what_the_token_endpoint_accepts(alice: SignedIn):
    """RFC 7009 §2.1: the same client authentication, and the same bounds."""
    post, path = alice.deployment.http.post, "/oauth2/revoke"
    form, auth = {"token": "x"}, (alice.client.client_id, alice.client.client_secret)
    in_form = {**form, "client_id": auth[0], "client_secret": auth[1]}
    assert post(path, data=in_form).status_code == 200
    for wrong in (("app", "wrong"), ("unknown", "wrong")):
        answer = post(path, data=form, auth=wrong)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic")
    assert post(path, data=form).status_code == 401
    for bad in (
        {"data": {}},
        {"json": form},
        {"content": "token=a&token=b", "headers": {"content-type": FORM}},
        {"data": form, "params": {"a": "b"}},
        {"data": in_form},
    ):
        answer = post(path, auth=auth, **bad)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert post(path, data={"token": "x" * 20_000}, auth=auth).status_code == 413
    got = alice.deployment.http.get(path)
    assert (got.status_code, got.headers["allow"]) == (405, "POST")


def test_refused_credentials_are_audited(alice: SignedIn):
    alice.deployment.http.post("/oauth2/revoke", data={"token": "x"}, auth=("app", "wrong"))
    event = events(alice.deployment, "revocation.refused")[-1]
    assert (event.target, event.reason) == ("app", "wrong secret")


def test_revoking_a_family_twice_is_audited_once(alice: SignedIn):
    revoke(alice, alice.answer.refresh_token)
    assert families(alice.deployment) == 0
    assert revoke(alice, alice.answer.refresh_token) == 200


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_client_that_revokes_leaves_time_to_others(alice: SignedIn, other: Credentials):
    """Its next request waits for as long as the last one took."""
    deployment, endpoint = alice.deployment, alice.endpoint
    tokens = [
        endpoint.password(each, "alice").token for each in (alice.client, alice.client, other)
    ]
    pauses: list[datetime] = []
    deployment.clock.while_asleep = lambda: pauses.append(deployment.clock.now)

    def take_time(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO revoked_tokens"):
            deployment.clock.move(timedelta(seconds=0.25))

    event.listen(deployment.services.database.engine, "before_cursor_execute", take_time)
    assert endpoint.revoke(other, tokens[2]).status_code == 200
    assert endpoint.revoke(alice.client, tokens[0]).status_code == 200
    assert not pauses
    assert endpoint.revoke(alice.client, tokens[1]).status_code == 200
    assert len(pauses) == 1


def fill_the_feed(deployment: Deployment) -> None:
    """Until only four more tokens or families may be listed for a client."""
    with deployment.services.database.changing() as session:
        store = RevocationStore(session)
        expires_at, change = (
            deployment.clock() + timedelta(hours=1),
            store.begin_change(deployment.clock()),
        )
        ids = {f"{each:032x}": expires_at for each in range(LIMITS.tokens - 100)}
        store.add_tokens("jti", ids, change, client_id="others", subject="others")


@pytest.mark.slow
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_an_access_token_of_a_user_is_not_revoked_if_the_feed_is_full(
    alice: SignedIn,
):
    """RFC 7009 §2.2.1: 503, and the token still exists."""
    fill_the_feed(alice.deployment)
    tokens = [alice.sign_in().token for _ in range(9)]
    *_, answer = [alice.endpoint.revoke(alice.client, token) for token in tokens]
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert answer.headers["retry-after"] == "60"
    assert alice.introspect(tokens[-1])["active"]
    assert not alice.introspect(tokens[0])["active"]
    assert events(alice.deployment, "revocation.refused")[-1].actor == "app"


@pytest.mark.slow
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_refresh_family_ends_even_if_the_feed_is_full(alice: SignedIn):
    """All earlier access tokens of its user are revoked; the other family gets new ones."""
    fill_the_feed(alice.deployment)
    answers = [alice.sign_in() for _ in range(9)]
    for answer in answers[1:]:
        assert revoke(alice, answer.refresh_token) == 200
    assert not any(alice.introspect(each.token)["active"] for each in answers)
    again = alice.refresh(answers[0].refresh_token)
    assert alice.introspect(again.token)["active"]


@pytest.mark.slow
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_if_the_feed_is_full_a_client_revokes_all_its_own_tokens(
    deployment: Deployment, token_endpoint: TokenDriver, alice: SignedIn
):
    client = deployment.client(grant_types=[*GRANTS, "client_credentials"])
    fill_the_feed(deployment)
    tokens = [token_endpoint.client_credentials(client).token for _ in range(9)]
    of_a_user = token_endpoint.password(client, "alice").token
    for token in tokens[1:]:
        assert token_endpoint.revoke(client, token).status_code == 200
    assert token_endpoint.introspect(client, tokens[0]) == {"active": False}
    assert token_endpoint.introspect(client, of_a_user)["active"]
    assert events(deployment, "token.revoked")[-1].details["all_of_subject"] is True
