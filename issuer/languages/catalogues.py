"""The texts of each language, by gettext. A catalogue is read when its language is first used."""

from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Protocol

from issuer.languages.negotiation import SOURCE, language

_TRANSLATIONS = Path(__file__).with_name("translations")


class Say(Protocol):
    """A text in one language, with `values` in place of `%(name)s`."""

    def __call__(self, message: str, **values: object) -> str: ...


def N_(message: str) -> str:  # noqa: N802 - its name in gettext
    """Marks a text that is translated where it is shown."""
    return message


def Nn_(singular: str, plural: str) -> tuple[str, str]:  # noqa: N802
    """Mark a text in two forms for translation by `ngettext`."""
    return singular, plural


def gettext(message: str, **values: object) -> str:
    """`message` in the language of the present request, with `values` in place of `%(name)s`."""
    return in_language(language())(message, **values)


def ngettext(singular: str, plural: str, number: int, **values: object) -> str:
    """`gettext` in the form for that number, which is `%(num)s`."""
    found = catalogue(language()).ngettext(singular, plural, number)
    return _fill(found, {"num": number, **values})


def in_language(tag: str) -> Say:
    """`gettext` in that language."""

    def say(message: str, **values: object) -> str:
        # The translation of nothing is the header of the catalogue.
        return _fill(catalogue(tag).gettext(message) if message else "", values)

    return say


@cache
def catalogue(tag: str) -> NullTranslations:
    """The texts of a language; of English those that stand in the code."""
    if tag == SOURCE:
        return NullTranslations()
    with (_TRANSLATIONS / tag / "LC_MESSAGES" / "issuer.mo").open("rb") as file:
        return GNUTranslations(file)


def _fill(text: str, values: dict[str, object]) -> str:
    return text % values if values else text
