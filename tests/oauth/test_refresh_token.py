"""The refresh token grant (RFC 6749 §6, RFC 9700 §4.14.2)."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from issuer.database.tables import RefreshFamilyRow
from tests.builders import PASSWORD, Deployment
from tests.drivers import TokenAnswer, TokenEndpoint
from tests.oauth.refreshing import (
    GRANTS,
    SignedIn,
    change_client,
    events,
    families,
    give,
    revoked,
    revoked_families,
    sign_in,
    take,
)

UNUSABLE = {"error": "invalid_grant", "error_description": "The refresh token cannot be used."}
GRACE = {"refresh_reuse_grace": "30s"}


@pytest.fixture
def alice(deployment: Deployment, token_endpoint: TokenEndpoint) -> SignedIn:
    return sign_in(deployment, token_endpoint)


def assert_unusable(answer: TokenAnswer) -> None:
    assert (answer.status, answer.body) == (400, UNUSABLE)


def test_a_sign_in_gives_a_refresh_token_to_a_client_that_may_use_one(alice: SignedIn):
    """RFC 6749 §4.3.3."""
    assert re.fullmatch(r"airt_[0-9A-Za-z]{65}[0-9a-f]{8}", alice.answer.refresh_token)
    assert alice.answer.body.keys() == {
        "access_token",
        "token_type",
        "expires_in",
        "scope",
        "refresh_token",
    }


def test_no_other_client_and_no_other_grant_gets_one(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    """RFC 6749 §4.4.3."""
    deployment.user("alice")
    only_password = deployment.client(grant_types=["password"])
    both = deployment.client(grant_types=["client_credentials", "refresh_token"])
    assert "refresh_token" not in token_endpoint.password(only_password, "alice").body
    assert "refresh_token" not in token_endpoint.client_credentials(both).body


def test_refreshing_gives_an_access_token_and_the_next_refresh_token(alice: SignedIn):
    """RFC 6749 §6: as originally granted, where no scope is asked for."""
    answer = alice.refresh()
    assert (answer.status, answer.scope) == (200, {"agents:run", "sessions:read"})
    assert answer.response.headers["cache-control"] == "no-store"
    assert answer.refresh_token != alice.answer.refresh_token
    first, second = (alice.endpoint.claims(each) for each in (alice.answer, answer))
    assert second["jti"] != first["jti"]
    for name in ("sub", "client_id", "aud", "iss", "scope", "scopes"):
        assert second[name] == first[name]
    assert alice.refresh(answer.refresh_token).status == 200


def test_every_token_is_on_record_with_its_family(alice: SignedIn):
    answer = alice.refresh()
    first, second = events(alice.deployment, "token.issued")[-2:]
    assert (first.details["grant_type"], second.details["grant_type"]) == tuple(GRANTS)
    assert first.details["family"] == second.details["family"]
    assert second.details["jti"] == alice.endpoint.claims(answer)["jti"]
    assert (second.actor, second.target) == ("app", alice.user_id)
    assert second.request_id == answer.response.headers["x-request-id"]


def test_nothing_kept_shows_a_token_or_finds_its_family(alice: SignedIn):
    """At rest there are HMACs, and nothing of a token is in any event."""
    with alice.deployment.services.database.reading() as session:
        row = session.scalars(select(RefreshFamilyRow)).one()
    kept = repr(vars(row)) + "".join(
        repr(vars(event)) for event in events(alice.deployment, "token.issued")
    )
    token = alice.answer.refresh_token
    assert token[5:27] not in kept
    assert token[27:70] not in kept


# Used twice


def test_using_a_token_again_ends_its_family(alice: SignedIn):
    """RFC 9700 §4.14.2: neither the old token nor the newest works, nor the access tokens."""
    successor = alice.refresh()
    assert_unusable(alice.refresh())
    assert_unusable(alice.refresh(successor.refresh_token))
    sids = {alice.endpoint.claims(each)["sid"] for each in (alice.answer, successor)}
    assert revoked_families(alice.deployment) == sids
    assert len(sids) == 1
    assert not revoked(alice.deployment)
    assert families(alice.deployment) == 0


def test_the_end_of_a_family_is_on_record(alice: SignedIn):
    successor = alice.refresh()
    answer = alice.refresh()
    (event,) = events(alice.deployment, "refresh.reused")
    assert (event.actor, event.target) == ("app", alice.user_id)
    assert event.request_id == answer.response.headers["x-request-id"]
    assert event.details["family"] == alice.endpoint.claims(successor)["sid"]
    assert event.details["access_tokens_revoked"] is True
    refused = events(alice.deployment, "token.refused")[-1]
    assert (refused.target, refused.reason) == (alice.user_id, "refresh token used before")


def test_another_family_of_the_same_user_and_client_goes_on(alice: SignedIn):
    other = alice.sign_in()
    alice.refresh()
    assert_unusable(alice.refresh())
    assert alice.refresh(other.refresh_token).status == 200


def test_a_token_used_long_ago_ends_its_family_too(alice: SignedIn):
    newest = alice.refresh()
    for _ in range(5):
        newest = alice.refresh(newest.refresh_token)
    assert_unusable(alice.refresh())
    assert_unusable(alice.refresh(newest.refresh_token))


def test_a_refused_request_uses_nothing_up(alice: SignedIn):
    for parameters in (
        {"scope": "teams:run"},
        {"scope": "agents::run"},
        {"audience": "other"},
        {"session_id": "x" * 300},
    ):
        assert alice.refresh(**parameters).status == 400
    assert alice.refresh().status == 200


# A lost answer


@pytest.mark.parametrize("more_settings", [GRACE])
def test_within_the_grace_the_same_request_gets_the_same_token(alice: SignedIn):
    lost = alice.refresh(scope="agents:run")
    alice.deployment.wait(timedelta(seconds=29))
    again = alice.refresh(scope="agents:run")
    assert again.refresh_token == lost.refresh_token
    assert again.scope == lost.scope
    jtis = {alice.endpoint.claims(each)["jti"] for each in (alice.answer, lost, again)}
    assert len(jtis) == 3
    assert_unusable(alice.refresh(scope="sessions:read"))
    assert revoked_families(alice.deployment) == {alice.endpoint.claims(again)["sid"]}


@pytest.mark.parametrize("more_settings", [GRACE])
@pytest.mark.parametrize("parameters", [{}, {"scope": "sessions:read"}, {"session_id": "s"}])
def test_within_the_grace_another_request_is_reuse(alice: SignedIn, parameters: dict[str, str]):
    alice.refresh(scope="agents:run")
    assert_unusable(alice.refresh(**parameters))
    assert families(alice.deployment) == 0


@pytest.mark.parametrize("more_settings", [GRACE])
def test_after_the_grace_it_is_reuse(alice: SignedIn):
    alice.refresh()
    alice.deployment.wait(timedelta(seconds=30))
    assert_unusable(alice.refresh())
    assert families(alice.deployment) == 0


@pytest.mark.parametrize("more_settings", [GRACE])
def test_once_the_successor_was_used_the_answer_was_not_lost(alice: SignedIn):
    successor = alice.refresh()
    newest = alice.refresh(successor.refresh_token)
    assert_unusable(alice.refresh())
    assert_unusable(alice.refresh(newest.refresh_token))


# Scopes


def test_a_narrower_scope_is_granted_and_narrows_nothing_else(alice: SignedIn):
    """RFC 6749 §6."""
    narrow = alice.refresh(scope="agents:web:run")
    assert narrow.scope == {"agents:web:run"}
    assert alice.refresh(narrow.refresh_token).scope == {"agents:run", "sessions:read"}


def test_no_scope_beyond_the_sign_in(deployment: Deployment, token_endpoint: TokenEndpoint):
    """RFC 6749 §6: also not one that the user holds, and did not ask for then."""
    alice = sign_in(deployment, token_endpoint, scope="agents:web:run")
    for scope in ("agents:run", "sessions:read", "agents:web:run sessions:read"):
        assert alice.refresh(scope=scope).error == "invalid_scope"
    answer = alice.refresh()
    assert answer.scope == {"agents:web:run"}


def test_a_right_given_since_the_sign_in_needs_another(alice: SignedIn):
    alice.deployment.role("more", ["teams:run"])
    give(alice, "more")
    assert alice.refresh(scope="teams:run").error == "invalid_scope"
    assert alice.refresh().scope == {"agents:run", "sessions:read"}


def test_a_role_taken_away_is_gone_at_the_next_refresh(alice: SignedIn):
    alice.deployment.role("web", ["agents:web:run"])
    give(alice, "web")
    take(alice, "runner")
    assert alice.refresh(scope="agents:run").error == "invalid_scope"
    narrowed = alice.refresh()
    assert narrowed.scope == {"agents:web:run"}
    give(alice, "runner")
    assert alice.refresh(narrowed.refresh_token).scope == {"agents:run", "sessions:read"}


def test_a_scope_taken_from_the_client_is_gone_as_well(alice: SignedIn):
    with alice.deployment.changing() as work:
        work.clients.update("app", {"scopes": ["sessions:read"]})
    assert alice.refresh().scope == {"sessions:read"}


def test_no_right_left_is_a_token_without_scopes(alice: SignedIn):
    take(alice, "runner")
    assert alice.refresh().scope == set()


def test_claims_and_roles_are_those_of_now(deployment: Deployment, token_endpoint: TokenEndpoint):
    """CONTRACT §3."""
    deployment.audience("with-roles", include_roles=True)
    deployment.role("runner", ["agents:run"])
    client = deployment.client(audiences=["with-roles"], scopes=["agents:run"], grant_types=GRANTS)
    user_id = deployment.user("alice", roles=["runner"], claims={"team": "blue"})
    first = token_endpoint.password(client, "alice")
    with deployment.changing() as work:
        work.users.update(user_id, {"claims": {"team": "red"}})
    claims = token_endpoint.claims(token_endpoint.refresh(client, first.refresh_token))
    assert (claims["team"], claims["roles"]) == ("red", ["runner"])


# The session


def test_the_session_of_the_sign_in_stays(deployment: Deployment, token_endpoint: TokenEndpoint):
    alice = sign_in(deployment, token_endpoint, session_id="one")
    same = alice.refresh()
    other = alice.refresh(same.refresh_token, session_id="two")
    after = alice.refresh(other.refresh_token)
    sessions = [token_endpoint.claims(each)["session_id"] for each in (same, other, after)]
    assert sessions == ["one", "two", "one"]
    with deployment.changing() as work:
        work.clients.update("app", {"may_set_session": False})
    assert "session_id" not in token_endpoint.claims(alice.refresh(after.refresh_token))


# The audience


def test_it_is_for_the_audience_of_the_sign_in_only(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    """RFC 8707 §2.2."""
    deployment.audience("other-os")
    client = deployment.client(audiences=["my-os", "other-os"], grant_types=GRANTS)
    deployment.user("alice")
    first = token_endpoint.password(client, "alice", audience="my-os")
    for name in ("audience", "resource"):
        answer = token_endpoint.refresh(client, first.refresh_token, **{name: "other-os"})
        assert answer.error == "invalid_target"
    same = token_endpoint.refresh(client, first.refresh_token, resource="my-os")
    assert token_endpoint.claims(same)["aud"] == "my-os"
    assert token_endpoint.claims(token_endpoint.refresh(client, same.refresh_token))["aud"] == (
        "my-os"
    )


def test_an_audience_the_client_may_not_use_any_more(alice: SignedIn):
    change_client(alice, audiences=[])
    assert alice.refresh().error == "invalid_target"
    change_client(alice, audiences=["my-os"])
    assert alice.refresh().status == 200


# Whose it is


def test_another_client_neither_uses_nor_ends_it(alice: SignedIn):
    """RFC 6749 §10.4. One answer, whether the token lives, was used, or never was."""
    other = alice.deployment.client("other", grant_types=GRANTS)
    used = alice.answer.refresh_token
    living = alice.refresh().refresh_token
    for token in (living, used, "airt_" + "0" * 73):
        assert_unusable(alice.endpoint.refresh(other, token))
    assert alice.refresh(living).status == 200
    assert not events(alice.deployment, "refresh.reused")


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda token: token[:-1],
        lambda token: token + "0",
        lambda token: token[:-1] + ("0" if token[-1] != "0" else "1"),
        lambda token: token[:40] + ("x" if token[40] != "x" else "y") + token[41:],
        lambda token: token.upper(),
        lambda token: " " + token,
        lambda token: "é" + token,
        lambda _: "x" * 10_000,
        lambda _: "airt_" + "é" * 73,
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_spoilt_token_is_unknown_and_ends_nothing(alice: SignedIn, spoilt):
    assert_unusable(alice.refresh(spoilt(alice.answer.refresh_token)))
    assert alice.refresh().status == 200


def test_a_missing_token_is_invalid_request(alice: SignedIn):
    answer = alice.endpoint.post(
        data={"grant_type": "refresh_token"},
        auth=(alice.client.client_id, alice.client.client_secret),
    )
    assert (answer.status, answer.error) == (400, "invalid_request")


def test_a_client_that_lost_the_grant_is_unauthorized(alice: SignedIn):
    change_client(alice, grant_types=["password"])
    assert alice.refresh().error == "unauthorized_client"


def test_a_client_must_authenticate(alice: SignedIn):
    answer = alice.endpoint.post(
        data={"grant_type": "refresh_token", "refresh_token": alice.answer.refresh_token},
        auth=("app", "not the secret"),
    )
    assert (answer.status, answer.error) == (401, "invalid_client")
    assert alice.refresh().status == 200


# Lifetimes


def test_a_token_that_was_not_used_for_long_is_dead(alice: SignedIn):
    alice.deployment.wait(timedelta(days=14) - timedelta(seconds=1))
    used = alice.refresh()
    assert used.status == 200
    alice.deployment.wait(timedelta(days=14))
    assert_unusable(alice.refresh(used.refresh_token))


def test_no_family_outlives_the_longest_lifetime(alice: SignedIn):
    newest = alice.answer
    for _ in range(8):
        alice.deployment.wait(timedelta(days=11))
        newest = alice.refresh(newest.refresh_token)
        assert newest.status == 200
    alice.deployment.wait(timedelta(days=2))
    assert_unusable(alice.refresh(newest.refresh_token))


def test_expired_families_are_deleted(alice: SignedIn):
    alice.refresh()
    alice.sign_in()
    delete_expired = alice.deployment.services.tokens.refresh_tokens.delete_expired
    delete_expired()
    assert families(alice.deployment) == 2
    alice.deployment.wait(timedelta(days=14))
    delete_expired()
    assert families(alice.deployment) == 0


# What ends all of them


def test_a_user_or_client_that_is_deleted_and_made_again_brings_nothing_back(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    alice = sign_in(deployment, token_endpoint)
    with deployment.changing() as work:
        work.users.delete(alice.user_id)
    assert_unusable(alice.refresh())
    deployment.user("alice", roles=["runner"], id=alice.user_id)
    assert_unusable(alice.refresh())
    token = alice.sign_in().refresh_token
    with deployment.changing() as work:
        work.clients.delete("app")
    again = deployment.client("app", scopes=["agents:run"], grant_types=GRANTS)
    assert_unusable(token_endpoint.refresh(again, token))


def test_an_audience_that_is_deleted_and_made_again_brings_nothing_back(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    deployment.audience("short-lived")
    client = deployment.client(audiences=["short-lived"], grant_types=GRANTS)
    deployment.user("alice")
    token = token_endpoint.password(client, "alice").refresh_token
    with deployment.changing() as work:
        work.audiences.delete("short-lived", cascade=True)
    deployment.audience("short-lived")
    with deployment.changing() as work:
        work.clients.update(client.client_id, {"audiences": ["short-lived"]})
    assert_unusable(token_endpoint.refresh(client, token))


@pytest.mark.parametrize(
    "end", ["disable_user", "disable_client", "set_password", "revoke_user", "revoke_client"]
)
def test_what_ends_all_tokens_of_somebody_ends_refresh_tokens_for_good(alice: SignedIn, end: str):
    """Also once the user or client is enabled again."""
    prepared = alice.deployment.services.sign_in.passwords.prepared(PASSWORD)
    with alice.deployment.changing() as work:
        if end == "disable_user":
            work.users.update(alice.user_id, {"disabled": True})
        elif end == "disable_client":
            work.clients.update("app", {"disabled": True})
        elif end == "revoke_user":
            work.users.revoke_tokens(alice.user_id)
        elif end == "revoke_client":
            work.clients.revoke_tokens("app")
        else:
            work.users.set_password(alice.user_id, prepared)
    refused = alice.refresh()
    assert refused.error == ("invalid_client" if end == "disable_client" else "invalid_grant")
    with alice.deployment.changing() as work:
        work.users.update(alice.user_id, {"disabled": False})
        work.clients.update("app", {"disabled": False})
    assert_unusable(alice.refresh())


@pytest.mark.parametrize("more_settings", [{"password_grant": "false"}])
def test_without_the_password_grant_there_is_none(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    client = deployment.client(grant_types=GRANTS)
    assert token_endpoint.refresh(client, "x").error == "unsupported_grant_type"


def test_an_old_hash_renewed_at_sign_in_begins_a_family(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    from issuer.database.tables import UserRow  # noqa: PLC0415
    from issuer.users import Passwords  # noqa: PLC0415

    alice = sign_in(deployment, token_endpoint)
    with deployment.services.database.transaction() as session:
        session.get_one(UserRow, alice.user_id).password_hash = Passwords("rfc9106").hash(PASSWORD)
    answer = alice.sign_in()
    assert alice.refresh(answer.refresh_token).status == 200
