"""A revoked token stays revoked, whatever later feeds contain, in any order."""

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.agentos.errors import NotFetched
from issuer.agentos.key_set import read_key_set
from issuer.agentos.revocations import (
    MAX_CLOCK_SKEW,
    MAX_ENTRIES,
    RevokedEntries,
    read_feed,
    read_revocations,
)
from issuer.agentos.rules import TokenRules
from tests.agentos_core.keys import key, key_set
from tests.rows import rows

ISSUER = "https://id.example"
RULES = TokenRules(ISSUER, "my-os")
KEYS = read_key_set(key_set(key("k1"), key("k2")), ["ES256"])
T = 1_800_000_000
DAY = 86_400

names = st.sampled_from("abc")
seconds_from_now = st.integers(-2 * DAY, DAY)
times = st.dictionaries(names, seconds_from_now, max_size=3)
MEMBERS = {
    "jti": "tokens",
    "sid": "sessions",
    "sub": "subjects",
    "client_id": "clients",
    "aud": "audiences",
}
steps = st.fixed_dictionaries(
    {
        "passed": st.sampled_from([0, 1, 5, 600, 3_600, 50_000, DAY]),
        "age": st.sampled_from([0, 0, 0, 1, 5, 599, 600, 5_000, -30, -299, -301]),
        "jti": times,
        "sid": times,
        "sub": times,
        "client_id": times,
        "aud": times,
        "kid": st.lists(st.sampled_from(["k2", "k3"]), max_size=1),
        "signed_by": st.sampled_from(["k1", "k1", "k2", "k9"]),
        "restarts": st.booleans(),
    }
)


def is_refused(known: RevokedEntries, kid: str = "k1", **claims: object) -> bool:
    try:
        known.refuse(kid, claims)
    except jwt.InvalidTokenError:
        return True
    return False


class FeedHistory:
    """What a verifier holds, and every feed that it has ever accepted."""

    def __init__(self) -> None:
        self.known = RevokedEntries()
        self.now = T
        self.accepted: list[RevokedEntries] = []

    def apply(self, step: dict[str, object]) -> None:
        self.now += step["passed"]
        issued_at = self.now - step["age"]
        revoked: dict[str, object] = {"kid": step["kid"]}
        for member in MEMBERS:
            revoked[member] = {name: self.now + at for name, at in step[member].items()}
        claims = {"iss": ISSUER, "iat": issued_at, "exp": issued_at + 600, "revoked": revoked}
        feed = key(step["signed_by"]).sign(claims, typ="revocations+jwt").encode()
        try:
            revocations = read_feed(feed, KEYS, self.known, RULES, self.now)
        except NotFetched:
            return
        self.accepted.append(revocations)
        self.known = revocations.after(self.known, RULES.leeway + MAX_CLOCK_SKEW)
        if step["restarts"]:
            self.known, _ = read_revocations(self.known.as_json())


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=8))
def test_a_revoked_token_that_has_not_expired_is_never_accepted_again(
    steps_taken: list[dict[str, object]],
):
    """Whatever the sequence of feeds, times and restarts."""
    history = FeedHistory()
    for step in steps_taken:
        history.apply(step)
    valid_after = history.now - RULES.leeway
    for feed in history.accepted:
        for jti, expires_at in feed.tokens.items():
            assert expires_at <= valid_after or is_refused(history.known, jti=jti, iat=history.now)
        for sid, not_after in feed.sessions.items():
            assert not_after + DAY <= valid_after or is_refused(
                history.known, sid=sid, iat=not_after
            )
        for sub, not_after in feed.subjects.items():
            assert not_after + DAY <= valid_after or is_refused(
                history.known, sub=sub, iat=not_after
            )
        for client_id, not_after in feed.clients.items():
            is_valid = not_after + DAY > valid_after
            assert not is_valid or is_refused(history.known, client_id=client_id, iat=not_after)
        for audience, not_after in feed.audiences.items():
            is_valid = not_after + DAY > valid_after
            for aud in (audience, ["x", audience]):
                assert not is_valid or is_refused(history.known, aud=aud, iat=not_after)
        for kid in feed.keys:
            assert is_refused(history.known, kid, iat=history.now)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=8), names, st.integers(-DAY, 0))
def test_a_token_that_was_never_revoked_is_accepted(
    steps_taken: list[dict[str, object]], name: str, issued: int
):
    history = FeedHistory()
    for step in steps_taken:
        history.apply(step)
    issued_at = history.now + issued
    unlisted = {"jti": "x", "sub": "x", "client_id": "x", "aud": ["x"]}
    assert not is_refused(history.known, "k1", iat=issued_at, **unlisted)
    for member, kind in MEMBERS.items():
        ever = [getattr(feed, kind).get(name, -1) for feed in history.accepted]
        is_listed = member == "jti" or max(ever, default=-1) >= issued_at
        if not is_listed or max(ever, default=-1) == -1:
            assert not is_refused(history.known, "k1", **{"iat": issued_at, member: name})


def test_too_many_entries_are_refused():
    """Ever new entries must not fill the memory of an AgentOS."""
    known = RevokedEntries(T, T, dict.fromkeys(map(str, range(MAX_ENTRIES)), T + DAY))
    assert RevokedEntries(T + 5).after(known, 0).count["jti"] == MAX_ENTRIES
    for more in (
        RevokedEntries(T + 5, tokens={"one more": T + DAY}),
        RevokedEntries(T + 5, subjects={"one more": T + DAY}),
    ):
        with pytest.raises(NotFetched):
            more.after(known, 0)
    keys = frozenset(map(str, range(10_000)))
    with pytest.raises(NotFetched):
        RevokedEntries(keys=keys).after(RevokedEntries(keys=frozenset({"one more"})), 0)


@given(st.fixed_dictionaries(dict.fromkeys(MEMBERS.values(), times)), st.lists(names))
def test_revocations_written_to_disk_are_read_back_unchanged(
    held: dict[str, dict[str, int]], kid: list[str]
):
    later = {
        kind: {f'"{name}\\': at + T for name, at in each.items()} for kind, each in held.items()
    }
    known = RevokedEntries(T, T + 600, **later, keys=frozenset(kid))
    assert read_revocations(known.as_json())[0] == known


def test_above_the_limit_sessions_that_the_feed_no_longer_lists_are_dropped():
    """An issuer lists many in a day, each for minutes: that must not make the feed unusable."""
    families = dict.fromkeys(map(str, range(MAX_ENTRIES)), T)
    known = RevokedEntries(T, T + 600, sessions=families, subjects={"alice": T})
    later = RevokedEntries(T + 5, T + 605, sessions={"new": T})
    kept = later.after(known, 0)
    assert (kept.sessions, kept.subjects) == ({"new": T}, {"alice": T})


def test_is_covered_by_compares_all_entries():
    known = RevokedEntries(T, T, {"a": T, "b": T}, {"c": T}, {}, frozenset({"k1"}))
    for same in (known, RevokedEntries(T + 5), RevokedEntries(T, T, {"a": T - 5})):
        assert same.is_covered_by(known)
    for more in (
        RevokedEntries(tokens={"c": T}),
        RevokedEntries(tokens={"a": T + 1}),
        RevokedEntries(subjects={"a": T}),
        RevokedEntries(clients={"c": T}),
        RevokedEntries(audiences={"my-os": T}),
        RevokedEntries(sessions={"family_1": T}),
        RevokedEntries(keys=frozenset({"k2"})),
    ):
        assert not more.is_covered_by(known)


@rows(
    "claims",
    [{}, {"iat": T}, {"sub": None, "client_id": 5, "jti": []}, {"aud": [5, None, []]}, {"aud": {}}],
)
def test_no_revocations_refuse_no_token(claims: dict[str, object]):
    assert not is_refused(RevokedEntries(), **claims)
