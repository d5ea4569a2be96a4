"""Chromium, and an administrator who is signed in there."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.chromium import running_chromium
from tests.journeys.console.person import PersonAtConsole, let_in
from tests.journeys.running_issuer import RunningIssuer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def context(chromium: "Browser") -> Iterator["BrowserContext"]:
    context = chromium.new_context(java_script_enabled=False)
    yield context
    context.close()


@pytest.fixture(scope="module")
def ada(issuer: RunningIssuer) -> str:
    """The id of the user `ada`, who may do everything at the issuer."""
    role = issuer.deployment.role("administrators", ["issuer:admin"])
    return issuer.deployment.user("ada", [role])


@pytest.fixture
def person(context: "BrowserContext", issuer: RunningIssuer, ada: str) -> Iterator[PersonAtConsole]:
    """Ada, at the overview of the console."""
    let_in(context, issuer.deployment.services, ada)
    person = PersonAtConsole(issuer.url, context.new_page())
    person.go("/console")
    yield person
    assert person.problems == []
