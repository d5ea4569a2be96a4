"""Times on pages."""

from datetime import UTC, datetime, timedelta

from issuer.cli.running.status import in_words
from issuer.web.words import ago

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def test_times_are_rounded_to_the_nearest_unit():
    """A right that was given for 8 hours a moment ago ends in 8 hours."""
    moment, minute, hour, day = (
        timedelta(**{u: 1}) for u in ("seconds", "minutes", "hours", "days")
    )
    expected = {
        8 * hour - 3 * moment: "in 8 hours",
        7 * hour + 29 * minute: "in 7 hours",
        7 * hour + 30 * minute: "in 8 hours",
        hour - 10 * moment: "in 1 hour",
        minute + 40 * moment: "in 2 minutes",
        minute - moment: "in a moment",
        day - 20 * minute: "in 1 day",
        30 * day - moment: "in 1 month",
        200 * day: "in 7 months",
        365 * day: "in 1 year",
        -(8 * hour - 3 * moment): "8 hours ago",
        -45 * moment: "just now",
    }
    assert {distance: ago(NOW + distance, NOW) for distance in expected} == expected


def test_commands_round_times_too():
    assert [in_words(each) for each in (59, 90, 3_599, 28_797, 86_399, 100_000)] == [
        *("59 s", "2 min", "1 h 0 min", "8 h 0 min", "1 d 0 h", "1 d 4 h")
    ]
