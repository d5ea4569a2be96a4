"""Revocations, on both databases."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import event

from issuer.revocations import TokenIdentity
from issuer.revocations.store import RevocationStore, RevokedPrincipal
from issuer.vocabulary import MAX_CLOCK_SKEW, MAX_TOKEN, TOKEN_RETENTION
from tests.builders import Deployment, FakeClock

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def store(deployment: Deployment, question):
    with deployment.services.database.reading() as session:
        return question(RevocationStore(session))


def tokens(deployment: Deployment) -> dict[str, datetime]:
    found = store(deployment, lambda asked: list(asked.entries()))
    return {each.id: each.until for each in found if each.kind == "jti"}


def not_after(deployment: Deployment) -> dict[RevokedPrincipal, datetime]:
    found = store(deployment, lambda asked: list(asked.entries()))
    return {
        RevokedPrincipal(each.kind, each.id): each.until
        for each in found
        if each.kind not in {"jti", "sid"}
    }


def is_revoked(deployment: Deployment, issued_at: datetime, **names: str) -> bool:
    whose = {"jti": "j", "subject": "alice", "client_id": "web", "audience": "my-os", **names}
    token = TokenIdentity(sid=None, issued_at=issued_at, **whose)
    return deployment.services.tokens.is_revoked(token)


def test_a_revoked_token_is_stored_with_its_expiry(deployment: Deployment, clock: FakeClock):
    expires_at = clock().replace(microsecond=0) + HOUR
    with deployment.changing() as work:
        work.revocations.revoke_tokens({"a": expires_at, "b": expires_at})
        work.revocations.revoke_tokens({"a": expires_at})
    assert tokens(deployment) == {"a": expires_at, "b": expires_at}
    assert is_revoked(deployment, clock(), jti="a")
    assert not is_revoked(deployment, clock(), jti="A")


@pytest.mark.parametrize(("first", "then"), [(1, 2), (2, 1)])
def test_the_later_of_two_expiries_is_kept(
    deployment: Deployment, clock: FakeClock, first: int, then: int
):
    now = clock().replace(microsecond=0)
    for hours in (first, then):
        with deployment.changing() as work:
            work.revocations.revoke_tokens({"a": now + hours * HOUR})
    assert tokens(deployment) == {"a": now + 2 * HOUR}


def test_an_expired_token_is_skipped(deployment: Deployment, clock: FakeClock):
    before = store(deployment, RevocationStore.state)
    with deployment.changing() as work:
        work.revocations.revoke_tokens({"expired": clock() - TOKEN_RETENTION})
        work.revocations.revoke_tokens({})
    assert tokens(deployment) == {}
    assert store(deployment, RevocationStore.state) == before


@pytest.mark.parametrize(("many", "statements"), [(200, 1), (2_500, 3)])
def test_many_tokens_need_few_statements(
    deployment: Deployment, clock: FakeClock, many: int, statements: int
):
    seen: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(deployment.services.database.engine, "before_cursor_execute", note)
    with deployment.changing() as work:
        work.revocations.revoke_tokens({f"jti-{number}": clock() + HOUR for number in range(many)})
    event.remove(deployment.services.database.engine, "before_cursor_execute", note)
    assert len([each for each in seen if "INSERT INTO revoked_tokens" in each]) == statements
    assert len(tokens(deployment)) == many


def test_tokens_issued_until_every_process_has_seen_the_change_are_revoked(
    deployment: Deployment, clock: FakeClock
):
    """Whole seconds, and one more: another process issues until it has read the change."""
    now = clock().replace(microsecond=0)
    with deployment.changing() as work:
        work.revocations.revoke_subject("alice")
        work.revocations.revoke_client("web")
        work.revocations.revoke_audience("my-os")
    assert is_revoked(deployment, now + SECOND, client_id="other", audience="other-os")
    assert is_revoked(deployment, now + SECOND, subject="bob", audience="other-os")
    assert is_revoked(deployment, now + SECOND, subject="bob", client_id="other")
    assert not is_revoked(deployment, now + 2 * SECOND)
    assert not is_revoked(deployment, now, subject="web", client_id="my-os", audience="alice")
    assert not is_revoked(deployment, now, subject="Alice", client_id="other", audience="My-os")


def test_an_audience_id_of_255_characters_can_be_revoked(deployment: Deployment, clock: FakeClock):
    longest = "https://os.example/" + "a" * 236
    deployment.audience(longest)
    with deployment.changing() as work:
        work.audiences.delete(longest)
    assert is_revoked(deployment, clock(), audience=longest)
    assert not is_revoked(deployment, clock(), audience=longest[:-1])


def test_tokens_issued_until_the_end_of_the_transaction_are_revoked(
    deployment: Deployment, clock: FakeClock
):
    """Until the commit no process sees the change, and all issue tokens."""
    with deployment.changing() as work:
        work.revocations.revoke_subject("alice")
        work.revocations.revoke_audience("my-os")
        clock.move(5 * SECOND)
    assert is_revoked(deployment, clock(), audience="other-os")
    assert is_revoked(deployment, clock(), subject="bob")


def test_tokens_issued_while_a_commit_takes_long_are_revoked(
    deployment: Deployment, clock: FakeClock
):
    """No process sees the change before, also where every commit takes long."""
    committed: list[datetime] = []

    def commit_slowly(_connection: object) -> None:
        clock.move(5 * SECOND)
        committed.append(clock())

    engine = deployment.services.database.engine
    event.listen(engine, "commit", commit_slowly)
    with deployment.changing() as work:
        work.revocations.revoke_client("web")
    event.remove(engine, "commit", commit_slowly)
    assert is_revoked(deployment, committed[0])
    assert not is_revoked(deployment, committed[-1])


def test_the_instant_of_an_entry_never_moves_back(deployment: Deployment, clock: FakeClock):
    with deployment.changing() as work:
        work.revocations.revoke_subject("alice")
    before = not_after(deployment)
    clock.move(-HOUR)
    with deployment.changing() as work:
        work.revocations.revoke_subject("alice")
    assert not_after(deployment) == before


def test_every_change_increments_the_count_of_the_feed(deployment: Deployment, clock: FakeClock):
    counts = [store(deployment, RevocationStore.state).count]
    for revoke in (
        lambda revocations: revocations.revoke_tokens({"a": clock() + HOUR}),
        lambda revocations: revocations.revoke_subject("alice"),
        lambda revocations: revocations.revoke_client("web"),
        lambda revocations: revocations.revoke_audience("my-os"),
    ):
        with deployment.changing() as work:
            revoke(work.revocations)
        counts.append(store(deployment, RevocationStore.state).count)
    assert counts == sorted(set(counts))
    assert store(deployment, RevocationStore.state).issued_at == clock()


def test_the_time_of_the_feed_never_goes_back(deployment: Deployment, clock: FakeClock):
    with deployment.changing() as work:
        work.revocations.revoke_subject("alice")
    before = store(deployment, RevocationStore.state)
    clock.move(-HOUR)
    with deployment.changing() as work:
        work.revocations.revoke_subject("bob")
    after = store(deployment, RevocationStore.state)
    assert (after.count, after.issued_at) == (before.count + 1, before.issued_at)


def test_a_transaction_that_fails_revokes_nothing(deployment: Deployment, clock: FakeClock):
    with pytest.raises(ZeroDivisionError), deployment.changing() as work:
        work.revocations.revoke_subject("alice")
        raise ZeroDivisionError
    assert not_after(deployment) == {}


def test_an_entry_is_deleted_when_no_process_lists_it_any_more(
    deployment: Deployment, clock: FakeClock
):
    clock.move(timedelta(milliseconds=500))  # to a whole second
    with deployment.changing() as work:
        work.revocations.revoke_subject("alice")
        work.revocations.revoke_tokens({"a": clock() + HOUR})
    clock.move(HOUR + TOKEN_RETENTION + MAX_CLOCK_SKEW)
    with deployment.changing() as work:
        assert work.revocations.delete_expired() == 1
    clock.move(MAX_TOKEN - HOUR)
    with deployment.changing() as work:
        assert work.revocations.delete_expired() == 0
    clock.move(SECOND)
    with deployment.changing() as work:
        assert work.revocations.delete_expired() == 1
