"""The revocation feed, over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest

from issuer.composition import compose
from issuer.database import Database, Session
from issuer.errors import Unavailable
from issuer.keys.schedule import active
from issuer.tokens.feed import RENEW_AFTER, VALID_FOR, FeedPublisher
from issuer.vocabulary import KEY_RETENTION, MAX_TOKEN, TOKEN_RETENTION
from tests.builders import OPERATOR, URL, Deployment, FakeClock
from tests.directory.test_directory import statements
from tests.drivers import TokenDriver
from tests.revocations.feed import PATH, Feed
from tests.rows import rows

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
NOTHING = {"jti": {}, "sid": {}, "sub": {}, "client_id": {}, "aud": {}, "kid": []}


def test_without_revocations_the_feed_is_empty(deployment: Deployment, clock: FakeClock):
    feed = Feed.of(deployment.http)
    assert feed.header["typ"] == "revocations+jwt"
    assert feed.claims == {
        "iss": URL,
        "iat": int(clock().timestamp()),
        "exp": int((clock() + VALID_FOR).timestamp()),
        "revoked": NOTHING,
    }


def test_the_feed_is_cacheable_for_five_seconds(http: httpx.Client):
    first = http.get(PATH)
    assert first.headers["content-type"] == "application/jwt"
    assert first.headers["cache-control"] == "public, max-age=5"
    etag = first.headers["etag"]
    assert not etag.startswith("W/")
    again = http.get(PATH, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert http.head(PATH).headers["etag"] == etag


def test_the_feed_lists_tokens_families_subjects_clients_and_audiences(
    deployment: Deployment, clock: FakeClock
):
    now = clock().replace(microsecond=0)
    with deployment.changing() as work:
        work.revocations.revoke_tokens({"a": now + HOUR})
        work.revocations.revoke_subject("alice")
        work.revocations.revoke_client("web")
        work.revocations.revoke_audience("https://os.example/1")
        whose = {"client_id": "web", "user_id": "bob"}
        assert work.revocations.revoke_of_user("sid", {"family_1": now + 2 * HOUR}, **whose)
    so_far = int((now + SECOND).timestamp())
    assert Feed.of(deployment.http).revoked == {
        "jti": {"a": int((now + HOUR).timestamp())},
        "sid": {"family_1": int((now + 2 * HOUR).timestamp())},
        "sub": {"alice": so_far},
        "client_id": {"web": so_far},
        "aud": {"https://os.example/1": so_far},
        "kid": [],
    }


def test_an_unchanged_feed_needs_no_query_and_no_signature(deployment: Deployment):
    first = deployment.http.get(PATH)
    with statements(deployment) as seen:
        for _ in range(10):
            assert deployment.http.get(PATH).content == first.content
    assert seen == []


def test_an_unchanged_feed_gets_a_new_iat_after_a_while(deployment: Deployment, clock: FakeClock):
    """So that a verifier sees that the feed is current."""
    before = Feed.of(deployment.http)
    clock.move(RENEW_AFTER - SECOND)
    deployment.services.tokens.changes.poll()
    assert Feed.of(deployment.http).response.content == before.response.content
    clock.move(SECOND)
    deployment.services.tokens.changes.poll()
    assert (
        Feed.of(deployment.http).claims["iat"] == before.claims["iat"] + RENEW_AFTER.total_seconds()
    )


def test_an_entry_is_removed_when_its_last_token_has_expired(
    deployment: Deployment, clock: FakeClock
):
    with deployment.changing() as work:
        work.revocations.revoke_tokens({"a": clock() + HOUR})
        work.revocations.revoke_client("web")
        work.revocations.revoke_audience("my-os")
    seen = []
    for step in (HOUR, TOKEN_RETENTION, MAX_TOKEN - HOUR, RENEW_AFTER):
        deployment.wait(step)
        revoked = Feed.of(deployment.http).revoked
        seen.append([*revoked["jti"], *revoked["client_id"], *revoked["aud"]])
    assert seen == [["a", "web", "my-os"], ["web", "my-os"], ["web", "my-os"], []]


def test_a_revoked_key_is_listed_and_signs_no_feed(deployment: Deployment, clock: FakeClock):
    before = Feed.of(deployment.http)
    kid = before.header["kid"]
    with deployment.services.administration.changing_keys(OPERATOR) as work:
        work.keys.revoke(kid)
    after = Feed.of(deployment.http)
    assert after.revoked["kid"] == [kid]
    assert after.header["kid"] != kid
    assert after.response.headers["etag"] != before.response.headers["etag"]
    deployment.wait(KEY_RETENTION - SECOND)
    assert Feed.of(deployment.http).revoked["kid"] == [kid]
    deployment.wait(RENEW_AFTER)
    assert Feed.of(deployment.http).revoked["kid"] == []


@pytest.mark.parametrize("more_settings", [{"signing_algorithms": "ES256,RS256,EdDSA"}])
def test_the_feed_is_signed_with_the_requested_or_the_first_published_algorithm(
    deployment: Deployment,
):
    deployment.audience("rs-os", signing_alg="RS256")
    assert Feed.of(deployment.http).header["alg"] == "ES256"
    assert Feed.of(deployment.http, params={"alg": "RS256"}).header["alg"] == "RS256"
    assert Feed.of(deployment.http, params={"alg": "ES256"}).header["alg"] == "ES256"


@rows("query", ["alg=RS256", "alg=none", "alg=", "alg=ES256&alg=ES256", "alg=%00"])
def test_an_unsupported_algorithm_is_refused(http: httpx.Client, query: str):
    answer = http.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert answer.headers["cache-control"] == "no-store"


def test_without_the_database_the_feed_soon_becomes_unavailable(
    deployment: Deployment, clock: FakeClock
):
    """Outdated revocations are never signed again."""
    before = Feed.of(deployment.http)
    deployment.services.tokens.changes.stop()
    clock.move(timedelta(seconds=10))
    assert deployment.http.get(PATH).content == before.response.content
    clock.move(SECOND)
    answer = deployment.http.get(PATH)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert answer.headers["retry-after"] == "1"
    deployment.services.tokens.changes.poll()
    assert deployment.http.get(PATH).status_code == 200


class UnavailableDatabase(Database):
    """A database that refuses changes while `is_unavailable`."""

    is_unavailable = True

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        if self.is_unavailable:
            raise Unavailable("The database cannot be reached or is busy.")
        with super().transaction() as session:
            yield session


def test_a_feed_that_cannot_be_renewed_stays_available(deployment: Deployment, clock: FakeClock):
    """The database is unavailable for a moment."""
    services, alg = deployment.services, deployment.services.settings.signing_algorithms[0]
    database = UnavailableDatabase(services.settings.effective_database_url)
    feed = FeedPublisher(
        URL,
        database,
        clock,
        services.keys.keyring,
        services.tokens.revocations,
        services.tokens.changes.poll,
    )
    Feed.of(deployment.http)  # the current one, by another process
    before = feed.render(alg)
    clock.move(RENEW_AFTER)
    assert feed.held(alg) is None
    assert feed.render(alg) == before
    database.is_unavailable = False
    assert feed.render(alg).etag != before.etag
    database.dispose()


def test_the_metadata_has_the_url_of_the_feed(deployment: Deployment):
    metadata = deployment.http.get("/.well-known/oauth-authorization-server").json()
    assert deployment.http.get(metadata["revocations_uri"]).status_code == 200


def test_the_etag_is_the_same_in_all_processes(deployment: Deployment, clock: FakeClock):
    """ES256 signatures differ each time; a verifier need not fetch the same content twice."""
    first = Feed.of(deployment.http).response
    elsewhere = compose(deployment.services.settings, clock)
    elsewhere.keys.keyring.reload()
    elsewhere.tokens.changes.poll()
    other = elsewhere.tokens.revocation_feed.render(
        deployment.services.settings.signing_algorithms[0]
    )
    elsewhere.database.dispose()
    assert other.etag == first.headers["etag"]
    assert other.body.rpartition(b".")[0] == first.content.rpartition(b".")[0]


def test_the_active_key_signs_the_feed(deployment: Deployment, clock: FakeClock):
    alg = deployment.services.settings.signing_algorithms[0]
    key = active(deployment.services.keys.keyring.keys, alg, clock())
    assert key is not None
    assert Feed.of(deployment.http).header["kid"] == key.kid


def test_a_revocation_is_in_the_next_response_of_the_same_process(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client("ci-bot")
    token = token_endpoint.client_credentials(client).token
    assert not Feed.of(deployment.http).refuses(token)
    with deployment.changing() as work:
        work.clients.update("ci-bot", {"disabled": True})
    assert Feed.of(deployment.http).refuses(token)


class BusyClock(FakeClock):
    """Each reading takes a moment, as if a large feed were rendered."""

    def monotonic(self) -> float:
        self.elapsed += 0.1
        return self.elapsed


def test_a_slow_feed_is_not_rendered_at_every_change(deployment: Deployment, clock: FakeClock):
    """Constant revocations do not keep a process busy; a revoked key applies at once."""
    services, alg, busy = (
        deployment.services,
        deployment.services.settings.signing_algorithms[0],
        BusyClock(),
    )
    Feed.of(deployment.http)
    feed = FeedPublisher(
        URL,
        services.database,
        busy,
        services.keys.keyring,
        services.tokens.revocations,
        services.tokens.changes.poll,
    )
    first = feed.render(alg)
    with deployment.changing() as work:
        work.revocations.revoke_subject("alice")
    assert feed.held(alg) is first
    busy.elapsed += 2
    assert feed.held(alg) is None
    second = feed.render(alg)
    with services.administration.changing_keys(OPERATOR) as work:
        work.keys.revoke(second.kid)
    assert feed.held(alg) is None
    assert feed.render(alg).kid != second.kid
