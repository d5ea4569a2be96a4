"""From bytes to a document: UTF-8, printable, of a bounded size, and YAML."""

from typing import Any

import yaml
from yaml.reader import Reader

from issuer.manifest.events import Document, EventReader, StopReading
from issuer.manifest.problems import MAX_PROBLEMS, ManifestProblem

MAX_BYTES = 5 * 1024 * 1024
_BYTES_OF_A_VALUE = 8  # minimum on average; in memory a value takes a hundred times as much

# The C parser is ten times as fast; not every build of PyYAML has it.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(source: bytes | str, max_bytes: int = MAX_BYTES, loader: Any = _LOADER) -> Document:
    """The data of `source`, and all its YAML errors."""
    document = Document()
    try:
        text = _text(source, max_bytes)
        events = yaml.parse(text, Loader=loader)
        EventReader(document, events, max_bytes // _BYTES_OF_A_VALUE).read()
    except StopReading as stop:
        document.problems += stop.args
    except yaml.YAMLError as error:
        document.problems.append(_unreadable(text, error))
    return document


def _text(source: bytes | str, max_bytes: int) -> str:
    encoded = source.encode(errors="surrogatepass") if isinstance(source, str) else source
    if len(encoded) > max_bytes:
        raise StopReading(ManifestProblem(1, (), f"is larger than {max_bytes} bytes"))
    try:
        text = encoded.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = encoded.count(b"\n", 0, error.start) + 1
        raise StopReading(ManifestProblem(line, (), "is not UTF-8")) from None
    unprintable = [
        ManifestProblem(
            text.count("\n", 0, found.start()) + 1,
            (),
            f"the character U+{ord(found.group()):04X} is not allowed in YAML",
        )
        for found, _ in zip(Reader.NON_PRINTABLE.finditer(text), range(MAX_PROBLEMS), strict=False)
    ]
    if unprintable:
        raise StopReading(*unprintable)
    return text


def _unreadable(text: str, error: yaml.YAMLError) -> ManifestProblem:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return ManifestProblem(1, (), f"cannot be read as YAML: {error}")
    line = error.problem_mark.line
    at_fault = dict(enumerate(text.splitlines())).get(line, "")
    if "\t" in at_fault[: len(at_fault) - len(at_fault.lstrip())]:
        return ManifestProblem(line + 1, (), "tabs cannot indent; use spaces")
    reason = " ".join(part for part in (error.problem, error.context) if part)
    return ManifestProblem(line + 1, (), f"cannot be read as YAML: {reason}")
