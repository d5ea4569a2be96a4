"""A proposal is for the configuration as it was: later, it may undo what has changed since."""

import pytest

from issuer.manifest.applying import PlanOutdated
from tests.builders import Deployment
from tests.review.test_review import RUN, SESSIONS, apply, proposed
from tests.usage.reporting import used, used_daily


def test_a_proposal_that_waited_is_refused_after_a_change(deployment: Deployment):
    """Such as that the client was disabled, which it would undo."""
    deployment.client("ci", scopes=[RUN, SESSIONS])
    used_daily(deployment, {("ci", RUN): (1, 0)})
    proposal = proposed(deployment, "ci")
    used(deployment, {("ci", RUN): (1, 0)})  # reports are no change
    with deployment.changing() as work:
        work.clients.update("ci", {"disabled": True})
    with pytest.raises(PlanOutdated):
        apply(deployment, proposal, proposal.change_count)
    again = proposed(deployment, "ci")
    plan = apply(deployment, again, again.change_count)
    assert not any(shift.gains for shift in plan.shifts)
    with deployment.services.administration.reading() as work:
        assert work.clients.get("ci").disabled
