"""Suggestions for misspelled names."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean X?` for the known name most like `name`; empty if none is like it."""
    spelled = {each.casefold(): each for each in known}
    found = get_close_matches(name.casefold()[:100], spelled, n=1, cutoff=0.7)
    return f" Did you mean {spelled[found[0]]}?" if found else ""
