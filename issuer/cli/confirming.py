"""What is asked on the terminal: secrets, and confirmations of what a change would take away."""

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Self

import typer

from issuer.cli.command import flag
from issuer.errors import NotAllowed
from issuer.fields.text import escape

if TYPE_CHECKING:  # commands that ask a server need no database
    from issuer.operations import OperationQuestion

Yes = Annotated[bool, flag("--yes", "Do not ask for confirmation.")]
_MAX_LISTED, _MAX_SHOWN = 10, 60


class _Unconfirmed(Exception):
    """What to say, and after it the losses to confirm."""


class Confirmation:
    """What was confirmed: everything with `--yes`, nothing at first without.

    A context manager around the transaction of a change. It asks when that was rolled back.
    """

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes
        self._confirmed: set[str] = set()
        self.is_done = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        self.is_done = error is None
        if isinstance(error, _Unconfirmed):
            self._ask(*error.args)
            return True
        return False

    def require(self, *losses: str) -> None:
        """Roll the change back and ask, unless each of these was confirmed: `delete the client`."""
        if not self._yes and not self._confirmed.issuperset(losses):
            listed = "; ".join(losses[:_MAX_LISTED])
            if (more := len(losses) - _MAX_LISTED) > 0:
                listed += f"; and {more:,} more such changes"
            raise _Unconfirmed(f"This would {listed}.", *losses)

    def require_on_terminal(self, *losses: str) -> None:
        """`require`, unless nobody can be asked: deletions in scripts need no `--yes`."""
        if sys.stdin.isatty():
            self.require(*losses)

    def require_answer(self, question: "OperationQuestion", *, of_scripts: bool) -> None:
        """Roll the change back and ask, unless that was confirmed.

        A script has to confirm only what is `of_scripts`, and what has warnings.
        """
        is_asked = of_scripts or bool(question.warnings) or sys.stdin.isatty()
        if is_asked and not self._yes and question.subject not in self._confirmed:
            raise _Unconfirmed(question.says_all, question.subject)

    def _ask(self, said: str, *losses: str) -> None:
        """`NotAllowed` unless somebody at the terminal confirms."""
        sentence = escape(said)
        if not sys.stdin.isatty():
            raise NotAllowed(f"{sentence} Add --yes to do it.")
        if not typer.confirm(f"{sentence} Continue?", err=True):
            raise NotAllowed("Nothing was changed.")
        self._confirmed.update(losses)


def confirming(*, yes: bool) -> Iterator[Confirmation]:
    """For a change that requires confirmation within its transaction: until it is done.

    It is made again after somebody confirmed: no lock is held while the terminal waits, and what
    others changed meanwhile is asked for, too. The change must look up a name once and keep the id,
    since the name may be that of another user or group by then.
    """
    confirmation = Confirmation(yes=yes)
    while not confirmation.is_done:
        yield confirmation


def emptied(whose: str, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    """The members that had a text, list or object and are empty afterwards."""
    for name, now in after.items():
        was = before.get(name)
        if was and not now and isinstance(was, str | list | dict):
            text = ", ".join(map(str, was)) if isinstance(was, list) else str(was)
            shown = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
            yield f"empty {name} of {whose} (now {shown})"


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
