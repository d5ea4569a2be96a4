"""The tree speaks plain English and the terms of its field."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Metaphors that a newcomer would have to look up, and what to write.
WORDS = {
    r"\bhouses?\b": "issuer, deployment, configuration, data directory",
    r"\brooms?\b": "package, unit of work",
    r"\bdoors?\b": "interface",
    r"\bguest house": "verifier",
    r"\b(put )?on (the )?record\b": "audited, in the audit log",
    r"\btak(e|en|ing|es) (them |it |tokens |everything )?back\b": "revoke",
    r"\bborn (dead|alive)\b": "already revoked",
    r"\bliving\b|\bdead\b": "active, expired, revoked",
    r"\bin reserve\b|\bthe reserve\b": "next key",
    r"\bfollowers?\b": "verifier",
    r"\breseal": "rewrap",
    r"\bstrangers?\b": "unauthenticated or unknown client",
    r"\bdoubts?\b": "warnings",
    r"\banyway\b": "force",
    r"\bbeliev": "trusted, accepted",
    r"\blooked after\b|\bin earnest\b|\beldest\b": "managed, in production, oldest",
    r"\b(CONTRACT|DESIGN|STYLE|PAGES)( §|\.md)": "an RFC section, or a page in docs/",
}
SKIPPED = (
    "tests/test_language.py",
    "issuer/users/data/",
    "requirements",
    "LICENSE",
    "package-lock.json",
)
# With these a docstring has no subject, and cannot be read out of its file.
SUBJECTLESS = re.compile(r"(Those|Its|As|Of|Also|Not|Such|That of|The same)\b")
PATTERNS = {re.compile(word, re.IGNORECASE): better for word, better in WORDS.items()}


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("Not a git checkout.")
    return [
        name
        for name in listed.stdout.splitlines()
        if not any(part in name for part in SKIPPED) and (ROOT / name).is_file()
    ]


def test_no_word_needs_a_dictionary():
    found = []
    for name in tracked():
        try:
            lines = (ROOT / name).read_text("utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            for pattern, better in PATTERNS.items():
                if match := pattern.search(line):
                    found.append(f"{name}:{number}: {match[0]!r}: write {better}")
    assert not found, "\n" + "\n".join(found[:50]) + f"\n{len(found)} in all"


def test_a_docstring_begins_with_a_subject():
    found = []
    for path in (ROOT / "issuer").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text, name = ast.get_docstring(node), getattr(node, "name", "the module")
                if text and SUBJECTLESS.match(text):
                    found.append(f"{path.relative_to(ROOT)}: {name}: {text[:40]}")
    assert not found, "\n".join(found)
