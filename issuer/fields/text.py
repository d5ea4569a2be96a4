"""Text from files, the database and the network, made safe to print."""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import islice
from urllib.parse import unquote

# Comparing takes up to the product of their lengths for each name.
_COMPARED_NAMES, _COMPARED_LENGTH = 500, 50


def escape(text: str) -> str:
    """`text` on one line; what is not printable, such as ANSI escapes, is escaped as in JSON."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def readable_json(value: object) -> str:
    """`value` as JSON in several lines, each safe to print; letters stay as they are."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "\n".join(map(escape, text.split("\n")))


def is_storable(text: str) -> bool:
    """Whether both databases store the text: neither NUL nor an unpaired surrogate."""
    return not any(each == "\0" or "\ud800" <= each <= "\udfff" for each in text)


def with_encoded_slashes(path: str) -> str:
    """The path of a URL, decoded but for `/` and `%` within a segment, which stay encoded."""
    segments = (unquote(each).replace("%", "%25").replace("/", "%2F") for each in path.split("/"))
    return "/".join(segments)


def counts_in_words(numbers: Mapping[str, int]) -> str:
    """Numbers by singular in words, such as `1 session, 2 roles`; zeros are left out."""
    shown = (f"{each:,} {name}{'s' * (each > 1)}" for name, each in numbers.items() if each)
    return ", ".join(shown)


def with_counts(numbers: Mapping[str, int]) -> str:
    """To continue a sentence, such as ` with 1 session, 2 roles`; empty if all are zero."""
    text = counts_in_words(numbers)
    return f" with {text}" if text else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean X?` for the known name most like `name`; empty if none is like it.

    Only the beginnings of 500 names are compared: their lengths and number may come from a request.
    """
    spelled = {each.casefold()[:_COMPARED_LENGTH]: each for each in islice(known, _COMPARED_NAMES)}
    found = get_close_matches(name.casefold()[:_COMPARED_LENGTH], spelled, n=1, cutoff=0.7)
    return f" Did you mean {spelled[found[0]]}?" if found else ""
