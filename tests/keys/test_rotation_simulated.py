"""The invariants of key rotation, checked by simulation (see docs/architecture.md).

Up to five processes with clocks that are off by up to 30 seconds start, stop, race and are slow;
settings change; operators rotate and revoke; years pass. See `tests/keys/simulation`.
"""

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from issuer.errors import Unavailable
from tests.keys.simulation.mutants import MUTANTS, Mutant
from tests.keys.simulation.schedules import Schedule, schedules

SIMULATED = settings(
    max_examples=1000,
    deadline=None,
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
# The first failing schedule is enough: no shrinking.
UNTIL_FOUND = settings(SIMULATED, phases=[Phase.generate])

pytestmark = pytest.mark.slow


@SIMULATED
@given(schedules())
def test_keys_rotate_safely(schedule: Schedule):
    schedule.run()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule)
def test_the_simulation_notices_a_broken_rule(mutant: Mutant, monkeypatch: pytest.MonkeyPatch):
    @UNTIL_FOUND
    @given(schedules())
    def simulated(schedule: Schedule) -> None:
        schedule.run()

    monkeypatch.setattr(mutant.where, mutant.name, mutant.broken)
    with pytest.raises((AssertionError, Unavailable)):
        simulated()
