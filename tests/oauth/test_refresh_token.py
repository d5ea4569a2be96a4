"""The refresh token grant (RFC 6749 §6, RFC 9700 §4.14.2)."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from issuer.database.tables import RefreshFamilyRow
from tests.builders import PASSWORD, Deployment
from tests.drivers import TokenAnswer, TokenDriver
from tests.oauth.refreshing import (
    GRANTS,
    SignedIn,
    assign,
    change_client,
    events,
    families,
    revoked,
    revoked_families,
    sign_in,
    unassign,
)
from tests.rows import rows

UNUSABLE = {"error": "invalid_grant", "error_description": "The refresh token cannot be used."}
GRACE = {"refresh_reuse_grace": "30s"}


@pytest.fixture
def alice(deployment: Deployment, token_endpoint: TokenDriver) -> SignedIn:
    return sign_in(deployment, token_endpoint)


def assert_unusable(answer: TokenAnswer) -> None:
    assert (answer.status, answer.body) == (400, UNUSABLE)


def test_a_sign_in_returns_a_refresh_token_to_a_client_with_the_grant_type(alice: SignedIn):
    """RFC 6749 §4.3.3."""
    assert re.fullmatch(r"airt_[0-9A-Za-z]{65}[0-9a-f]{8}", alice.answer.refresh_token)
    assert alice.answer.body.keys() == {
        "access_token",
        "token_type",
        "expires_in",
        "scope",
        "refresh_token",
    }


def test_other_clients_and_other_grants_get_no_refresh_token(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """RFC 6749 §4.4.3."""
    deployment.user("alice")
    only_password = deployment.client(grant_types=["password"])
    both = deployment.client(grant_types=["client_credentials", "refresh_token"])
    assert "refresh_token" not in token_endpoint.password(only_password, "alice").body
    assert "refresh_token" not in token_endpoint.client_credentials(both).body


def test_refreshing_returns_an_access_token_and_the_next_refresh_token(alice: SignedIn):
    """RFC 6749 §6: the scope originally granted, if none is requested."""
    answer = alice.refresh()
    assert (answer.status, answer.scope) == (200, {"agents:run", "sessions:read"})
    assert answer.response.headers["cache-control"] == "no-store"
    assert answer.refresh_token != alice.answer.refresh_token
    first, second = (alice.endpoint.claims(each) for each in (alice.answer, answer))
    assert second["jti"] != first["jti"]
    for name in ("sub", "client_id", "aud", "iss", "scope", "scopes"):
        assert second[name] == first[name]
    assert alice.refresh(answer.refresh_token).status == 200


def test_every_token_is_audited_with_its_family(alice: SignedIn):
    answer = alice.refresh()
    first, second = events(alice.deployment, "token.issued")[-2:]
    assert (first.details["grant_type"], second.details["grant_type"]) == tuple(GRANTS)
    assert first.details["family"] == second.details["family"]
    assert second.details["jti"] == alice.endpoint.claims(answer)["jti"]
    assert (second.actor, second.target) == ("app", alice.user_id)
    assert second.request_id == answer.response.headers["x-request-id"]


def test_nothing_stored_reveals_a_token_or_its_family(alice: SignedIn):
    """Only HMACs are stored, and no audit event contains any part of a token."""
    with alice.deployment.services.database.reading() as session:
        row = session.scalars(select(RefreshFamilyRow)).one()
    kept = repr(vars(row)) + "".join(
        repr(vars(event)) for event in events(alice.deployment, "token.issued")
    )
    token = alice.answer.refresh_token
    assert token[5:27] not in kept
    assert token[27:70] not in kept


# Reuse


def test_reuse_ends_the_family(alice: SignedIn):
    """RFC 9700 §4.14.2: neither the old token nor the newest works, nor the access tokens."""
    successor = alice.refresh()
    assert_unusable(alice.refresh())
    assert_unusable(alice.refresh(successor.refresh_token))
    sids = {alice.endpoint.claims(each)["sid"] for each in (alice.answer, successor)}
    assert revoked_families(alice.deployment) == sids
    assert len(sids) == 1
    assert not revoked(alice.deployment)
    assert families(alice.deployment) == 0


def test_the_end_of_a_family_is_audited(alice: SignedIn):
    successor = alice.refresh()
    answer = alice.refresh()
    (event,) = events(alice.deployment, "refresh.reused")
    assert (event.actor, event.target) == ("app", alice.user_id)
    assert event.request_id == answer.response.headers["x-request-id"]
    assert event.details["family"] == alice.endpoint.claims(successor)["sid"]
    assert event.details["access_tokens_revoked"] is True
    refused = events(alice.deployment, "token.refused")[-1]
    assert (refused.target, refused.reason) == (alice.user_id, "refresh token used before")


def test_another_family_of_the_same_user_and_client_stays_active(alice: SignedIn):
    other = alice.sign_in()
    alice.refresh()
    assert_unusable(alice.refresh())
    assert alice.refresh(other.refresh_token).status == 200


def test_reuse_of_an_old_token_ends_its_family_too(alice: SignedIn):
    newest = alice.refresh()
    for _ in range(5):
        newest = alice.refresh(newest.refresh_token)
    assert_unusable(alice.refresh())
    assert_unusable(alice.refresh(newest.refresh_token))


def test_a_refused_request_does_not_use_the_token(alice: SignedIn):
    for parameters in (
        {"scope": "teams:run"},
        {"scope": "agents::run"},
        {"audience": "other"},
        {"session_id": "x" * 300},
    ):
        assert alice.refresh(**parameters).status == 400
    assert alice.refresh().status == 200


# A lost response


@pytest.mark.parametrize("more_settings", [GRACE])
def test_within_the_grace_period_the_same_request_gets_the_same_token(alice: SignedIn):
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
def test_within_the_grace_period_another_request_is_reuse(
    alice: SignedIn, parameters: dict[str, str]
):
    alice.refresh(scope="agents:run")
    assert_unusable(alice.refresh(**parameters))
    assert families(alice.deployment) == 0


@pytest.mark.parametrize("more_settings", [GRACE])
def test_after_the_grace_period_a_repeated_request_is_reuse(alice: SignedIn):
    alice.refresh()
    alice.deployment.wait(timedelta(seconds=30))
    assert_unusable(alice.refresh())
    assert families(alice.deployment) == 0


@pytest.mark.parametrize("more_settings", [GRACE])
def test_once_the_successor_was_used_a_repeated_request_is_reuse(alice: SignedIn):
    successor = alice.refresh()
    newest = alice.refresh(successor.refresh_token)
    assert_unusable(alice.refresh())
    assert_unusable(alice.refresh(newest.refresh_token))


# Scopes


def test_a_narrower_scope_applies_to_that_access_token_only(alice: SignedIn):
    """RFC 6749 §6."""
    narrow = alice.refresh(scope="agents:web:run")
    assert narrow.scope == {"agents:web:run"}
    assert alice.refresh(narrow.refresh_token).scope == {"agents:run", "sessions:read"}


def test_a_scope_beyond_the_sign_in_is_refused(deployment: Deployment, token_endpoint: TokenDriver):
    """RFC 6749 §6: even one that the user holds but did not request then."""
    alice = sign_in(deployment, token_endpoint, scope="agents:web:run")
    for scope in ("agents:run", "sessions:read", "agents:web:run sessions:read"):
        assert alice.refresh(scope=scope).error == "invalid_scope"
    answer = alice.refresh()
    assert answer.scope == {"agents:web:run"}


def test_a_right_added_after_the_sign_in_needs_a_new_sign_in(alice: SignedIn):
    alice.deployment.role("more", ["teams:run"])
    assign(alice, "more")
    assert alice.refresh(scope="teams:run").error == "invalid_scope"
    assert alice.refresh().scope == {"agents:run", "sessions:read"}


def test_an_unassigned_role_no_longer_applies_at_the_next_refresh(alice: SignedIn):
    alice.deployment.role("web", ["agents:web:run"])
    assign(alice, "web")
    unassign(alice, "runner")
    assert alice.refresh(scope="agents:run").error == "invalid_scope"
    narrowed = alice.refresh()
    assert narrowed.scope == {"agents:web:run"}
    assign(alice, "runner")
    assert alice.refresh(narrowed.refresh_token).scope == {"agents:run", "sessions:read"}


def test_a_scope_removed_from_the_client_no_longer_applies(alice: SignedIn):
    with alice.deployment.changing() as work:
        work.clients.update("app", {"scopes": ["sessions:read"]})
    assert alice.refresh().scope == {"sessions:read"}


def test_without_any_rights_the_token_has_no_scopes(alice: SignedIn):
    unassign(alice, "runner")
    assert alice.refresh().scope == set()


def test_claims_and_roles_are_current(deployment: Deployment, token_endpoint: TokenDriver):
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


def test_the_session_id_of_the_sign_in_is_kept(deployment: Deployment, token_endpoint: TokenDriver):
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
    deployment: Deployment, token_endpoint: TokenDriver
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


def test_an_audience_removed_from_the_client_is_invalid_target(alice: SignedIn):
    change_client(alice, audiences=[])
    assert alice.refresh().error == "invalid_target"
    change_client(alice, audiences=["my-os"])
    assert alice.refresh().status == 200


# Other clients, wrong tokens


def test_another_client_can_neither_use_nor_revoke_the_token(alice: SignedIn):
    """RFC 6749 §10.4. The same response for an active, a used and an unknown token."""
    other = alice.deployment.client("other", grant_types=GRANTS)
    used = alice.answer.refresh_token
    active = alice.refresh().refresh_token
    for token in (active, used, "airt_" + "0" * 73):
        assert_unusable(alice.endpoint.refresh(other, token))
    assert alice.refresh(active).status == 200
    assert not events(alice.deployment, "refresh.reused")


@rows(
    "malformed",
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
def test_a_malformed_token_is_unknown_and_revokes_nothing(alice: SignedIn, malformed):
    token = alice.sign_in().refresh_token
    assert_unusable(alice.refresh(malformed(token)))
    assert alice.refresh(token).status == 200


def test_a_missing_token_is_invalid_request(alice: SignedIn):
    answer = alice.endpoint.post(
        data={"grant_type": "refresh_token"},
        auth=(alice.client.client_id, alice.client.client_secret),
    )
    assert (answer.status, answer.error) == (400, "invalid_request")


def test_a_client_without_the_grant_type_is_unauthorized(alice: SignedIn):
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


def test_an_unused_token_expires(alice: SignedIn):
    alice.deployment.wait(timedelta(days=14) - timedelta(seconds=1))
    used = alice.refresh()
    assert used.status == 200
    alice.deployment.wait(timedelta(days=14))
    assert_unusable(alice.refresh(used.refresh_token))


def test_a_family_expires_after_its_maximum_lifetime(alice: SignedIn):
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


# Changes that revoke all refresh tokens


def test_tokens_stay_revoked_when_a_user_or_client_is_recreated(
    deployment: Deployment, token_endpoint: TokenDriver
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


def test_tokens_stay_revoked_when_an_audience_is_recreated(
    deployment: Deployment, token_endpoint: TokenDriver
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
def test_a_change_that_revokes_all_tokens_ends_refresh_tokens_permanently(
    alice: SignedIn, end: str
):
    """Even after the user or client is enabled again."""
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


def test_a_sign_in_that_renews_an_old_hash_returns_a_refresh_token(
    deployment: Deployment, token_endpoint: TokenDriver
):
    from issuer.database.tables import UserRow  # noqa: PLC0415
    from issuer.users.passwords import Passwords  # noqa: PLC0415

    alice = sign_in(deployment, token_endpoint)
    with deployment.services.database.transaction() as session:
        session.get_one(UserRow, alice.user_id).password_hash = Passwords("rfc9106").hash(PASSWORD)
    answer = alice.sign_in()
    assert alice.refresh(answer.refresh_token).status == 200
