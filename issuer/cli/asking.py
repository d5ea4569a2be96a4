"""Read secrets from the terminal or standard input: other users can see arguments."""

import sys

import typer


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
