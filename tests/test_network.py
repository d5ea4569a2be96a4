"""The network of an address, by which requests are counted."""

from issuer.fields.networks import network_of
from tests.rows import rows


@rows(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_an_ipv4_address_is_one_caller_and_an_ipv6_site_is_one(address: str, network: str):
    assert network_of(address) == network


@rows(
    "text", [None, "", "unknown", "testclient", "192.0.2.1:80", "192.0.2.1/8", "1" * 10_000, "\0"]
)
def test_text_that_is_no_address_is_one_caller(text: str | None):
    assert network_of(text) == "unknown"
