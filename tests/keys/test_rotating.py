"""Keys rotate automatically; operators may activate the next key early, or revoke a key."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from issuer.audit import ChainKey, Trails
from issuer.database import Database
from issuer.database.tables import SigningKeyRow
from issuer.keys import KeyPolicy, Keyring
from issuer.vocabulary import SigningAlgorithm
from tests.builders import Deployment, FakeClock
from tests.drivers import AdminApi, TokenDriver, problem
from tests.keys.simulation.memory import PrivateParts

JWKS = "/.well-known/jwks.json"
pytestmark = pytest.mark.usefixtures("token_endpoint")


@pytest.fixture
def admin(deployment: Deployment, token_endpoint: TokenDriver) -> Callable[[], AdminApi]:
    """The admin API, called with a new token of an administrator."""
    return lambda: AdminApi(
        deployment.http, token_endpoint.client_credentials(deployment.admin).token
    )


def states(admin: AdminApi) -> list[str]:
    return [key["state"] for key in keys(admin)]


def keys(admin: AdminApi) -> list[dict[str, Any]]:
    """Newest first."""
    return admin.get("/keys").json()["items"]


def published(deployment: Deployment) -> set[str]:
    return {key["kid"] for key in deployment.http.get(JWKS).json()["keys"]}


def signing(deployment: Deployment, token_endpoint: TokenDriver) -> str:
    return token_endpoint.read(token_endpoint.client_credentials(deployment.admin))[0]["kid"]


def test_keys_rotate_for_a_year_without_an_operator(
    deployment: Deployment, admin: Callable[[], AdminApi], token_endpoint: TokenDriver
):
    seen = set()
    for _ in range(73):
        deployment.wait(timedelta(days=5))
        kid = signing(deployment, token_endpoint)
        assert kid in published(deployment)
        seen.add(kid)
        assert states(admin()).count("active") == 1
        assert "announced" in states(admin())
    assert len(seen) == 13
    assert states(admin()).count("destroyed") == 12


def test_a_destroyed_key_keeps_its_row_without_the_private_key(deployment: Deployment):
    deployment.wait(timedelta(days=31))
    deployment.wait(timedelta(days=2))
    with deployment.services.database.reading() as session:
        handles = [row.handle for row in session.query(SigningKeyRow)]
    assert sorted(handle is None for handle in handles) == [False, False, True]


def test_the_next_key_cannot_be_activated_before_every_verifier_has_seen_it(
    deployment: Deployment, admin: Callable[[], AdminApi]
):
    refused = admin().post("/keys/rotate")
    assert problem(refused) == (409, "not-allowed")
    wait = int(refused.headers["retry-after"])
    assert timedelta(hours=24) <= timedelta(seconds=wait) <= timedelta(hours=24, minutes=2)
    deployment.wait(timedelta(seconds=wait - 2))
    assert admin().post("/keys/rotate").status_code == 409
    deployment.wait(timedelta(seconds=2))
    assert admin().post("/keys/rotate").status_code == 200


def test_an_algorithm_that_is_not_configured_is_not_rotated(admin: Callable[[], AdminApi]):
    """Trying again does not help, so there is no `Retry-After`."""
    refused = admin().post("/keys/rotate?alg=EdDSA")
    assert problem(refused) == (409, "not-allowed")
    assert "retry-after" not in refused.headers
    assert "ISSUER_SIGNING_ALGORITHMS does not name EdDSA." in refused.text


def test_rotating_activates_the_next_key_and_announces_another(
    deployment: Deployment, admin: Callable[[], AdminApi], token_endpoint: TokenDriver
):
    next_key, before = (key["kid"] for key in keys(admin()))
    old_token = token_endpoint.client_credentials(deployment.admin)
    deployment.wait(timedelta(days=2))
    answer = admin().post("/keys/rotate").json()["items"]
    assert [(key["kid"], key["state"]) for key in answer[1:]] == [
        (next_key, "active"),
        (before, "retired"),
    ]
    assert answer[0]["state"] == "announced"
    assert signing(deployment, token_endpoint) == next_key
    assert {next_key, before, answer[0]["kid"]} == published(deployment)
    token_endpoint.read(old_token)  # still verifies


def test_revoking_the_active_key_activates_the_next_key(
    deployment: Deployment, admin: Callable[[], AdminApi], token_endpoint: TokenDriver
):
    next_key, before = (key["kid"] for key in keys(admin()))
    hers = admin()
    revoked = hers.post(f"/keys/{before}/revoke")
    assert (revoked.status_code, revoked.json()["state"]) == (200, "destroyed")
    assert signing(deployment, token_endpoint) == next_key
    assert before not in published(deployment)
    assert len(published(deployment)) == 2
    assert problem(hers.get("/keys")) == (401, "unauthenticated")  # her token was signed with it
    assert states(admin()) == ["announced", "active", "destroyed"]


def test_revoking_the_next_key_keeps_the_active_key_and_announces_another(
    deployment: Deployment, admin: Callable[[], AdminApi], token_endpoint: TokenDriver
):
    next_key, before = (key["kid"] for key in keys(admin()))
    assert admin().post(f"/keys/{next_key}/revoke").status_code == 200
    assert signing(deployment, token_endpoint) == before
    fresh = keys(admin())[0]
    assert (fresh["state"], fresh["kid"] not in {next_key, before}) == ("announced", True)


def test_revoking_a_retired_key_changes_no_other(
    deployment: Deployment, admin: Callable[[], AdminApi], token_endpoint: TokenDriver
):
    first = signing(deployment, token_endpoint)
    deployment.wait(timedelta(days=30))
    second = signing(deployment, token_endpoint)
    assert first != second
    admin().post(f"/keys/{first}/revoke")
    assert signing(deployment, token_endpoint) == second
    assert first not in published(deployment)


def test_revoking_is_idempotent_and_an_unknown_key_is_404(
    deployment: Deployment, admin: Callable[[], AdminApi]
):
    next_key = keys(admin())[0]["kid"]
    once = admin().post(f"/keys/{next_key}/revoke").json()
    deployment.wait(timedelta(hours=1))
    assert admin().post(f"/keys/{next_key}/revoke").json()["revoked_at"] == once["revoked_at"]
    assert problem(admin().post("/keys/unknown/revoke")) == (404, "not-found")


def test_every_change_of_a_key_is_audited(deployment: Deployment, admin: Callable[[], AdminApi]):
    next_key, active = (key["kid"] for key in keys(admin()))
    admin().post(f"/keys/{active}/revoke")
    events = admin().get("/audit-events?limit=500").json()["items"]
    about = [(each["action"], each["target"]) for each in events if each["action"][:4] == "key."]
    assert ("key.announced", next_key) in about
    assert ("key.revoked", active) in about
    assert ("key.activated", next_key) in about


def test_changing_keys_needs_the_write_scope(
    deployment: Deployment, token_endpoint: TokenDriver, admin: Callable[[], AdminApi]
):
    reader = deployment.client(
        scopes=["issuer:keys:read"], audiences=[deployment.services.settings.url]
    )
    hands = AdminApi(deployment.http, token_endpoint.client_credentials(reader).token)
    kid = keys(hands)[0]["kid"]
    assert hands.get(f"/keys/{kid}").status_code == 200
    for path in ("/keys/rotate", f"/keys/{kid}/revoke"):
        assert problem(hands.post(path)) == (403, "forbidden")
    assert states(hands) == ["announced", "active"]


def test_max_age_never_goes_beyond_the_next_planned_change(
    deployment: Deployment, http: httpx.Client
):
    """The next key becomes active, and another one is announced."""

    def max_age() -> str:
        return http.get(JWKS).headers["cache-control"]

    assert max_age() == "public, max-age=300"
    deployment.wait(timedelta(days=30) - timedelta(seconds=100))
    assert max_age() == "public, max-age=100"
    deployment.wait(timedelta(seconds=99))
    assert max_age() == "public, max-age=1"
    deployment.wait(timedelta(seconds=1))
    assert max_age() == "public, max-age=300"


def new_keyring(
    database_url: str, clock: FakeClock, meanwhile: Callable[[], None] = lambda: None
) -> Keyring:
    keyring = Keyring(
        Database(database_url),
        Trails(ChainKey(bytes(32)), clock),
        [PrivateParts(meanwhile)],
        clock,
        KeyPolicy(sign_for=timedelta(days=30), announce_for=timedelta(hours=24)),
        timedelta(minutes=10),
        [SigningAlgorithm.ES256],
        lambda _now: {SigningAlgorithm.ES256: None},
        lambda: True,
    )
    keyring.reconcile()
    return keyring


def test_a_key_is_announced_from_when_it_is_stored(migrated_database_url: str, clock: FakeClock):
    """However long it took to generate: no verifier could see it before."""
    keyring = new_keyring(migrated_database_url, clock, lambda: clock.move(timedelta(hours=1)))
    assert [key.announced_at for key in keyring.keys] == [clock.now, clock.now]


def test_the_key_that_signs_follows_the_clock(migrated_database_url: str, clock: FakeClock):
    """To the second at which its successor takes over, and back if the clock is set back."""
    keyring = new_keyring(migrated_database_url, clock)
    first = keyring.active(SigningAlgorithm.ES256)
    following = keyring.next_key(SigningAlgorithm.ES256)
    clock.now = following.activates_at - timedelta(microseconds=1)
    assert keyring.active(SigningAlgorithm.ES256) == first
    clock.now = following.activates_at
    assert keyring.active(SigningAlgorithm.ES256) == following
    clock.now -= timedelta(days=365)
    assert keyring.active(SigningAlgorithm.ES256) == first


def test_without_its_database_a_server_lets_no_verifier_cache_the_key_set(deployment: Deployment):
    """It cannot know which keys were announced or revoked meanwhile."""
    deployment.services.tokens.changes.stop()
    deployment.clock.move(timedelta(seconds=11))
    answer = deployment.http.get(JWKS)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=0")


def test_the_rotator_queries_the_database_only_when_rotation_is_due(deployment: Deployment):
    queried = []

    def note(*_: object) -> None:
        queried.append(threading.get_ident())

    event.listen(deployment.services.database.engine, "before_cursor_execute", note)
    deployment.services.keys.rotator.poll()
    assert threading.get_ident() not in queried
    deployment.wait(timedelta(days=30))
    assert threading.get_ident() in queried
