"""Revocations in memory, as pure functions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.database.counts import FeedState
from issuer.revocations import TokenIdentity
from issuer.revocations.revocations import issued_so_far
from issuer.revocations.revoked import Revoked
from issuer.tokens.feed import feed_claims
from issuer.vocabulary import MAX_TOKEN, VERIFIERS_BEHIND
from tests.builders import URL, FakeClock
from tests.rows import rows

NOW = FakeClock()()
OF_ALICE = TokenIdentity(
    jti="j",
    sid="s",
    subject="alice",
    client_id="web",
    audience="my-os",
    issued_at=datetime.fromtimestamp(100, UTC),
)


@rows(
    ("revoked", "is_revoked"),
    [
        (Revoked(), False),
        (Revoked(tokens={"j": 1}), True),
        (Revoked(tokens={"J": 1}), False),
        (Revoked(sessions={"s": 1}), True),
        (Revoked(sessions={"j": 1}, tokens={"s": 1}), False),
        (Revoked(subjects={"alice": 99}), False),
        (Revoked(subjects={"alice": 100}), True),
        (Revoked(clients={"web": 100}), True),
        (Revoked(audiences={"my-os": 99}), False),
        (Revoked(audiences={"my-os": 100}), True),
        (Revoked(audiences={"My-os": 100, "alice": 100, "web": 100}), False),
        (Revoked(subjects={"web": 100}, clients={"alice": 100}), False),
        (Revoked(subjects={"alice": 100}, clients={"web": 1}), True),
    ],
)
def test_a_token_is_revoked_by_any_entry_that_applies_to_it(revoked: Revoked, is_revoked: bool):
    assert revoked.includes(OF_ALICE) == is_revoked


# Revocations by an operator, and the passing of time in one process.
TOKEN = st.tuples(st.sampled_from(["jti", "sid"]), st.sampled_from("abc"), st.integers(60, 86_400))
KINDS = {
    "jti": "tokens",
    "sid": "sessions",
    "sub": "subjects",
    "client_id": "clients",
    "aud": "audiences",
}
OF_TOKENS = {"jti", "sid"}
PRINCIPAL = st.tuples(
    st.sampled_from(["sub", "client_id", "aud"]), st.sampled_from("xyz"), st.just(0)
)
PASSES = st.tuples(st.just("passes"), st.just(""), st.integers(0, 100_000))
JUMPS = st.tuples(st.just("jumps"), st.just(""), st.integers(-60, 60))


@given(st.lists(st.one_of(TOKEN, PRINCIPAL, PASSES, JUMPS), max_size=40))
@settings(deadline=None)
def test_an_entry_stays_until_the_last_token_has_expired(
    steps: list[tuple[str, str, int]],
):
    """For any revocations, and any allowed corrections of the clock meanwhile."""
    true_now = FakeClock()()
    ahead = timedelta(0)
    revoked, known = Revoked(FeedState(0, true_now)), dict[tuple[str, str], int]()
    for kind, name, number in steps:
        if kind == "passes":
            true_now += timedelta(seconds=number)
        elif kind == "jumps":
            ahead = timedelta(seconds=number)
        else:
            so_far = issued_so_far(true_now + ahead)
            at = so_far if kind not in OF_TOKENS else so_far + timedelta(seconds=number)
            known[kind, name] = max(known.get((kind, name), 0), int(at.timestamp()))
            revoked = with_entry(revoked, kind, name, known[kind, name])
        revoked = revoked.still_trusted(true_now + ahead)
        claims: dict[str, Any] = feed_claims(URL, revoked, [], true_now + ahead)
        for (what, whose), value in known.items():
            lifetime = timedelta(0) if what in OF_TOKENS else MAX_TOKEN
            if datetime.fromtimestamp(value, UTC) + lifetime + VERIFIERS_BEHIND > true_now:
                assert claims["revoked"][what][whose] == value


def with_entry(revoked: Revoked, kind: str, name: str, value: int) -> Revoked:
    table = KINDS[kind]
    return replace(revoked, **{table: {**getattr(revoked, table), name: value}})
