"""Which language a request gets: what the person chose, `ui_locales`, `Accept-Language`, a default.

Its texts are found by gettext. A catalogue is read when its language is first used.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Protocol

from issuer.fields.times import utc
from issuer.telemetry.logs import request_scope

SOURCE = "en"
NAMES = {SOURCE: "English", "de": "Deutsch", "es": "Español", "fr": "Français", "ja": "日本語"}
LANGUAGES = tuple(NAMES)

# In the scope of a request.
_SPOKEN, _IS_CHOSEN = "issuer.language", "issuer.language_is_chosen"
_MAX_RANGES = 50
_RANGE = re.compile(
    r"\s*([a-z]{1,8}(?:-[a-z0-9]{1,8})*|\*)\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?",
    re.IGNORECASE | re.ASCII,
)
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_TRANSLATIONS = Path(__file__).with_name("translations")


def language() -> str:
    """The language of the present request; English where no page chose one, as in the API."""
    scope = request_scope.get()
    return str(scope.get(_SPOKEN, SOURCE)) if scope else SOURCE


def choose_language(default: str, chosen: str | None = None) -> None:
    """Give the present request its language: the one that the person has `chosen`, if any."""
    if (scope := request_scope.get()) is not None:
        named = [value for name, value in scope["headers"] if name == b"accept-language"]
        tags = accepted_languages(b",".join(named).decode("latin-1"))
        scope[_IS_CHOSEN] = chosen is not None
        scope[_SPOKEN] = chosen or first_known(tags) or default


def speak(tag: str) -> None:
    """Give the present request that language of `LANGUAGES`, unless the person chose another."""
    scope = request_scope.get()
    if scope is not None and not scope.get(_IS_CHOSEN):
        scope[_SPOKEN] = tag


def first_known(tags: Iterable[str]) -> str | None:
    """The first of these language tags that there is, also by its beginning (RFC 4647 §3.4)."""
    return next((language for tag in tags if (language := _match(tag))), None)


def accepted_languages(header: str) -> list[str]:
    """The tags of `Accept-Language`, best first (RFC 9110 §12.5.4); none for a malformed one."""
    ranges = [_RANGE.fullmatch(each) for each in header.split(",", _MAX_RANGES)[:_MAX_RANGES]]
    weighed = [(float(each[2] or 1), each[1]) for each in ranges if each]
    found = sorted((tag for tag in weighed if tag[0]), key=lambda tag: -tag[0])
    return [tag for _, tag in found]


def _match(tag: str) -> str | None:
    tag = tag.lower()
    while tag:
        if tag in LANGUAGES:
            return tag
        tag = tag.rpartition("-")[0]
    return None


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


def date_and_time(instant: datetime, _: Say = gettext) -> str:
    """ "2026-11-26 20:40 UTC", in German "26.11.2026, 20:40 Uhr (UTC)"."""
    date, time, _zone = utc(instant).split()
    year, month, day = date.split("-")
    return _("%(year)s-%(month)s-%(day)s %(time)s UTC", year=year, month=month, day=day, time=time)


def browser_name(user_agent: str | None, _: Say = gettext) -> str:
    """ "Firefox on Linux", as far as the header says it (RFC 9110 §10.1.5); it proves nothing."""
    text = user_agent or ""
    browser = next((name for mark, name in _BROWSERS if mark in text), "")
    system = next((name for mark, name in _SYSTEMS if mark in text), "")
    if browser and system:
        return _("%(browser)s on %(system)s", browser=browser, system=system)
    return browser or system or _("Unknown browser")
