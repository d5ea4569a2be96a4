"""A restored issuer works, goes on where the backup was made, and says what to look at."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, func, inspect, select

from issuer.audit import AuditEvent
from issuer.audit.ocsf import as_ocsf
from issuer.backup.archive import ArchiveUnusable
from issuer.backup.restoring import Restored
from issuer.composition import Composition
from issuer.database import Database
from issuer.database.migrations import migrate
from issuer.database.tables import AuditEventRow
from issuer.errors import IssuerError
from issuer.keys.sealing import new_master_key
from tests.backup.driver import backed_up, elsewhere, restored
from tests.builders import Deployment
from tests.drivers import TokenDriver
from tests.issuers import Initialized, served
from tests.oauth.exchanging import actors
from tests.revocations.feed import PATH, Feed

on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])
WITH_REFRESH = ["password", "refresh_token"]


class RestoredIssuer:
    """An issuer restored from a backup, and its server."""

    def __init__(self, deployment: Deployment, result: Restored) -> None:
        self.deployment = deployment
        self.services = deployment.services
        self.result = result
        self.http = deployment.http
        self.tokens = TokenDriver(self.http)

    def verify(self, *checkpoints: str) -> None:
        self.services.keys.keyring.reload()
        found = self.services.audit.verify(checkpoints)
        assert found.ok, found.finding


@pytest.fixture
def restore_copy(
    opened: Initialized, deployment: Deployment, database_url: str
) -> Iterator[Callable[..., RestoredIssuer]]:
    """Restores into an empty database of the same kind, and serves it."""
    with ExitStack() as servers:

        def restore_copy(archive: bytes, feed: bytes | None = None) -> RestoredIssuer:
            settings = elsewhere(deployment, database_url)
            result = restored(archive, settings, deployment.clock, feed)
            there = served(Initialized(settings, opened.admin), deployment.clock)
            return RestoredIssuer(servers.enter_context(there), result)

        yield restore_copy


def test_a_restored_issuer_goes_on(
    deployment: Deployment, token_endpoint: TokenDriver, restore_copy
):
    deployment.role("runner", ["agents:run"])
    client = deployment.client("ci-bot", roles=["runner"])
    before = token_endpoint.client_credentials(client)
    checkpoint = deployment.services.audit.checkpoints.make()
    archive = backed_up(deployment.services)
    deployment.clock.move(timedelta(hours=1))
    copy = restore_copy(archive)

    assert copy.tokens.claims(before)["sub"] == "ci-bot", "the keys are the same"
    assert copy.tokens.client_credentials(client).scope == {"agents:run"}
    copy.deployment.client("another", roles=["runner"])
    copy.deployment.user("alice", roles=["runner"])
    copy.verify(checkpoint)
    assert "database.restored" in {event.action for event in changes(copy.services)}


def test_no_event_is_taken_for_one_that_was_lost(deployment: Deployment, restore_copy):
    """Receivers drop an event that they have already; `seq` counts on from the backup."""
    archive = backed_up(deployment.services)
    deployment.role("lost", ["agents:run"])
    known = {as_ocsf(event)["metadata"]["uid"] for event in changes(deployment.services)}
    (restored_event,) = (
        event
        for event in changes(restore_copy(archive).services)
        if event.action == "database.restored"
    )
    assert as_ocsf(restored_event)["metadata"]["uid"] not in known


def test_the_backup_is_audited_where_it_was_made(deployment: Deployment):
    backed_up(deployment.services)
    event = changes(deployment.services)[0]
    assert (event.action, event.actor) == ("backup.created", "test:operator")
    assert event.details["rows"] > 0


def test_processes_that_saw_later_counts_see_the_restored_ones(
    deployment: Deployment, restore_copy
):
    """And the `iat` of the feed never decreases: verifiers would refuse it."""
    archive = backed_up(deployment.services)
    for number in range(3):
        deployment.client(f"client-of-{number}")
        with deployment.changing() as work:
            work.clients.revoke_tokens(f"client-of-{number}")
    later = deployment.services.database.counts()
    deployment.clock.move(timedelta(seconds=1))
    counts = restore_copy(archive).services.database.counts()
    assert counts.changes > later.changes
    assert counts.in_memory > later.in_memory
    assert counts.feed.count > later.feed.count
    assert counts.feed.issued_at > later.feed.issued_at


def test_a_saved_feed_revokes_again(
    deployment: Deployment, token_endpoint: TokenDriver, restore_copy
):
    clients = {
        name: deployment.client(name, scopes=["agents:run"]) for name in ("one", "all", "kept")
    }
    app = deployment.client("app", scopes=["agents:run"], grant_types=WITH_REFRESH)
    deployment.role("runner", ["agents:run"])
    deployment.user("alice", roles=["runner"])
    tokens = {name: token_endpoint.client_credentials(each) for name, each in clients.items()}
    refreshed = token_endpoint.password(app, "alice", scope="agents:run offline_access")
    archive = backed_up(deployment.services)
    deployment.wait(timedelta(minutes=1))
    token_endpoint.revoke(clients["one"], tokens["one"].token)
    with deployment.changing() as work:
        work.clients.revoke_tokens("all")
    token_endpoint.revoke(app, refreshed.refresh_token)
    deployment.wait(timedelta(seconds=30))
    feed = deployment.http.get(PATH).content

    copy = restore_copy(archive, feed)
    found = Feed.of(copy.http)
    assert {name for name in tokens if found.refuses(tokens[name].token)} == {"one", "all"}
    assert copy.tokens.refresh(app, refreshed.refresh_token).error == "invalid_grant"
    assert copy.result.revoked.tokens == 2
    assert copy.result.revoked.ended == 1
    assert copy.result.revoked.principals["client_id"] == ["all"]
    assert "Clients all of whose tokens were revoked since: 1." in text_of(copy.result)
    copy.verify()


def test_it_names_users_and_clients_whose_tokens_were_revoked_since(
    deployment: Deployment, restore_copy
):
    alice, bot = deployment.user("alice"), deployment.client("bot", name="Pipeline")
    plain, archive = deployment.client("plain"), backed_up(deployment.services)
    later = deployment.user("later")
    deployment.wait(timedelta(minutes=1))
    with deployment.changing() as work:
        for user_id in (alice, later):
            work.users.revoke_tokens(user_id)
        for client in (bot, plain):
            work.clients.revoke_tokens(client.client_id)
    deployment.wait(timedelta(seconds=30))
    copy = restore_copy(archive, deployment.http.get(PATH).content)
    named = {name for each in copy.result.reminders for name in each.names}
    assert named >= {f"alice ({alice})", "Pipeline (bot)", "plain", later}


def test_a_saved_feed_revokes_keys_again(deployment: Deployment, restore_copy):
    keyring = deployment.services.keys.keyring
    keyring.reconcile()
    revoked = keyring.active("ES256")
    archive = backed_up(deployment.services)
    with deployment.changing() as work:
        work.keys.revoke(revoked.kid)
    deployment.wait(timedelta(minutes=1))
    feed = deployment.http.get(PATH).content
    copy = restore_copy(archive, feed)
    assert copy.result.revoked.keys == [revoked.kid]
    assert revoked.kid not in copy.http.get("/.well-known/jwks.json").text
    assert copy.services.keys.keyring.active("ES256").kid != revoked.kid


@on_sqlite
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda feed: feed[:-4] + b"AAAA", "is not one that a signing key of this backup signed"),
        (lambda feed: b"hello", "is not one that a signing key of this backup signed"),
        (lambda feed: b"\xff\x00" * 100, "is not one that a signing key of this backup signed"),
    ],
)
def test_a_forged_feed_is_refused(
    change: Callable[[bytes], bytes], message: str, deployment: Deployment, restore_copy
):
    archive = backed_up(deployment.services)
    deployment.wait(timedelta(minutes=1))
    with pytest.raises(IssuerError, match=message):
        restore_copy(archive, change(deployment.http.get(PATH).content))
    restore_copy(archive)


@on_sqlite
def test_a_feed_from_before_the_backup_is_refused(deployment: Deployment, restore_copy):
    feed = deployment.http.get(PATH).content
    deployment.wait(timedelta(minutes=1))
    deployment.http.get(PATH)
    with pytest.raises(IssuerError, match="older than that of the backup: it was signed at 2026"):
        restore_copy(backed_up(deployment.services), feed)


def test_it_names_only_what_the_backup_has(deployment: Deployment, restore_copy):
    deployment.user("alice")
    with deployment.services.database.reading() as session:
        last = session.scalar(select(func.max(AuditEventRow.id)))
    said = text_of(restore_copy(backed_up(deployment.services)).result)
    assert f"Audit events after {last} and" in said
    assert "Users: 1, clients: 1." in said
    assert "Client secrets: 1, passwords: 1." in said
    assert "Signing keys: 2." in said
    for absent in (
        "trusted issuers",
        "refresh families",
        "invitations",
        "recovery codes",
        "acting",
    ):
        assert absent not in said


def test_it_names_clients_that_may_have_exchanged_tokens_since(
    deployment: Deployment, token_endpoint: TokenDriver, restore_copy
):
    """The database has no row of these: what they were exchanged for does not end them."""
    acting = actors(deployment, token_endpoint)
    archive = backed_up(deployment.services)
    first = acting.sign_in().token
    exchanged = acting.by_agent(first).token
    copy = restore_copy(archive)
    assert "Acting clients: 3." in text_of(copy.result)
    with copy.deployment.changing() as work:
        work.clients.revoke_tokens("agent")
    found = Feed.of(copy.http)
    assert [found.refuses(each) for each in (first, exchanged)] == [False, True]


def test_only_an_empty_database_is_filled(deployment: Deployment, database_url: str):
    archive, settings = backed_up(deployment.services), elsewhere(deployment, database_url)
    migrate(database_url)
    restored(archive, settings, deployment.clock)
    with pytest.raises(IssuerError, match="is not empty: it has rows in audiences"):
        restored(archive, settings, deployment.clock)


@on_sqlite
def test_another_issuer_is_refused(deployment: Deployment, database_url: str):
    settings = elsewhere(deployment, database_url, url="https://other.example")
    with pytest.raises(IssuerError, match=r"the backup is of https://id\.example: set"):
        restored(backed_up(deployment.services), settings, deployment.clock)


@on_sqlite
def test_another_master_key_is_refused(deployment: Deployment, database_url: str):
    other = new_master_key(lambda size: b"x" * size)
    settings = elsewhere(deployment, database_url, master_key=other)
    with pytest.raises(IssuerError, match=r"whose fingerprint is [0-9a-f]{8}: use"):
        restored(backed_up(deployment.services), settings, deployment.clock)


def test_a_damaged_backup_leaves_an_empty_database(deployment: Deployment, database_url: str):
    archive, settings = backed_up(deployment.services), elsewhere(deployment, database_url)
    for damaged in (archive[:-1], archive[: len(archive) // 2], archive[:-9] + archive[-8:]):
        with pytest.raises(ArchiveUnusable, match="is damaged"):
            restored(damaged, settings, deployment.clock)
        assert tables(database_url) == []
    restored(archive, settings, deployment.clock)


@on_sqlite
def test_a_database_with_tables_of_another_application_is_refused(
    deployment: Deployment, database_url: str
):
    migrate(database_url)
    database = Database(database_url)
    with database.transaction() as session:
        session.connection().exec_driver_sql("CREATE TABLE theirs (id INTEGER)")
    database.dispose()
    with pytest.raises(IssuerError, match="has tables of another application: theirs"):
        restored(
            backed_up(deployment.services), elsewhere(deployment, database_url), deployment.clock
        )
    assert "theirs" in tables(database_url)


def changes(services: Composition) -> list[AuditEvent]:
    """The newest, newest first."""
    with services.administration.reading() as work:
        return work.audit_log.changes(20)


def tables(url: str) -> list[str]:
    engine = create_engine(url)
    try:
        return inspect(engine).get_table_names()
    finally:
        engine.dispose()


def text_of(result: Restored) -> str:
    return "\n".join(each.sentence for each in result.reminders)
