"""A database in trouble, under load: 503 within a bound, nothing lost, recovery without a restart.

`python -m tests.journeys.faults --write-docs` writes the table of docs/reference/faults.md.
"""

from pathlib import Path

import pytest

from tests.journeys.faults.cases import CASES, FaultCase
from tests.journeys.faults.load import CHANGE, READ, REVOKE, TOKEN

ALLOWED = {TOKEN: {200, 401, 503}, REVOKE: {200, 401, 503}, READ: {200, 503}, CHANGE: {200, 503}}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nothing_is_lost_and_nothing_hangs(case: FaultCase, tmp_path: Path):
    outcome = case.outcome(tmp_path)
    assert not outcome.lost
    assert not outcome.stale
    for kind, allowed in ALLOWED.items():
        answers = [each for each in outcome.answers if each.kind == kind]
        assert {each.status for each in answers} <= allowed
        assert all(each.retries_after for each in answers if each.status == 503)
