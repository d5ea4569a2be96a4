"""`issuer key`."""

from datetime import UTC, datetime, timedelta

from issuer.keys import SigningKey
from issuer.keys.described import describe
from issuer.vocabulary import SigningAlgorithm
from tests.cli.driver import Cli

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_one_key_is_active_and_the_next_is_announced(cli: Cli):
    next_key, active = cli.json("key", "list")["items"]
    assert (next_key["state"], active["state"]) == ("announced", "active")
    assert active["retires_at"] == next_key["activates_at"]
    assert active["summary"].startswith(next_key["summary"].replace("from", "until"))
    assert {next_key["alg"], active["alg"]} == {"ES256"}
    shown = cli.done("key", "list")
    assert active["kid"] in shown
    assert active["summary"] in shown


def test_a_private_part_is_never_shown(cli: Cli):
    for key in cli.json("key", "list")["items"]:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & {*key, *key["public_jwk"]}


def test_what_a_key_does_in_words():
    keys = [
        key("old", NOW - timedelta(days=30)),
        key("now", NOW - timedelta(hours=1)),
        key("next", NOW + timedelta(days=29)),
        key("gone", NOW - timedelta(days=60), destroyed_at=NOW - timedelta(days=29)),
        key("bad", NOW - timedelta(days=60), revoked_at=NOW - timedelta(days=50)),
    ]
    assert [describe(keys, each, NOW).summary for each in keys] == [
        "published until 26 Nov 2026",
        "signs until 24 Dec 2026, next key announced 23 Dec 2026",
        "signs from 24 Dec 2026",
        "destroyed 27 Oct 2026",
        "revoked 6 Oct 2026",
    ]


def key(kid: str, activates_at: datetime, **dates: datetime) -> SigningKey:
    announced_at = activates_at - timedelta(days=1)
    return SigningKey(
        kid, SigningAlgorithm.ES256, {}, announced_at, activates_at, activates_at, **dates
    )
