"""From bytes to a document: UTF-8, printable, of a bounded size, and YAML."""

from typing import Any

import yaml
from yaml.reader import Reader

from issuer.manifest.document import Document
from issuer.manifest.events import KeySetClient, StopReading
from issuer.manifest.problems import MAX_PROBLEMS, Problem

MAX_BYTES = 5 * 1024 * 1024
_BYTES_OF_A_VALUE = 8  # at the least, on the average; in memory a value takes a hundred times that

# The one written in C, wherever the wheel brings it, is ten times as fast.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(source: bytes | str, max_bytes: int = MAX_BYTES, loader: Any = _LOADER) -> Document:
    """What `source` says, and everything that is wrong with it as YAML."""
    document = Document()
    try:
        text = _text(source, max_bytes)
        events = yaml.parse(text, Loader=loader)
        KeySetClient(document, events, max_bytes // _BYTES_OF_A_VALUE).follow()
    except StopReading as stop:
        document.problems += stop.args
    except yaml.YAMLError as error:
        document.problems.append(_unreadable(text, error))
    return document


def _text(source: bytes | str, max_bytes: int) -> str:
    encoded = source.encode(errors="surrogatepass") if isinstance(source, str) else source
    if len(encoded) > max_bytes:
        raise StopReading(Problem(1, (), f"is larger than {max_bytes} bytes"))
    try:
        text = encoded.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = encoded.count(b"\n", 0, error.start) + 1
        raise StopReading(Problem(line, (), "is not UTF-8")) from None
    unprintable = [
        Problem(
            text.count("\n", 0, found.start()) + 1,
            (),
            f"the character U+{ord(found.group()):04X} may not stand in YAML",
        )
        for found, _ in zip(Reader.NON_PRINTABLE.finditer(text), range(MAX_PROBLEMS), strict=False)
    ]
    if unprintable:
        raise StopReading(*unprintable)
    return text


def _unreadable(text: str, error: yaml.YAMLError) -> Problem:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Problem(1, (), f"cannot be read as YAML: {error}")
    line = error.problem_mark.line
    at_fault = dict(enumerate(text.splitlines())).get(line, "")
    if "\t" in at_fault[: len(at_fault) - len(at_fault.lstrip())]:
        return Problem(line + 1, (), "a tab may not indent: use spaces")
    said = " ".join(part for part in (error.problem, error.context) if part)
    return Problem(line + 1, (), f"cannot be read as YAML: {said}")
