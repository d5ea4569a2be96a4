"""From YAML or JSON to data, with the line of each value; strictly, and within bounds."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import yaml
from yaml.reader import Reader

from issuer.manifest.problems import MAX_PROBLEMS, ManifestProblem, Path

_EMPTY: Mapping[str | int, "SourcePlace"] = MappingProxyType({})
_MAX_DEPTH = 24  # claims may be nested 8 deep, 3 levels below the top
_MAX_NUMBER = 400
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
}
MAX_BYTES = 5 * 1024 * 1024
_BYTES_OF_A_VALUE = 8  # minimum on average; in memory a value takes a hundred times as much
# The C parser is ten times as fast; not every build of PyYAML has it.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class SourcePlace:
    """The line of a value, and the places of the values inside it."""

    line: int
    inside: Mapping[str | int, "SourcePlace"] = field(default_factory=lambda: _EMPTY)

    def line_of(self, path: Path) -> int:
        """The line of the value at `path`, or of the nearest value around it."""
        if not path or path[0] not in self.inside:
            return self.line
        return self.inside[path[0]].line_of(path[1:])


@dataclass
class Document:
    """The data of a file. `unread` are the paths of values that could not be read."""

    data: object = None
    place: SourcePlace = field(default_factory=lambda: SourcePlace(1))
    problems: list[ManifestProblem] = field(default_factory=list)
    unread: set[Path] = field(default_factory=set)

    def problem(self, path: Path, message: str) -> ManifestProblem:
        """An error in the value at `path`."""
        return ManifestProblem(self.place.line_of(path), path, message)


class StopReading(Exception):
    """The rest of the file cannot be read, or is not needed."""


class EventReader:
    """Builds the document from the events of a YAML parser; recursion ends at `_MAX_DEPTH`."""

    def __init__(self, document: Document, events: Iterator[Any], max_values: int) -> None:
        self._document = document
        self._events = events
        self._values_left = max_values

    def read(self) -> None:
        next(self._events)  # the stream's start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise StopReading(ManifestProblem(1, (), "is empty"))
        self._document.data, self._document.place = self._node(next(self._events), ())
        next(self._events)  # the document's end
        if not isinstance(more := next(self._events), yaml.StreamEndEvent):
            raise StopReading(ManifestProblem(_line(more), (), "only one document is allowed"))

    def _node(self, event: Any, path: Path) -> tuple[object, SourcePlace]:
        self._values_left -= 1
        if self._values_left < 0:
            raise StopReading(ManifestProblem(_line(event), (), "has too many values"))
        if len(path) > _MAX_DEPTH:
            raise StopReading(ManifestProblem(_line(event), path, "is nested too deeply"))
        self._require_plain(event, path)
        match event:
            case yaml.SequenceStartEvent():
                return self._sequence(_line(event), path)
            case yaml.MappingStartEvent():
                return self._mapping(_line(event), path)
            case yaml.ScalarEvent():
                return self._scalar(event, path), SourcePlace(_line(event))
        return None, SourcePlace(_line(event))

    def _sequence(self, line: int, path: Path) -> tuple[list[object], SourcePlace]:
        items: list[object] = []
        places: dict[str | int, SourcePlace] = {}
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            item, places[len(items)] = self._node(event, (*path, len(items)))
            items.append(item)
        return items, SourcePlace(line, places)

    def _mapping(self, line: int, path: Path) -> tuple[dict[str, object], SourcePlace]:
        members: dict[str, object] = {}
        places: dict[str | int, SourcePlace] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            name = self._key(event, path)
            at = (*path, name)
            member, place = self._node(next(self._events), at)
            if name in members:
                first = places[name].line
                self._note(event, at, f"is repeated, first on line {first}")
            else:
                members[name], places[name] = member, replace(place, line=_line(event))
        return members, SourcePlace(line, places)

    def _key(self, event: Any, path: Path) -> str:
        if isinstance(event, yaml.ScalarEvent):
            if event.value == "<<" and event.implicit[0]:
                self._refuse(event, (*path, "<<"), "merge keys are not supported")
            self._require_plain(event, (*path, event.value))
            return str(event.value)
        self._refuse(event, (*path, ""), "a key must be a string")
        self._node(event, (*path, ""))
        return ""

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> object:
        text: str = event.value
        if not event.implicit[0]:
            return text  # quoted or a block scalar
        if text in _WORDS:
            return _WORDS[text]
        if not _NUMBER.fullmatch(text):
            return text
        if len(text) > _MAX_NUMBER:
            self._refuse(event, path, "is too long for a number")
            return 0
        return json.loads(text)

    def _require_plain(self, event: Any, path: Path) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, path, "aliases are not supported; write the value out")
            return
        if event.anchor is not None:
            self._note(event, path, "anchors are not supported")
        if event.tag is not None:
            self._refuse(event, path, "tags are not supported")

    def _refuse(self, event: Any, path: Path, message: str) -> None:
        self._document.unread.add(path)
        self._note(event, path, message)

    def _note(self, event: Any, path: Path, message: str) -> None:
        problem = ManifestProblem(_line(event), path, message)
        if len(self._document.problems) == MAX_PROBLEMS:
            raise StopReading(problem)
        self._document.problems.append(problem)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


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
