"""A form that was filled in while somebody else changed the same: both versions are shown."""

from collections.abc import Iterable, Mapping


def meanwhile(kind: str) -> str:
    """What the page says above the form."""
    return (
        f"Somebody changed the {kind} meanwhile, and nothing was saved. Below each field that"
        " differs is what it is now. Saving again replaces that."
    )


def differing(
    now: Mapping[str, str], typed: Mapping[str, str], names: Iterable[str]
) -> dict[str, str]:
    """What those of the fields `names` are now that differ from what was typed."""
    return {
        name: now.get(name, "") or "empty"
        for name in names
        if now.get(name, "").split() != typed.get(name, "").split()
    }
