"""The data of a YAML file, with line numbers and YAML errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from issuer.manifest.problems import ManifestProblem, Path

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
