"""What a request says about a verifier is read strictly, and nothing else comes of it."""

from datetime import UTC, datetime

from issuer.verifiers.known_verifier import read_report
from tests.rows import rows
from tests.verifiers.reporting import report

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_every_member_is_read():
    read = read_report(report(keys=["k1", "k2"], feed=1_800_000_000), "192.0.2.7", NOW)
    assert read.identity == ("my-os", "192.0.2.7", "instance-1")
    assert (read.adapter_version, read.agno_version) == ("0.1.0", "3.1.0")
    assert read.kids == ("k1", "k2")
    assert read.feed_issued_at == datetime.fromtimestamp(1_800_000_000, UTC)
    assert read.seen_at == NOW


def test_members_may_have_any_order_and_a_newer_verifier_may_say_more():
    """RFC 9651 §3.2."""
    header = b'new="text", keys=(),id="instance-1" , aud="my-os", more=5, adapter="0.2.0"'
    read = read_report(header, "192.0.2.7", NOW)
    assert (read.kids, read.agno_version, read.feed_issued_at) == ((), None, None)


NO_REPORTS = {
    "empty": b"",
    "no audience": b'id="instance-1", adapter="0.1.0", keys=()',
    "another audience than any": report(aud="my os"),
    "a quote in a text": report(adapter='0"1'),
    "a tag": report(adapter="<script>"),
    "a line": report(agno="3.1\r\nx: y"),
    "no ASCII": report(agno="3.1").replace(b"3.1", b"\xc3\xa4"),
    "a NUL": report(aud="my-os\0"),
    "a short instance": report(id="i"),
    "a long instance": report(id="i" * 33),
    "a long key": report(keys=["k" * 65]),
    "many keys": report(keys=[f"k{number}" for number in range(17)]),
    "a negative time": report(feed=-1),
    "a huge time": report(feed=10**30),
    "a comma at the end": report() + b",",
    "another text at the end": report() + b" x",
    "too long": report(more="x" * 2000),
    "deep brackets": b"keys=" + b"(" * 1000,
    "many commas": b"," * 2000,
}


@rows("header", NO_REPORTS)
def test_what_is_not_a_report_is_ignored(header: bytes):
    assert read_report(header, "192.0.2.7", NOW) is None


@rows("address", [None, "", "proxy.example", "x" * 1000, "\n"])
def test_what_is_not_an_address_is_not_stored(address: str | None):
    assert read_report(report(), address, NOW).identity.address == "unknown"
