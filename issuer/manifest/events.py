"""Reading a safe subset of YAML: JSON values in YAML syntax.

A value is a number, a boolean or null only if it is one in JSON, or in every version of YAML
(`True`, `~`). `yes`, `2026-01-01`, `0900`, `0o17`, `1_000` and `12:30` are strings, as are keys.
Anchors, aliases, merge keys and tags are refused, so the data cannot be larger than the file.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import yaml

from issuer.manifest.problems import MAX_PROBLEMS, ManifestProblem, Path

_EMPTY: Mapping[str | int, "SourcePlace"] = MappingProxyType({})


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


_MAX_DEPTH = 24  # claims may be nested 8 deep, 3 levels below the top
_MAX_NUMBER = 400

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
}


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
