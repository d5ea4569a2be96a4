"""Writing stable YAML for diffs: one value a line.

A string is unquoted only if every parser of YAML 1.1 or 1.2 reads it as the same string.
"""

import json
import re
from collections.abc import Iterable, Iterator

_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_TROUBLE = re.compile(r": |:$| #| $")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
_MAX_KEY = 120  # YAML requires `?` before a longer key


def written(value: object) -> str:
    """`value`, made of JSON values, as a YAML document in block style."""
    return "".join(f"{line}\n" for line in _block(value))


def _block(value: object) -> Iterator[str]:
    match value:
        case dict() if value:
            for name, member in value.items():
                yield from _member(_scalar(name), member)
        case list() if value:
            for item in value:
                yield from _indented("- ", _block(item))
        case _:
            yield _scalar(value)


def _member(key: str, member: object) -> Iterator[str]:
    if len(key) > _MAX_KEY:
        yield f"? {key}"
        yield from _indented(": ", _block(member))
    elif isinstance(member, dict | list) and member:
        yield f"{key}:"
        yield from _indented("  ", _block(member))
    else:
        yield f"{key}: {_scalar(member)}"


def _indented(first: str, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield (" " * len(first) if number else first) + line


def _scalar(value: object) -> str:
    match value:
        case str():
            return value if _is_plain(value) else _quoted(value)
        case float():
            return _number(value)
    return json.dumps(value)  # a dict or a list here is empty


def _is_plain(text: str) -> bool:
    begins_plainly = text[:1].isalpha() or text[:1] in {"_", "/"}
    return (
        begins_plainly
        and text.isprintable()
        and text.lower() not in _WORDS
        and not _TROUBLE.search(text)
    )


def _quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(each) or _printable(each) for each in text) + '"'


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"  # noqa: PLR2004


def _number(value: float) -> str:
    mantissa, e, exponent = repr(value).partition("e")
    # YAML 1.1 reads an exponent only after a decimal point.
    return f"{mantissa}.0e{exponent}" if e and "." not in mantissa else repr(value)
