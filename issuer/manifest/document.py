"""Reading YAML without its surprises: JSON's values, in YAML's layout.

A value is a number, a boolean or null only where JSON has it so (and where every YAML agrees:
`True`, `~`). `yes`, `2026-01-01`, `0900`, `0o17`, `1_000` and `12:30` are text. Keys are text.
Anchors, aliases, merge keys and tags are refused, so nothing can be larger than the file.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import yaml
from yaml.reader import Reader

from issuer.manifest.problems import MOST_PROBLEMS, Path, Problem

MOST_BYTES = 5 * 1024 * 1024
_DEEPEST = 24  # claims may be 8 deep, and stand 3 deep themselves
_LONGEST_NUMBER = 400

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
}
# The one written in C, wherever the wheel brings it, is ten times as fast.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


_NOTHING: Mapping[str | int, "Place"] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Place:
    """The line of a value, and the places of what is inside it."""

    line: int
    inside: Mapping[str | int, "Place"] = field(default_factory=lambda: _NOTHING)

    def line_of(self, path: Path) -> int:
        """The line of what `path` leads to, as far as it leads anywhere."""
        if not path or path[0] not in self.inside:
            return self.line
        return self.inside[path[0]].line_of(path[1:])


@dataclass
class Document:
    """What a file says. `unread` are the paths of values that are not what the file says."""

    data: object = None
    place: Place = field(default_factory=lambda: Place(1))
    problems: list[Problem] = field(default_factory=list)
    unread: set[Path] = field(default_factory=set)


class _StopReading(Exception):
    """What follows would make no sense, or no difference."""


def parse(source: bytes | str, most_bytes: int = MOST_BYTES, loader: Any = _LOADER) -> Document:
    """What `source` says, and everything that is wrong with it as YAML."""
    document = Document()
    try:
        text = _text(source, most_bytes)
        _Parser(document, yaml.parse(text, Loader=loader)).parse()
    except _StopReading as stop:
        document.problems += stop.args
    except yaml.YAMLError as error:
        document.problems.append(_unreadable(text, error))
    return document


def _text(source: bytes | str, most_bytes: int) -> str:
    encoded = source.encode(errors="surrogatepass") if isinstance(source, str) else source
    if len(encoded) > most_bytes:
        raise _StopReading(Problem(1, (), f"is larger than {most_bytes} bytes"))
    try:
        text = encoded.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = encoded.count(b"\n", 0, error.start) + 1
        raise _StopReading(Problem(line, (), "is not UTF-8")) from None
    unprintable = [
        Problem(
            text.count("\n", 0, found.start()) + 1,
            (),
            f"the character U+{ord(found.group()):04X} may not stand in YAML",
        )
        for found, _ in zip(Reader.NON_PRINTABLE.finditer(text), range(MOST_PROBLEMS), strict=False)
    ]
    if unprintable:
        raise _StopReading(*unprintable)
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


class _Parser:
    """Follows the events of a YAML parser; recursion ends at `_DEEPEST`."""

    def __init__(self, document: Document, events: Iterator[Any]) -> None:
        self._document = document
        self._events = events

    def parse(self) -> None:
        next(self._events)  # the stream's start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise _StopReading(Problem(1, (), "is empty"))
        self._document.data, self._document.place = self._node(next(self._events), ())
        next(self._events)  # the document's end
        if not isinstance(more := next(self._events), yaml.StreamEndEvent):
            raise _StopReading(Problem(_line(more), (), "a second document is not read"))

    def _node(self, event: Any, path: Path) -> tuple[object, Place]:
        if len(path) > _DEEPEST:
            raise _StopReading(Problem(_line(event), path, "is nested too deep"))
        self._require_plain(event, path)
        match event:
            case yaml.SequenceStartEvent():
                return self._sequence(_line(event), path)
            case yaml.MappingStartEvent():
                return self._mapping(_line(event), path)
            case yaml.ScalarEvent():
                return self._scalar(event, path), Place(_line(event))
        return None, Place(_line(event))

    def _sequence(self, line: int, path: Path) -> tuple[list[object], Place]:
        items: list[object] = []
        places: dict[str | int, Place] = {}
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            item, places[len(items)] = self._node(event, (*path, len(items)))
            items.append(item)
        return items, Place(line, places)

    def _mapping(self, line: int, path: Path) -> tuple[dict[str, object], Place]:
        members: dict[str, object] = {}
        places: dict[str | int, Place] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            name = self._key(event, path)
            at = (*path, name)
            member, place = self._node(next(self._events), at)
            if name in members:
                first = places[name].line
                self._note(event, at, f"is there twice, first on line {first}")
            else:
                members[name], places[name] = member, replace(place, line=_line(event))
        return members, Place(line, places)

    def _key(self, event: Any, path: Path) -> str:
        if isinstance(event, yaml.ScalarEvent):
            if event.value == "<<" and event.implicit[0]:
                self._refuse(event, (*path, "<<"), "merge keys are not read")
            self._require_plain(event, (*path, event.value))
            return str(event.value)
        self._refuse(event, (*path, ""), "a key must be text")
        self._node(event, (*path, ""))
        return ""

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> object:
        text: str = event.value
        if not event.implicit[0]:
            return text  # in quotes or as a block
        if text in _WORDS:
            return _WORDS[text]
        if not _NUMBER.fullmatch(text):
            return text
        if len(text) > _LONGEST_NUMBER:
            self._refuse(event, path, "is too long for a number")
            return 0
        return json.loads(text)

    def _require_plain(self, event: Any, path: Path) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, path, "aliases are not read: write it out")
            return
        if event.anchor is not None:
            self._note(event, path, "anchors are not read")
        if event.tag is not None:
            self._refuse(event, path, "tags are not read")

    def _refuse(self, event: Any, path: Path, message: str) -> None:
        self._document.unread.add(path)
        self._note(event, path, message)

    def _note(self, event: Any, path: Path, message: str) -> None:
        problem = Problem(_line(event), path, message)
        if len(self._document.problems) == MOST_PROBLEMS:
            raise _StopReading(problem)
        self._document.problems.append(problem)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
