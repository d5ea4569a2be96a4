"""Counting costs a bounded memory, and a new window begins with nothing."""

from issuer.rate_limits.counts import WindowCounts


def test_a_key_is_counted_within_its_window():
    counts = WindowCounts()
    assert [counts.add("a", 1), counts.add("a", 1), counts.add("b", 1)] == [1, 2, 1]
    assert (counts.of("a", 1), counts.of("nobody", 1)) == (2, 0)


def test_a_new_window_forgets_all():
    counts = WindowCounts()
    for number in range(1_000):
        counts.add(str(number), 1)
    assert counts.of("7", 2) == 0
    assert len(counts) == 0


def test_a_clock_that_is_set_back_begins_a_window_too():
    counts = WindowCounts()
    counts.add("a", 2)
    assert counts.add("a", 1) == 1


def test_a_million_addresses_take_the_room_of_a_hundred_thousand():
    counts = WindowCounts()
    for number in range(1_000_000):
        counts.add(f"2001:db8:{number:x}::/64", 1)
    assert len(counts) == 100_000


def test_who_goes_on_is_remembered_while_others_come_and_go():
    counts = WindowCounts(max_keys=10)
    for number in range(100):
        counts.add("guesser", 1)
        counts.add(str(number), 1)
    assert counts.of("guesser", 1) == 100
