"""What is asked on the terminal: secrets, and confirmations of what a change would take away."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, TypeVar

import typer

from issuer.errors import NotAllowed
from issuer.fields.text import escaped

T = TypeVar("T")

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
_MAX_LISTED = 10


class _Unconfirmed(Exception):
    def __init__(self, losses: Sequence[str]) -> None:
        super().__init__()
        self.losses = losses


class Confirmation:
    """What was confirmed: everything with `--yes`, nothing at first without."""

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes
        self._confirmed: set[str] = set()

    def require(self, *losses: str) -> None:
        """Roll the change back and ask, unless each of these was confirmed: `delete the client`."""
        if not self._yes and not self._confirmed.issuperset(losses):
            raise _Unconfirmed(losses)

    def ask(self, losses: Sequence[str]) -> None:
        """`NotAllowed` unless somebody at the terminal confirms."""
        listed = "; ".join(losses[:_MAX_LISTED])
        if (more := len(losses) - _MAX_LISTED) > 0:
            listed += f"; and {more:,} more such changes"
        sentence = escaped(f"This would {listed}.")
        if not sys.stdin.isatty():
            raise NotAllowed(f"{sentence} Add --yes to do it.")
        if not typer.confirm(f"{sentence} Continue?", err=True):
            raise NotAllowed("Nothing was changed.")
        self._confirmed.update(losses)


def confirmed(change: Callable[[Confirmation], T], *, yes: bool) -> T:
    """The result of `change`, which requires confirmation within its transaction.

    It is made again after somebody confirmed: no lock is held while the terminal waits, and what
    others changed meanwhile is asked for, too.
    """
    confirmation = Confirmation(yes=yes)
    while True:
        try:
            return change(confirmation)
        except _Unconfirmed as needed:
            confirmation.ask(needed.losses)


def emptied(whose: str, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    """The members that had a text, list or object and are empty afterwards."""
    for name, now in after.items():
        was = before.get(name)
        if was and not now and isinstance(was, str | list | dict):
            yield f"empty {name} of {whose} (now {_shortened(was)})"


def _shortened(value: str | list[object] | dict[str, object]) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"  # noqa: PLR2004


def ask(what: str, *, from_stdin: bool, otherwise: str, twice: bool = False) -> str:
    """A line of standard input, or of the terminal without echo.

    Wrong usage where there is no terminal; `otherwise` names the alternative.
    """
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"there is no terminal to ask for the {what}: use {otherwise}")
    answer: str = typer.prompt(
        what.capitalize(), hide_input=True, confirmation_prompt=twice, err=True
    )
    return answer
