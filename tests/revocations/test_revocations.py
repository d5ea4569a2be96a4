"""What is revoked, on both databases."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import event

from issuer.revocations.store import Principal, RevocationStore
from issuer.vocabulary import CLOCKS_APART, LONGEST_TOKEN, STILL_BELIEVED
from tests.builders import FakeClock, House

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def store(house: House, question):
    with house.services.database.reading() as session:
        return question(RevocationStore(session))


def tokens(house: House) -> dict[str, datetime]:
    found = store(house, lambda asked: list(asked.tokens()))
    return {jti: expires_at for kind, jti, expires_at in found if kind == "jti"}


def not_after(house: House) -> dict[Principal, datetime]:
    return dict(store(house, lambda asked: list(asked.principals())))


def is_revoked(house: House, issued_at: datetime, **names: str) -> bool:
    whose = {"jti": "j", "subject": "alice", "client_id": "web", "audience": "my-os", **names}
    with house.services.administration.reading() as rooms:
        return rooms.revocations.names(sid=None, issued_at=issued_at, **whose)


def test_a_revoked_token_is_on_record_with_its_expiry(house: House, clock: FakeClock):
    expires_at = clock().replace(microsecond=0) + HOUR
    with house.changing() as rooms:
        rooms.revocations.tokens({"a": expires_at, "b": expires_at})
        rooms.revocations.tokens({"a": expires_at})
    assert tokens(house) == {"a": expires_at, "b": expires_at}
    assert is_revoked(house, clock(), jti="a")
    assert not is_revoked(house, clock(), jti="A")


@pytest.mark.parametrize(("first", "then"), [(1, 2), (2, 1)])
def test_of_two_expiries_the_later_stays(house: House, clock: FakeClock, first: int, then: int):
    now = clock().replace(microsecond=0)
    for hours in (first, then):
        with house.changing() as rooms:
            rooms.revocations.tokens({"a": now + hours * HOUR})
    assert tokens(house) == {"a": now + 2 * HOUR}


def test_a_token_nobody_believes_any_more_is_passed_over(house: House, clock: FakeClock):
    before = store(house, RevocationStore.state)
    with house.changing() as rooms:
        rooms.revocations.tokens({"dead": clock() - STILL_BELIEVED})
        rooms.revocations.tokens({})
    assert tokens(house) == {}
    assert store(house, RevocationStore.state) == before


@pytest.mark.parametrize(("many", "statements"), [(200, 1), (2_500, 3)])
def test_many_tokens_are_few_statements(house: House, clock: FakeClock, many: int, statements: int):
    seen: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(house.services.database.engine, "before_cursor_execute", note)
    with house.changing() as rooms:
        rooms.revocations.tokens({f"jti-{number}": clock() + HOUR for number in range(many)})
    event.remove(house.services.database.engine, "before_cursor_execute", note)
    assert len([each for each in seen if "INSERT INTO revoked_tokens" in each]) == statements
    assert len(tokens(house)) == many


def test_so_far_is_until_every_process_has_seen_it(house: House, clock: FakeClock):
    """Whole seconds, and one more: another process issues until it has looked."""
    now = clock().replace(microsecond=0)
    with house.changing() as rooms:
        rooms.revocations.subject("alice")
        rooms.revocations.client("web")
        rooms.revocations.audience("my-os")
    assert is_revoked(house, now + SECOND, client_id="other", audience="other-os")
    assert is_revoked(house, now + SECOND, subject="bob", audience="other-os")
    assert is_revoked(house, now + SECOND, subject="bob", client_id="other")
    assert not is_revoked(house, now + 2 * SECOND)
    assert not is_revoked(house, now, subject="web", client_id="my-os", audience="alice")
    assert not is_revoked(house, now, subject="Alice", client_id="other", audience="My-os")


def test_the_longest_id_of_an_audience_is_taken(house: House, clock: FakeClock):
    """CONTRACT §3: 255 characters."""
    longest = "https://os.example/" + "a" * 236
    house.audience(longest)
    with house.changing() as rooms:
        rooms.audiences.delete(longest)
    assert is_revoked(house, clock(), audience=longest)
    assert not is_revoked(house, clock(), audience=longest[:-1])


def test_so_far_is_as_of_the_end_of_the_transaction(house: House, clock: FakeClock):
    """Until the commit nobody sees it, and all go on issuing."""
    with house.changing() as rooms:
        rooms.revocations.subject("alice")
        rooms.revocations.audience("my-os")
        clock.move(5 * SECOND)
    assert is_revoked(house, clock(), audience="other-os")
    assert is_revoked(house, clock(), subject="bob")


def test_so_far_never_moves_back(house: House, clock: FakeClock):
    with house.changing() as rooms:
        rooms.revocations.subject("alice")
    before = not_after(house)
    clock.move(-HOUR)
    with house.changing() as rooms:
        rooms.revocations.subject("alice")
    assert not_after(house) == before


def test_every_change_moves_the_feed(house: House, clock: FakeClock):
    counts = [store(house, RevocationStore.state).count]
    for revoke in (
        lambda room: room.tokens({"a": clock() + HOUR}),
        lambda room: room.subject("alice"),
        lambda room: room.client("web"),
        lambda room: room.audience("my-os"),
    ):
        with house.changing() as rooms:
            revoke(rooms.revocations)
        counts.append(store(house, RevocationStore.state).count)
    assert counts == sorted(set(counts))
    assert store(house, RevocationStore.state).issued_at == clock()


def test_the_feed_is_never_of_an_earlier_time(house: House, clock: FakeClock):
    with house.changing() as rooms:
        rooms.revocations.subject("alice")
    before = store(house, RevocationStore.state)
    clock.move(-HOUR)
    with house.changing() as rooms:
        rooms.revocations.subject("bob")
    after = store(house, RevocationStore.state)
    assert (after.count, after.issued_at) == (before.count + 1, before.issued_at)


def test_what_is_refused_is_not_revoked(house: House, clock: FakeClock):
    """A transaction that fails takes nothing back."""
    with pytest.raises(ZeroDivisionError), house.changing() as rooms:
        rooms.revocations.subject("alice")
        raise ZeroDivisionError
    assert not_after(house) == {}


def test_an_entry_is_forgotten_when_no_process_lists_it_any_more(house: House, clock: FakeClock):
    clock.move(timedelta(milliseconds=500))  # to a whole second
    with house.changing() as rooms:
        rooms.revocations.subject("alice")
        rooms.revocations.tokens({"a": clock() + HOUR})
    clock.move(HOUR + STILL_BELIEVED + CLOCKS_APART)
    with house.changing() as rooms:
        assert rooms.revocations.forget() == 1
    clock.move(LONGEST_TOKEN - HOUR)
    with house.changing() as rooms:
        assert rooms.revocations.forget() == 0
    clock.move(SECOND)
    with house.changing() as rooms:
        assert rooms.revocations.forget() == 1
