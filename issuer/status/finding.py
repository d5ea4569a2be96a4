"""The one form of every judgement, whoever shows it."""

from typing import NamedTuple

OK, NOTE, WARNING, PROBLEM = "ok", "note", "warning", "problem"


class Finding(NamedTuple):
    """What was found about `subject`, and what to do. The verdict is one of the four above.

    In the console, `path` is that of the page about it; empty if it has none.
    """

    subject: str
    verdict: str
    text: str
    remedy: str = ""
    path: str = ""
