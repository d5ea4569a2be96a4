"""The share of the revocation feed that one client, one user or an operator may fill."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from issuer.agentos.revocation_feed import MAX_BYTES
from issuer.agentos.revocations import MAX_ENTRIES, read_revocations
from issuer.database.counts import FeedState
from issuer.revocations import Revocations
from issuer.revocations.revocations import FeedFull
from issuer.revocations.revoked import Revoked
from issuer.revocations.share import ENTRY_BYTES, FeedLimits, Listed
from issuer.revocations.store import UNLISTED, RevocationStore, RevokedPrincipal
from issuer.tokens.feed import feed_claims
from tests.builders import Deployment, FakeClock

HOUR = timedelta(hours=1)
TOKENS = {"jti", "sid"}
FEW = FeedLimits(tokens=200, principal_bytes=400)


def listed(deployment: Deployment) -> Counter[str]:
    """How many tokens and families are listed, by kind."""
    with deployment.services.database.reading() as session:
        return Counter(
            each.kind for each in RevocationStore(session).entries() if each.kind in TOKENS
        )


def principals(deployment: Deployment) -> set[RevokedPrincipal]:
    with deployment.services.database.reading() as session:
        return {
            RevokedPrincipal(each.kind, each.id)
            for each in RevocationStore(session).entries()
            if each.kind not in TOKENS and each.until > UNLISTED
        }


class Revoking:
    """Revocations with small limits, each in its own transaction."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._number = 0

    @property
    def expires_at(self) -> datetime:
        return self._deployment.clock().replace(microsecond=0) + HOUR

    def own_token(self, client_id: str, subject: str) -> bool:
        self._number += 1
        whose = {"client_id": client_id, "subject": subject}
        with self._deployment.services.database.changing() as session:
            revocations = Revocations(session, self._deployment.clock, limits=FEW)
            return revocations.revoke_own_token(f"{self._number:032x}", self.expires_at, **whose)

    def family(self, client_id: str, user_id: str) -> bool:
        self._number += 1
        whose = {"client_id": client_id, "user_id": user_id}
        with self._deployment.services.database.changing() as session:
            revocations = Revocations(session, self._deployment.clock, limits=FEW)
            return revocations.revoke_of_user(
                "sid", {f"family_{self._number}": self.expires_at}, **whose
            )

    def tokens(self, number: int) -> None:
        ids = range(self._number + 1, self._number + 1 + number)
        self._number += number
        with self._deployment.services.database.changing() as session:
            revocations = Revocations(session, self._deployment.clock, limits=FEW)
            revocations.revoke_tokens({f"{each:032x}": self.expires_at for each in ids})

    def subject(self, user_id: str, *, is_admin: bool = False) -> set[str]:
        """Those whose access tokens stay valid."""
        with self._deployment.services.database.changing() as session:
            revocations = Revocations(
                session, self._deployment.clock, limits=FEW, is_admin=lambda: is_admin
            )
            revocations.revoke_subject(user_id)
        return revocations.left_valid


@pytest.fixture
def revoking(deployment: Deployment) -> Revoking:
    return Revoking(deployment)


def test_beyond_its_share_all_own_tokens_of_a_client_are_revoked_and_no_others(
    deployment: Deployment, revoking: Revoking
):
    alone = [revoking.own_token("web", "web") for _ in range(60)]
    assert alone == sorted(alone, reverse=True)
    assert 0 < listed(deployment)["jti"] < 50
    assert principals(deployment) == {RevokedPrincipal("sub", "web")}
    assert revoking.own_token("other", "other")
    assert principals(deployment) == {RevokedPrincipal("sub", "web")}


def test_beyond_the_share_revoking_a_token_of_a_user_is_refused(
    deployment: Deployment, revoking: Revoking
):
    """An entry for the user or the client would revoke tokens of others."""
    with pytest.raises(FeedFull):
        for _ in range(60):
            revoking.own_token("web", "alice")
    assert principals(deployment) == set()
    assert revoking.own_token("web", "bob")
    assert revoking.own_token("other", "alice")


def test_beyond_the_share_a_family_revokes_the_access_tokens_of_its_user_only(
    deployment: Deployment, revoking: Revoking
):
    assert all(revoking.family("web", "alice") for _ in range(60))
    assert 0 < listed(deployment)["sid"] < 50
    assert principals(deployment) == {RevokedPrincipal("sub", "alice")}
    assert revoking.family("web", "bob")
    assert principals(deployment) == {RevokedPrincipal("sub", "alice")}


def test_the_error_tells_an_operator_to_revoke_all_tokens_of_the_user(
    deployment: Deployment, revoking: Revoking
):
    with pytest.raises(FeedFull, match="all tokens of the user"):
        revoking.tokens(51)
    assert not listed(deployment)
    revoking.tokens(50)
    with pytest.raises(FeedFull):
        revoking.tokens(50)
    assert listed(deployment)["jti"] == 50
    assert revoking.own_token("web", "web")


def test_tokens_that_are_listed_already_need_no_space(deployment: Deployment, clock: FakeClock):
    expires_at = clock().replace(microsecond=0) + HOUR
    named = {f"{each:032x}": expires_at for each in range(50)}
    for _ in range(2):
        with deployment.services.database.changing() as session:
            Revocations(session, clock, limits=FEW).revoke_tokens(named)
    assert listed(deployment)["jti"] == 50


def test_entries_of_users_are_bounded_and_existing_ones_can_be_renewed(
    deployment: Deployment, revoking: Revoking, clock: FakeClock
):
    """The bytes of ids count, since ids may be long. Some bytes are kept free for clients."""
    left_valid = [each for each in range(30) if revoking.subject(f"user-{each:02}")]
    there = 30 - len(left_valid)
    assert len(principals(deployment)) == there
    assert there == FEW.principal_bytes_of_operators // (len("user-00") + ENTRY_BYTES)
    assert revoking.subject("another") == {"another"}
    clock.move(timedelta(seconds=5))
    revoking.subject("user-00")
    for _ in range(60):
        assert revoking.family("web", "alice")
    assert len(principals(deployment)) == there + 1


def test_a_part_of_the_feed_is_for_admins(deployment: Deployment, revoking: Revoking):
    """Also once others, and users of clients that filled their share, have used theirs."""
    for number in range(30):
        revoking.subject(f"user-{number:02}")
    for number in range(90):
        revoking.family("web", f"alice-{number}")
    assert revoking.subject("mallory") == {"mallory"}
    assert not revoking.subject("mallory", is_admin=True)


def test_a_transaction_counts_the_entries_it_adds(deployment: Deployment, clock: FakeClock):
    with deployment.services.database.changing() as session:
        revocations = Revocations(session, clock, limits=FEW)
        for number in range(30):
            revocations.revoke_subject(f"user-{number:02}")
    assert len(principals(deployment)) == 30 - len(revocations.left_valid) < 30


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(1, 40), st.booleans()),
        max_size=300,
    )
)
def test_no_sequence_of_revocations_lists_more_than_the_limit(
    asked: list[tuple[int, int, int, bool]],
):
    """In any order; and there is always space for a client that has none listed."""
    limits, held = FeedLimits(tokens=1_000), Counter[tuple[int, int]]()
    for client, subject, number, is_own in asked:
        whose = (client, subject) if is_own else (-1, -1)
        of_client = sum(held[each] for each in held if each[0] == whose[0])
        state = Listed(held.total(), of_client, held[whose])
        if number <= limits.remaining(state, is_own=is_own):
            held[whose] += number
        assert held.total() <= limits.tokens
        assert limits.remaining(Listed(held.total(), 0, 0), is_own=True) > 0


def filled(limits: FeedLimits, id_length: int) -> Revoked:
    """As much as the limits allow, with ids of that length and ten-digit times."""
    at = int(datetime(2286, 1, 1, tzinfo=UTC).timestamp())
    half = limits.tokens // 2
    number = limits.principal_bytes // (id_length + ENTRY_BYTES)
    names = [f"{each:0{id_length}d}" for each in range(number)]
    third = number // 3
    return Revoked(
        tokens={f"{each:040x}": at for each in range(half)},
        sessions={f"{each:040x}": at for each in range(limits.tokens - half)},
        subjects=dict.fromkeys(names[:third], at),
        clients=dict.fromkeys(names[third : 2 * third], at),
        audiences=dict.fromkeys(names[2 * third :], at),
    )


@settings(max_examples=6, deadline=None)
@given(st.sampled_from([6, 20, 64, 128, 255]))
def test_every_verifier_reads_the_largest_feed(id_length: int):
    """With ids of any length, and as many revoked keys as a verifier allows."""
    now = FakeClock()()
    full = replace(filled(FeedLimits(), id_length), state=FeedState(1, now))
    claims = feed_claims("https://" + "i" * 247, full, [], now)
    claims["revoked"]["kid"] = [f"{each:043}" for each in range(10_000)]
    payload = to_json(claims)
    signature_and_header = 2_000
    assert -(-len(payload) // 3) * 4 + signature_and_header < MAX_BYTES
    read, _ = read_revocations(payload)
    assert sum(read.count.values()) < MAX_ENTRIES
