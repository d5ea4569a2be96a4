"""Which language a request gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.languages import LANGUAGES, first_known
from issuer.languages.catalogues import accepted_languages
from issuer.settings import Settings
from tests.rows import rows


@rows(
    ("header", "language"),
    [
        ("de", "de"),
        ("de-CH, en;q=0.5", "de"),
        ("DE-ch-1996", "de"),
        ("en;q=0.5, fr", "fr"),
        ("fr;q=0.4, ja;q=0.9, es;q=0.8", "ja"),
        ("es, fr", "es"),
        ("pt-BR, pt;q=0.9, es;q=0.1", "es"),
        ("pt, *;q=0.5", None),
        ("de;q=0, fr;q=0.1", "fr"),
        ("de;q=0", None),
        ("*", None),
        ("", None),
        ("zz, xx-YY", None),
        ("de ; q=0.5 , fr;q=0.6", "fr"),
        ("de;Q=0.5, fr;q=0.4", "de"),
        ("de;q=2, fr", "fr"),
        ("de;q=0.1234, fr;q=0.1", "fr"),
        ("germany-is-no-tag, ja", "ja"),
        ("<script>, de", "de"),
        ("d" * 10_000, None),
        ("x, " * 1_000 + "de", None),
    ],
)
def test_the_language_is_what_the_browser_wants_most_and_there_is(
    header: str, language: str | None
):
    """RFC 9110 §12.5.4, RFC 4647 §3.4."""
    assert first_known(accepted_languages(header)) == language


@given(st.text())
def test_no_header_makes_it_fail(header: str):
    assert first_known(accepted_languages(header)) in {*LANGUAGES, None}


def test_the_setting_knows_the_same_languages():
    for language in LANGUAGES:
        assert Settings(language=language).language == language
    with pytest.raises(ValueError, match="'en', 'de'"):
        Settings(language="tlh")
