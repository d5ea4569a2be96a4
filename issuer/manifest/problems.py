"""The errors of a manifest, all at once, each with its line."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from issuer.errors import IssuerError
from issuer.fields.text import escape

Path: TypeAlias = tuple[str | int, ...]

MAX_PROBLEMS = 1_000
_MAX_NAME = 60


@dataclass(frozen=True, slots=True)
class ManifestProblem:
    """One error and its place; lines count from 1."""

    line: int
    path: Path
    message: str

    def __str__(self) -> str:
        return f"{spell(self.path)}: {self.message}" if self.path else self.message


class InvalidManifest(IssuerError):
    """A manifest that cannot be used; the first `MAX_PROBLEMS` of `total`, a line each."""

    def __init__(self, file: str, problems: Iterable[ManifestProblem], more: int = 0) -> None:
        self.file = file
        found = sorted(set(problems), key=lambda each: (each.line, str(each)))
        self.problems = found[:MAX_PROBLEMS]
        self.total = len(found) + more
        lines = [f"{file}:{each.line}: {each}" for each in self.problems]
        if self.total > len(self.problems):
            lines.append(f"{file}: and {self.total - len(self.problems)} more")
        super().__init__("\n".join(lines))


def spell(path: Path) -> str:
    """`path` as text: `clients[2].scopes[0]`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{_name(part)}" for part in path]
    return "".join(parts).removeprefix(".")


def quote(value: object) -> str:
    """`value` as JSON on one line, without control characters for a terminal."""
    return escape(json.dumps(value, ensure_ascii=False))


def _name(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", text):
        return text
    return quote(text if len(text) <= _MAX_NAME else text[:_MAX_NAME] + "…")
