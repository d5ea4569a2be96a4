"""Boxes for the values of a field that can also be typed.

The field has all its values as text, one a line. The boxes stand beside it: a form says which of
them were ticked when it was shown, so that what was changed at either of the two counts. Where
there are too many for boxes, another field takes one more value, or a part of it to look up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

TICKED, WERE_TICKED, FOUND = "pick", "picked", "find"
MOST = 40  # boxes beside one field
_BY_LINE = {"users"}  # whose names have spaces
# Of a form with boxes for scopes.
MAX_BYTES = 128 * 1024
MAX_PARAMETERS = 1_000


@dataclass(frozen=True, slots=True)
class Box:
    """One value of the field `member`, with its `label`; a new one is not in the field yet."""

    member: str
    value: str
    label: str
    is_ticked: bool = False
    is_new: bool = False

    @property
    def name(self) -> str:
        return f"{TICKED} {self.member} {self.value}"


@dataclass(frozen=True, slots=True)
class Boxes:
    """The boxes of one field, and its `text`; the list at the path `more` suggests others."""

    member: str
    boxes: tuple[Box, ...] = field(default=())
    more: str = ""
    text: str = ""

    @property
    def name(self) -> str:
        """The name of the hidden field."""
        return f"{WERE_TICKED} {self.member}"

    @property
    def ticked(self) -> str:
        """The value of the hidden field."""
        return " ".join(box.value for box in self.boxes if box.is_ticked and not box.is_new)


def boxes_of(member: str, known: Iterable[str], typed: str, more: str = "") -> Boxes:
    """For the values that are known, and the first of those that were typed."""
    chosen = _values(member, typed)
    shown = dict.fromkeys([*known, *chosen[:MOST]])
    boxes = tuple(Box(member, each, each, each in chosen) for each in shown)
    return Boxes(member, boxes, more, "\n".join(chosen))


def _values(member: str, text: str) -> list[str]:
    return text.splitlines() if member in _BY_LINE else text.split()


def with_picks(form: Mapping[str, str]) -> Mapping[str, str]:
    """`form` with what was ticked and unticked, in the fields that the boxes are about."""
    ticked: dict[str, list[str]] = {}
    were_ticked: dict[str, list[str]] = {}
    plain: dict[str, str] = {}
    for name, value in form.items():
        match name.split(" ", 2):
            case [word, member, one] if word == TICKED:
                ticked.setdefault(member, []).append(one)
            case [word, member] if word == FOUND:
                plain[name] = value
                ticked.setdefault(member, []).extend(filter(None, [value.strip()]))
            case [word, member] if word == WERE_TICKED:
                were_ticked[member] = value.split()
            case _:
                plain[name] = value
    for member in {**were_ticked, **ticked}:
        typed = _values(member, plain.get(member, ""))
        if chosen := _chosen(typed, ticked.get(member, []), were_ticked.get(member, [])):
            plain[member] = "\n".join(chosen)
        else:
            plain.pop(member, None)
    return plain


def _chosen(typed: list[str], now: list[str], before: list[str]) -> list[str]:
    """What is typed without what was unticked, and what was ticked besides."""
    kept = [each for each in typed if each in now or each not in before]
    return kept + [each for each in now if each not in before and each not in kept]
