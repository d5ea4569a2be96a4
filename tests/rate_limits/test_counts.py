"""Counts use bounded memory, and a new window starts from zero."""

from issuer.rate_limits.request_limits import WindowCounts


def test_a_key_is_counted_within_its_window():
    counts = WindowCounts()
    assert [counts.add("a", 1), counts.add("a", 1), counts.add("b", 1)] == [1, 2, 1]
    assert (counts.of("a", 1), counts.of("other", 1)) == (2, 0)


def test_a_new_window_starts_from_zero():
    counts = WindowCounts()
    for number in range(1_000):
        counts.add(str(number), 1)
    assert counts.of("7", 2) == 0
    assert len(counts) == 0


def test_a_clock_that_is_set_back_starts_a_new_window():
    counts = WindowCounts()
    counts.add("a", 2)
    assert counts.add("a", 1) == 1


def test_at_most_a_hundred_thousand_keys_are_kept():
    counts = WindowCounts()
    for number in range(1_000_000):
        counts.add(f"2001:db8:{number:x}::/64", 1)
    assert len(counts) == 100_000


def test_the_least_recently_counted_key_is_dropped():
    counts = WindowCounts(max_keys=10)
    for number in range(100):
        counts.add("guesser", 1)
        counts.add(str(number), 1)
    assert counts.of("guesser", 1) == 100
