"""What a YAML file says, where it says so, and what is wrong with it as YAML."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from issuer.manifest.problems import Path, Problem

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
