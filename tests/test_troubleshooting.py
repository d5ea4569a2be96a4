"""The page names every message of a start that fails, and every warning in the log."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "docs" / "how-to" / "troubleshoot.md").read_text()
LEVELS = ("warning", "error", "critical", "exception")
# Libraries that log in other processes than the issuer.
ELSEWHERE = ("agentos", "client")


def test_the_page_names_every_message_of_a_configuration_error_and_no_other():
    first_half, _, _ = PAGE.partition("## In the log")
    _, _, tables = first_half.partition("## A command or server does not start")
    assert set(re.findall(r"^\| `([^`]+)` \|", tables, re.MULTILINE)) == set(messages())


def test_the_page_names_every_warning_in_the_log_and_no_other():
    _, _, table = PAGE.partition("## In the log")
    assert set(re.findall(r"^\| `(\w+)` \| (\w+) \|", table, re.MULTILINE)) == set(warnings())


def messages() -> Iterator[str]:
    """As the page writes them: `…` for what differs, without quotes of code."""
    for call in calls():
        if isinstance(call.func, ast.Name) and call.func.id == "ConfigurationError":
            text = template(call.args[0])
            if text is not None:
                yield text.replace("`", "")


def warnings() -> Iterator[tuple[str, str]]:
    for call in calls():
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="log"), attr=level),
                args=[ast.Constant(value=str(event)), *_],
            ) if level in LEVELS and event.isidentifier():
                yield event, "error" if level == "exception" else level


def calls() -> Iterator[ast.Call]:
    for file in (REPOSITORY / "issuer").rglob("*.py"):
        if file.relative_to(REPOSITORY / "issuer").parts[0] not in ELSEWHERE:
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call):
                    yield node


def template(node: ast.expr) -> str | None:
    """None if the text comes from elsewhere."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            texts = [part.value if isinstance(part, ast.Constant) else "…" for part in parts]
            return re.sub("…+", "…", "".join(map(str, texts)))
    return None
