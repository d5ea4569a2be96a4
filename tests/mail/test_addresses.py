"""Addresses that messages are sent to, and the sender."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.fields.fields import can_receive_mail, read_sender
from tests.rows import rows

USABLE = [
    "ada@example.com",
    "ada.lovelace+id@mail.example.co.uk",
    "o'neil@example.com",
    "ada@localhost",
    "žofie@příklad.example",
    "用户@例子.广告",
]
UNUSABLE = [
    *("", "ada", "@example.com", "ada@", "a@b@c", "ada@@example.com", "ada@example..com"),
    *(".ada@example.com", "ada.@example.com", "a..b@example.com", "ada@-example.com"),
    *("a,b@example.com", "<ada>@example.com", '"a b"@example.com', "ada@example.com,bob@x.com"),
    *("ada@example.com\nBcc: eve@example.com", "ada\r@example.com", "ada @example.com"),
    *("ada@[192.0.2.1]", "ada(comment)@example.com", "a;b@example.com", "a:b@example.com"),
    *("a" * 65 + "@example.com", "ada@" + "a." * 127 + "com", "ada\u202e@example.com"),
]


@rows("address", USABLE)
def test_a_usable_address(address: str):
    assert can_receive_mail(address)


@rows("address", UNUSABLE)
def test_an_address_that_programs_may_read_in_another_way_is_unusable(address: str):
    assert not can_receive_mail(address)


@given(st.text())
def test_any_text_may_be_asked_about(text: str):
    if can_receive_mail(text):
        assert text.count("@") == 1
        assert not set(text) & set(' "(),:;<>[\\]\r\n\0')


@rows(
    ("text", "sender"),
    [
        ("id@example.com", ("", "id@example.com")),
        ("Issuer <id@example.com>", ("Issuer", "id@example.com")),
        ("Müller & Co <id@example.com>", ("Müller & Co", "id@example.com")),
    ],
)
def test_a_sender_has_an_address_and_perhaps_a_name(text: str, sender: tuple[str, str]):
    assert read_sender(text) == sender


@rows("text", ["", "Issuer", "Issuer <>", "<id@example.com>", "a\nb <id@example.com>", "a b@c"])
def test_any_other_text_is_no_sender(text: str):
    with pytest.raises(ValueError, match="must be an address"):
        read_sender(text)
