"""User names: which are valid, and which are equal (after RFC 8265 §3.3).

One rule for creating and for finding: a user can sign in with the name in any case and Unicode
form, and no two users have names that look the same.

Names are compared by NFKC and case folding; letters of the table below, which look alike, are
equal. Names that differ only in 0 and O or in rn and m are different names.
"""

import re
import unicodedata

LONGEST = 128  # in NFKC
MAX_FOLDED = 1024

# Letters that look like a Latin one, in lower case or in upper case.
_LOOKALIKES = str.maketrans(
    "авекмнорстухіјѕԁһӏԛԝαβεζηικμνορτυχօոսհıȷɑɡɩ", "abekmhopctyxijsdhlqwabezhikmvoptuxonuhijagi"
)
# Invisible letters and marks (Default_Ignorable_Code_Point); the others are no letters.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
# Written together with each other and with Latin letters.
_EAST_ASIAN = {"BOPOMOFO", "CJK", "HANGUL", "HIRAGANA", "IDEOGRAPHIC", "KATAKANA"}


def fold_username(username: str) -> str:
    """The form in which user names are compared. Any text has one."""
    return caseless_form(username).translate(_LOOKALIKES)


def normalized_username(text: str) -> str:
    """`text` in NFKC, as it is stored. `ValueError` if no user can have that name."""
    username = unicodedata.normalize("NFKC", text)
    caseless = caseless_form(text)
    if not 1 <= len(username) <= LONGEST or len(caseless) > MAX_FOLDED:
        raise ValueError(f"must have 1 to {LONGEST} characters in its compatibility form (NFKC)")
    if caseless.split(" ") != caseless.split():
        raise ValueError("may not begin or end with a space, or hold two in a row")
    if _INVISIBLE.search(caseless) or not all(map(_is_allowed, caseless)):
        raise ValueError(
            "may hold letters, digits 0 to 9, ASCII punctuation and single spaces:"
            " no symbols, control characters or invisible characters"
        )
    if not _marks_follow_letters(caseless):
        raise ValueError("may hold combining marks only after a letter")
    letters = (each for each in caseless if unicodedata.category(each)[0] == "L")
    if len(set(map(_script_of, letters)) - _EAST_ASIAN) > 1:
        raise ValueError("may hold letters of one alphabet only: others may look the same")
    return username


def is_username(text: str) -> bool:
    """Whether a user can have that name."""
    if len(text) > MAX_FOLDED:
        return False
    try:
        normalized_username(text)
    except ValueError:
        return False
    return True


def caseless_form(text: str) -> str:
    """Unicode §3.13, D146: equal for names that differ in case or compatibility form alone."""
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())


def _is_allowed(character: str) -> bool:
    """RFC 8264 §4.2, without digits of other scripts: they look like other digits."""
    if character.isascii():
        return character.isprintable()
    return unicodedata.category(character)[0] in "LM"


def _marks_follow_letters(caseless: str) -> bool:
    before = " "
    for character in caseless:
        if unicodedata.category(character)[0] != "M":
            before = character
        elif not before.isalnum():
            return False
    return True


def _script_of(letter: str) -> str:
    """The first word of its Unicode name, such as LATIN."""
    return re.split(r"[ -]", unicodedata.name(letter))[0]
