"""Chromium of the system, for tests of pages, and what axe finds in a page."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

_MAY_BE_MISSING = "REQUIRE_PROXIES" not in os.environ

in_chromium = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None and _MAY_BE_MISSING, reason="Chromium is not installed."),
]
"""The marks of tests that start it. With `REQUIRE_PROXIES`, they fail without it."""


@contextmanager
def running_chromium() -> Iterator["Browser"]:
    """One at a time in a process; without playwright, the test is skipped."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def violations(page: "Page") -> list[tuple[str, str, list[str]]]:
    """WCAG 2.2 AA as far as a program can tell: rule, impact and elements. Needs JavaScript."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page, options=RULES).response["violations"]
    return [
        (each["id"], each["impact"], [node["target"] for node in each["nodes"]]) for each in found
    ]
