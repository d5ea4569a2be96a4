"""The key set on disk, for a start while the issuer is unavailable."""

import json
import logging
import os
import stat
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from issuer.agentos.errors import KeySetUnavailable, RevocationsUnavailable
from issuer.agentos.files import DiskCache
from issuer.agentos.key_set_client import Held
from tests.agentos_core.conftest import AUDIENCE, NOW, Clocks, Following
from tests.agentos_core.hostile_server import KEYS, STANDARD, HostileServer, answer
from tests.agentos_core.keys import key, key_set
from tests.owners import give_to_another_user
from tests.rows import rows

HOUR = 3_600.0
NOW_SECOND = int(NOW)

Follow = Callable[..., Following]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def cache(file: Path, clocks: Clocks) -> DiskCache:
    return DiskCache(file, "https://id.example", clocks.monotonic, clocks.time)


@pytest.fixture
def write(file: Path, server: HostileServer) -> Callable[..., None]:
    """Write a valid cache file with these members changed."""

    def write(**entry: Any) -> None:
        body = b64encode(key_set(key())).decode()
        good = {"issuer": server.url, "seen_at": NOW - HOUR, "body": body}
        file.write_text(json.dumps(good | entry))
        file.chmod(0o600)

    return write


def held(body: bytes, clocks: Clocks) -> Held[bytes]:
    return Held(body, body, None, clocks.steady)


def stop_issuer(server: HostileServer) -> None:
    server.at(STANDARD, answer(status=503))
    server.at(KEYS, answer(status=503))


def test_a_start_while_the_issuer_is_unavailable_uses_it(
    follow: Follow, server: HostileServer, file: Path
):
    follow(cache_file=file).look_for()
    stop_issuer(server)
    again = follow(cache_file=file)
    again.issuer.start()
    assert again.issuer.claims(again.token())
    assert again.issuer.status()["seen_at"] == "2027-01-15T08:00:00+00:00"


def test_a_fetched_key_set_replaces_it(
    follow: Follow, server: HostileServer, file: Path, write: Callable[..., None]
):
    write()
    server.publish(key_set(key("new")))
    following = follow(cache_file=file)
    following.look_for()
    assert following.kids == {"new"}
    assert b64encode(key_set(key("new"))).decode() == json.loads(file.read_text())["body"]


def test_its_age_survives_a_restart(
    follow: Follow, server: HostileServer, clocks: Clocks, file: Path, write: Callable[..., None]
):
    """The wall clock measures it: the monotonic clock of another process does not apply."""
    stop_issuer(server)
    write(seen_at=NOW - 23 * HOUR)
    following = follow(cache_file=file, revocations=False)
    following.issuer.start()
    clocks.move(HOUR)
    assert following.issuer.claims(following.token())
    clocks.move(1)
    with pytest.raises(KeySetUnavailable):
        following.issuer.claims(following.token())


@pytest.mark.parametrize("unfit", ["pipe", "link", "device", "large", "group", "owner"])
def test_a_file_that_others_could_have_written_is_not_used(
    follow: Follow,
    server: HostileServer,
    file: Path,
    write: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    unfit: str,
):
    """An endless file does not block the start either. The next key set replaces it."""
    write()
    elsewhere = file.with_name("elsewhere")
    match unfit:
        case "pipe":
            file.unlink()
            os.mkfifo(file)
        case "link":
            file.rename(elsewhere).chmod(0o600)
            file.symlink_to(elsewhere)
        case "device":
            file.unlink()
            file.symlink_to("/dev/zero")
        case "large":
            os.truncate(file, 40 * 1024 * 1024)
        case "group":
            file.chmod(0o620)
        case "owner":
            give_to_another_user(file, monkeypatch)
    following = follow(cache_file=file, revocations=False)
    stop_issuer(server)
    following.issuer.start()
    assert following.kids == set()
    assert f"The key set in {file} is not used" in caplog.text


@rows(
    "entry",
    [
        {"issuer": "https://other.example"},
        {"issuer": None},
        {"seen_at": NOW - 24 * HOUR - 1},
        {"seen_at": 0},
        {"seen_at": -(10**400)},
        {"seen_at": NOW + 61},
        {"seen_at": 10**400},
        {"seen_at": float("nan")},
        {"seen_at": float("inf")},
        {"seen_at": float("-inf")},
        {"seen_at": None},
        {"seen_at": "yesterday"},
        {"body": None},
        {"body": 5},
        {"body": "é"},
        {"body": "AAAA"},
        {"body": b64encode(b'{"keys": []}').decode()},
        {"body": b64encode(b"[" * 100_000).decode()},
        {"body": b64encode(key_set(key().private_jwk)).decode()},
    ],
)
def test_an_invalid_file_is_not_used(
    follow: Follow,
    server: HostileServer,
    file: Path,
    write: Callable[..., None],
    entry: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
):
    stop_issuer(server)
    write(**entry)
    following = follow(cache_file=file, revocations=False)
    following.issuer.start()
    with pytest.raises(KeySetUnavailable):
        following.issuer.claims(following.token())
    assert following.issuer.status()["keys"] == []
    assert f"The key set in {file} is not used" in caplog.text


@rows(
    "content",
    [b"", b"{", b"null", b"[]", b'"text"', b"5", b"{}", b"\xff\xfe", b"\0" * 100, b"[" * 100_000],
)
def test_a_corrupt_file_does_not_prevent_a_start(follow: Follow, file: Path, content: bytes):
    file.write_bytes(content)
    following = follow(cache_file=file, revocations=False)
    following.look_for()
    assert following.issuer.claims(following.token())


def test_a_small_clock_difference_is_tolerated(
    follow: Follow, server: HostileServer, file: Path, write: Callable[..., None]
):
    stop_issuer(server)
    write(seen_at=NOW + 30)
    following = follow(cache_file=file, revocations=False)
    following.issuer.start()
    assert following.issuer.claims(following.token())


def test_only_its_owner_may_read_or_write_it(cache: DiskCache, clocks: Clocks, file: Path):
    """Write access decides who is trusted."""
    before = os.umask(0)
    try:
        cache.write(held(b"1", clocks))
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_it_is_replaced_atomically(cache: DiskCache, clocks: Clocks, file: Path):
    """A reader with the old file open keeps reading it; no other file is left behind."""
    cache.write(held(b"old", clocks))
    with file.open("rb") as old:
        cache.write(held(b"new", clocks))
        assert json.load(old)["body"] == b64encode(b"old").decode()
    assert list(file.parent.iterdir()) == [file]
    read = cache.read(bytes)
    assert read
    assert (read.value, read.body, read.etag) == (b"new", b"new", None)


def test_an_unchanged_key_set_is_written_once_a_minute(
    cache: DiskCache, clocks: Clocks, file: Path
):
    """The file holds the time of the last confirmation, without a write each second."""
    inodes = []
    for _ in range(180):
        cache.write(held(b"same", clocks))
        inodes.append(file.stat().st_mtime_ns)
        clocks.move(1)
    assert len(set(inodes)) == 3
    assert json.loads(file.read_text())["seen_at"] == NOW + 120


@pytest.mark.parametrize("name", ["gone/keys.json", "file/keys.json", "folder"])
def test_a_failed_write_is_logged_and_polling_continues(
    follow: Follow, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    following = follow(cache_file=tmp_path / name, revocations=False)
    following.look_for()
    assert following.issuer.claims(following.token())
    assert following.issuer.status()["problem"] is None
    assert "cannot be cached" in caplog.text
    assert {each.name for each in tmp_path.iterdir()} == {"file", "folder"}


def test_a_missing_file_is_not_logged(follow: Follow, file: Path, caplog: pytest.LogCaptureFixture):
    follow(cache_file=file).look_for()
    assert not [each for each in caplog.records if each.levelno > logging.INFO]


@pytest.fixture
def feed_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json.revocations"


def test_a_start_while_the_issuer_is_unavailable_knows_the_revocations(
    follow: Follow, server: HostileServer, file: Path, feed_file: Path, clocks: Clocks
):
    """Also those that the last feed left out; an older feed undoes none of them."""
    before = follow(cache_file=file)
    before.look_for()
    old = before.feed()
    before.receive(jti={"t1": NOW_SECOND + 900}, kid=["k2"])
    clocks.move(5)
    before.receive(sub={"usr_bob": NOW_SECOND}, aud={AUDIENCE: NOW_SECOND - 60})
    stop_issuer(server)
    again = follow(cache_file=file)
    again.issuer.start()
    assert again.accepts(again.token())
    assert not again.accepts(again.token(jti="t1"))
    assert not again.accepts(again.token(sub="usr_bob", iat=NOW_SECOND))
    assert not again.accepts(again.token(iat=NOW_SECOND - 60))
    counts = {"jti": 1, "sid": 0, "sub": 1, "client_id": 0, "aud": 1, "kid": 1}
    assert again.revocations["entries"] == counts
    assert stat.S_IMODE(feed_file.stat().st_mode) == 0o600
    again.poll()  # the fetch begun at the start has ended
    server.publish_feed(old)
    again.poll()
    assert "older than" in again.revocations["problem"]
    assert not again.accepts(again.token(jti="t1"))


def test_the_age_of_a_feed_survives_a_restart(
    follow: Follow, server: HostileServer, file: Path, clocks: Clocks
):
    following = follow(cache_file=file)
    server.publish_feed(following.feed())
    following.look_for()
    stop_issuer(server)
    clocks.move(900)
    late = follow(cache_file=file)
    late.issuer.start()
    assert late.accepts(late.token())
    clocks.move(1)
    for each in (late, follow(cache_file=file)):
        with pytest.raises(RevocationsUnavailable):
            each.look_for()
    assert follow(cache_file=file, feed_away_limit=None).accepts(late.token())


def test_a_feed_without_new_entries_is_written_once_a_minute(
    follow: Follow, server: HostileServer, file: Path, feed_file: Path, clocks: Clocks
):
    """And one with new entries at once: they must apply after a crash."""
    following = follow(cache_file=file)
    server.publish_feed(following.feed())
    following.look_for()
    written = set()
    for _ in range(24):
        clocks.move(5)
        following.receive()
        written.add(feed_file.stat().st_mtime_ns)
    assert len(written) == 3
    following.receive(jti={"t1": NOW_SECOND + 900})
    assert feed_file.stat().st_mtime_ns not in written


def test_the_absence_of_a_feed_is_cached_too(
    follow: Follow, server: HostileServer, file: Path, clocks: Clocks
):
    follow(cache_file=file).look_for()
    stop_issuer(server)
    clocks.move(10_000)
    again = follow(cache_file=file)
    again.look_for()
    assert again.accepts(again.token())


def test_a_cached_feed_that_disappears_is_reported_as_a_problem(
    follow: Follow, server: HostileServer, file: Path, clocks: Clocks
):
    following = follow(cache_file=file)
    server.publish_feed(following.feed(jti={"t1": NOW_SECOND + 900}))
    following.look_for()
    following.poll()  # a request waits 3 s at the most, which a busy machine may need
    assert following.revocations["entries"]["jti"] == 1
    server.publish(key_set(key()))
    again = follow(cache_file=file)
    again.look_for()
    again.poll()
    assert "was there before" in again.revocations["problem"]
    assert not again.accepts(again.token(jti="t1"))
    clocks.move(901)
    with pytest.raises(RevocationsUnavailable):
        again.accepts(again.token())


@rows("body", [b"{}", b"e30.e30.e30", b"[" * 100_000, b'{"iat": 1, "exp": 5}'])
def test_an_invalid_feed_on_disk_is_not_used(
    follow: Follow,
    server: HostileServer,
    file: Path,
    feed_file: Path,
    body: bytes,
    caplog: pytest.LogCaptureFixture,
):
    entry = {"issuer": server.url, "seen_at": NOW, "body": b64encode(body).decode()}
    feed_file.write_text(json.dumps(entry))
    stop_issuer(server)
    following = follow(cache_file=file)
    following.issuer.start()
    assert f"The revocation feed in {feed_file} is not used" in caplog.text
    assert not following.revocations["trusted"]
