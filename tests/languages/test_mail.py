"""Messages in the language of the deployment."""

from datetime import UTC, datetime

import pytest

from issuer.languages import LANGUAGES
from issuer.mail import Texts
from tests.rows import rows

AT = datetime(2026, 11, 26, 20, 40, tzinfo=UTC)
LINK = "https://id.example/invitation/aiv_secret"
WHEN = {
    "en": "2026-11-26 20:40 UTC",
    "de": "26.11.2026, 20:40 Uhr (UTC)",
    "es": "26/11/2026, 20:40 UTC",
    "fr": "26/11/2026 à 20:40 UTC",
    "ja": "2026年11月26日 20:40 UTC",
}
HOSTILE = "eve\r\nBcc: everybody@example.com %(link)s %s"


@rows(
    ("language", "subject"),
    [
        ("en", "Invitation to Example"),
        ("de", "Einladung zu Example"),
        ("es", "Invitación a Example"),
        ("fr", "Invitation à Example"),
        ("ja", "Example への招待"),
    ],
)
def test_a_message_is_in_the_language_of_its_texts(language: str, subject: str):
    texts = Texts("https://id.example", "Example", language)
    message = texts.invitation("usr_1", "alice", "alice@example.com", LINK, AT)
    assert message.subject == subject


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_message_has_all_that_it_is_about(language: str):
    texts = Texts("https://id.example", "Example", language)
    for each in (
        texts.invitation("usr_1", "alice", "alice@example.com", LINK, AT),
        texts.password_reset("usr_1", "alice", "alice@example.com", LINK, AT),
    ):
        assert f"\n{LINK}\n" in each.text
        assert "alice" in each.text
        assert WHEN[language] in each.text
    place = texts.new_place("usr_1", "alice", "a@example.com", AT, "192.0.2.7", "Firefox/140 Linux")
    assert "https://id.example/account\n" in place.text
    assert "192.0.2.7" in place.text
    assert WHEN[language] in place.text
    assert "Firefox" in place.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_from_outside_begins_a_line_or_is_a_placeholder(language: str):
    texts = Texts("https://id.example", "Example", language)
    plain = texts.new_place("usr_1", "eve", "eve@example.com", AT, "192.0.2.7", None)
    hostile = texts.new_place("usr_1", HOSTILE, "eve@example.com", AT, HOSTILE, HOSTILE)
    assert len(hostile.text.splitlines()) == len(plain.text.splitlines())
    assert "%(link)s %s" in hostile.text
