"""Each how-to is run at an issuer that has data, or says why not."""

import re

from tests.how_tos import CHANGES, NOT_RUN
from tests.journeys.running_issuer import REPOSITORY
from tests.rows import rows

HOW_TO = REPOSITORY / "docs" / "how-to"
TESTS = [
    REPOSITORY / "tests" / name
    for name in (
        "test_docs.py",
        "test_workload_how_tos.py",
        "client/test_docs.py",
        "client/test_acting_docs.py",
        "web/test_example.py",
    )
]


def test_each_page_is_run_or_says_why_not():
    pages = {page.name for page in HOW_TO.glob("*.md")}
    assert CHANGES.keys() | NOT_RUN.keys() == pages
    assert CHANGES.keys() & NOT_RUN.keys() == set()


@rows("page", sorted(CHANGES))
def test_a_page_is_run_by_a_test_that_compares_what_changed(page: str):
    sources = [file.read_text() for file in TESTS]
    assert any(f'"{page}"' in text and "changing_only(" in text for text in sources)


@rows("page", sorted(NOT_RUN))
def test_the_reason_names_tests_that_exist(page: str):
    for path in re.findall(r"tests/[\w/.]*\w", NOT_RUN[page]):
        assert (REPOSITORY / path).exists()
