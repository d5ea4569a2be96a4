"""A proposal is for the configuration as it was: later, it may undo what has changed since."""

from dataclasses import replace

import pytest

from issuer import manifest
from issuer.manifest import ManifestPlan
from issuer.manifest.applying import PlanOutdated
from issuer.manifest.exporting import written
from issuer.review.proposals import Proposal
from tests.builders import OPERATOR, Deployment
from tests.review.test_review import RUN, SESSIONS, proposed
from tests.usage.reporting import used, used_daily


def apply(deployment: Deployment, proposal: Proposal) -> ManifestPlan:
    """If nothing has changed since."""
    with deployment.services.administration.changing(OPERATOR) as work:
        plan = manifest.plan(work, manifest.read(written(dict(proposal.manifest))))
        manifest.apply(work, replace(plan, change_count=proposal.change_count))
    return plan


def test_a_proposal_that_waited_is_refused_after_a_change(deployment: Deployment):
    """Such as that the client was disabled, which it would undo."""
    deployment.client("ci", scopes=[RUN, SESSIONS])
    used_daily(deployment, {("ci", RUN): (1, 0)})
    proposal = proposed(deployment, "ci")
    used(deployment, {("ci", RUN): (1, 0)})  # reports are no change
    with deployment.changing() as work:
        work.clients.update("ci", {"disabled": True})
    with pytest.raises(PlanOutdated):
        apply(deployment, proposal)
    again = proposed(deployment, "ci")
    plan = apply(deployment, again)
    assert not any(shift.gains for shift in plan.shifts)
    with deployment.services.administration.reading() as work:
        assert work.clients.get("ci").disabled
