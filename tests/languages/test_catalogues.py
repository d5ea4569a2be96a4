"""The catalogues have every text of the pages, and nothing that the texts have not."""

import re
from gettext import GNUTranslations

import pytest

from issuer.languages import catalogues as ours
from tests.languages import catalogues

# Placeholders, and the markup of texts in templates.
PARTS = re.compile(r"%(?:\(\w+\))?.|<[^>]*>|&\w*;?")
_JAPANESE = "[\u3000-\u30ff\u4e00-\u9fff]"
# What the typography of the language does not have: quotation marks and spaces of others.
WRONG = {
    "de": r"[\"”«»]|“\w",
    "es": r"[\"“”]|^[^¿]*\?|^[^¡]*!",
    "fr": "[^\u202f][?!;:»]|«[^\u202f]|[\"“”']",
    "ja": rf"[?!:;(),\"“”]|{_JAPANESE} {_JAPANESE}",
}
FORMS = {"de": 2, "es": 3, "fr": 3, "ja": 1}


@pytest.fixture(params=catalogues.TRANSLATED)
def language(request: pytest.FixtureRequest) -> str:
    return request.param


def both(text: str | tuple[str, ...]) -> tuple[str, ...]:
    return text if isinstance(text, tuple) else (text,)


def test_a_catalogue_has_the_texts_of_the_code_and_no_others(language: str):
    """`make translations` brings it up to date."""
    in_code = {each.id for each in catalogues.extracted() if each.id}
    assert {each.id for each in catalogues.read(language) if each.id} == in_code


def test_every_text_is_translated(language: str):
    found = [each for each in catalogues.read(language) if each.id]
    assert [each.id for each in found if not all(both(each.string))] == []
    assert [each.id for each in found if each.fuzzy] == []


def test_a_translation_has_the_placeholders_and_the_markup_of_its_source(language: str):
    """What Jinja puts into a page with values is markup: a translation must not bring its own."""
    for each in catalogues.read(language):
        if not each.id:
            continue
        allowed = [sorted(PARTS.findall(text)) for text in both(each.id)]
        for text in both(each.string):
            assert sorted(PARTS.findall(text)) in allowed, (each.id, text)


def test_a_plural_has_every_form_of_its_language(language: str):
    for each in catalogues.read(language):
        if each.id and isinstance(each.id, tuple):
            assert len(both(each.string)) == FORMS[language], each.id


def test_a_translation_ends_as_its_source_does(language: str):
    """Sentences with a full stop, headings without; line breaks of messages."""
    ends = {".": ".。", "?": "?？", ":": ":：", "\n": "\n"}
    for each in catalogues.read(language):
        for text in both(each.string) if each.id else ():
            last = both(each.id)[0][-1]
            if last in ends:
                assert text[-1] in ends[last], (each.id, text)
            else:
                assert text[-1] not in ".。\n", (each.id, text)


def test_punctuation_and_quotation_marks_are_those_of_the_language(language: str):
    for each in catalogues.read(language):
        for text in both(each.string) if each.id else ():
            shown = re.sub(r"%\(\w+\)s", "x", re.sub(r"<[^>]*>", "", text))
            assert re.findall(WRONG[language], shown) == [], text


def test_what_is_shipped_is_the_compiled_catalogue(language: str):
    path = catalogues.po_file(language).with_suffix(".mo")
    with path.open("rb") as file:
        shipped = GNUTranslations(file)
    for each in catalogues.read(language):
        if each.id and isinstance(each.id, tuple):
            forms = {shipped.ngettext(*each.id, number) for number in (0, 1, 2, 5, 1_000_000)}
            assert forms <= set(both(each.string))
        elif each.id:
            assert shipped.gettext(each.id) == each.string


def test_a_text_that_is_missing_stays_english():
    assert ours.in_language("de")("No catalogue has this.") == "No catalogue has this."


def test_nothing_stays_nothing():
    """For gettext, its translation is the header of the catalogue."""
    assert ours.in_language("de")("") == ""
