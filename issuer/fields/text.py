"""Text from files, the database and the network, made safe to print."""

import json
from collections.abc import Iterable
from difflib import get_close_matches
from urllib.parse import unquote


def escaped(text: str) -> str:
    """`text` on one line; what is not printable, such as ANSI escapes, is escaped as in JSON."""
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def readable_json(value: object) -> str:
    """`value` as JSON in several lines, each safe to print; letters stay as they are."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "\n".join(map(escaped, text.split("\n")))


def is_storable(text: str) -> bool:
    """Whether both databases store the text: neither NUL nor an unpaired surrogate."""
    return not any(each == "\0" or "\ud800" <= each <= "\udfff" for each in text)


def with_encoded_slashes(path: str) -> str:
    """The path of a URL, decoded but for `/` and `%` within a segment, which stay encoded."""
    segments = (unquote(each).replace("%", "%25").replace("/", "%2F") for each in path.split("/"))
    return "/".join(segments)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean X?` for the known name most like `name`; empty if none is like it."""
    spelled = {each.casefold(): each for each in known}
    found = get_close_matches(name.casefold()[:100], spelled, n=1, cutoff=0.7)
    return f" Did you mean {spelled[found[0]]}?" if found else ""
