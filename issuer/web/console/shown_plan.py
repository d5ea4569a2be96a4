"""A plan of a manifest as the console shows it, and the problems of one that cannot be read."""

from dataclasses import dataclass
from itertools import islice

from issuer.composition.planning import MadePlan
from issuer.manifest import InvalidManifest
from issuer.manifest.changes import Shift

_MAX_PROBLEMS, _MAX_LINES, _MAX_SHIFTS = 20, 500, 200


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """At most some `lines` of the changes and `shifts` of rights, of all that there are."""

    etag: str
    lines: tuple[str, ...]
    is_cut: bool
    change_count: int
    shifts: tuple[Shift, ...]
    shift_count: int


def shown_plan(made: MadePlan) -> ShownPlan:
    assert made.plan is not None
    steps, shifts = made.plan.steps, made.plan.shifts
    lines = list(islice((line for step in steps for line in step.lines()), _MAX_LINES + 1))
    return ShownPlan(
        made.etag,
        tuple(lines[:_MAX_LINES]),
        len(lines) > _MAX_LINES,
        len(steps),
        shifts[:_MAX_SHIFTS],
        len(shifts),
    )


def problems_in_words(error: InvalidManifest) -> str:
    first = [f"Line {each.line}: {each}" for each in error.problems[:_MAX_PROBLEMS]]
    more = error.total - len(first)
    return "; ".join([*first, *([f"and {more:,} more"] if more else [])])
