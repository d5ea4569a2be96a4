"""Which letters a search takes for the same: those that differ in case or accents alone."""

import unicodedata
from collections import defaultdict
from functools import cache
from itertools import filterfalse

_LETTERS = 0x2000  # Latin, Greek, Cyrillic and others with cases; most of those with accents
# Letters that Unicode does not take apart.
_PLAIN = str.maketrans("øłđħŧı", "oldhti")


def alike(letter: str) -> str:
    """All letters that are like this one, itself included."""
    found = _by_plain_form().get(plain_form(letter), "") if letter.isalpha() else ""
    return found if letter in found else found + letter


def plain_form(text: str) -> str:
    """The text in lower case and without accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(filterfalse(unicodedata.combining, apart)).translate(_PLAIN) or text


@cache
def _by_plain_form() -> dict[str, str]:
    found: dict[str, str] = defaultdict(str)
    for letter in filter(str.isalpha, map(chr, range(_LETTERS))):
        found[plain_form(letter)] += letter
    return dict(found)
