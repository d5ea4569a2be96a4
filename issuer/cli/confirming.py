"""What is asked on the terminal: secrets, and confirmations of what a change would take away."""

import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Self

import typer

from issuer.cli.command import flag
from issuer.errors import IssuerError, NotAllowed
from issuer.fields.text import escape

if TYPE_CHECKING:  # commands that ask a server need no database
    from issuer.operations import OperationQuestion

Yes = Annotated[bool, flag("--yes", "Do not ask for confirmation.")]
_MAX_LISTED, _MAX_SHOWN = 10, 60
_MAX_ATTEMPTS = 5  # at what others change again and again

_current: ContextVar["Confirmation | None"] = ContextVar("confirmation", default=None)


class _Unconfirmed(Exception):
    """What to say, and after it the losses to confirm."""


class ChangedMeanwhile(IssuerError):
    """A server refuses a change of what is not as it was when it was read."""

    def __init__(self) -> None:
        super().__init__("It was changed meanwhile. Nothing was changed by you: try again.")


class DryRunEnded(Exception):
    """Nothing is left to ask after a dry run at a server. `tags` are the ETags of what it read."""

    def __init__(self, tags: Mapping[tuple[str, ...], str]) -> None:
        self.tags = tags


class Confirmation:
    """What was confirmed: everything with `--yes`, nothing at first without.

    A context manager around the transaction of a change. It asks when that was rolled back. At a
    server, that is a dry run, and the change follows when nothing is left to ask.
    """

    tags: Mapping[tuple[str, ...], str] | None = None
    """The ETags of the dry run after which nothing was left to ask."""

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes
        self._confirmed: set[str] = set()
        self._attempts = 0
        self.is_done = False

    def __enter__(self) -> Self:
        _current.set(self)
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        _current.set(None)
        self.is_done = error is None
        match error:
            case _Unconfirmed():
                self._ask(*error.args)
            case DryRunEnded():
                self.tags = error.tags
            case ChangedMeanwhile() if self._attempts < _MAX_ATTEMPTS:
                self.tags, self._attempts = None, self._attempts + 1
            case _:
                return False
        return True

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to ask."""
        return self._yes or self.tags is not None

    def require(self, *losses: str) -> None:
        """Roll the change back and ask, unless each of these was confirmed: `delete the client`."""
        if not self.is_settled and not self._confirmed.issuperset(losses):
            listed = "; ".join(losses[:_MAX_LISTED])
            if (more := len(losses) - _MAX_LISTED) > 0:
                listed += f"; and {more:,} more such changes"
            raise _Unconfirmed(f"This would {listed}.", *losses)

    def require_answer(self, question: "OperationQuestion", *, of_scripts: bool) -> None:
        """Roll the change back and ask, unless that was confirmed.

        A script has to confirm only what is `of_scripts`, and what has warnings.
        """
        is_asked = of_scripts or bool(question.warnings) or sys.stdin.isatty()
        if is_asked and not self.is_settled and question.subject not in self._confirmed:
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


def current_confirmation() -> Confirmation | None:
    """The confirmation around the present change; None for one that asks nothing."""
    return _current.get()


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
