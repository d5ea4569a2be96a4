"""What somebody used whose id was deleted counts for nothing: it may be somebody else now."""

import pytest

from tests.builders import Deployment
from tests.review.test_review import DAY, RUN, SESSIONS, proposed, reviewed
from tests.usage.reporting import used_daily


@pytest.mark.parametrize("kind", ["client", "user"])
def test_what_somebody_else_of_that_id_used_counts_for_nothing(deployment: Deployment, kind: str):
    def make() -> None:
        if kind == "client":
            deployment.client("ci", scopes=[RUN, SESSIONS])
        else:
            deployment.user("ci", roles=["wide"], id="ci")

    deployment.role("wide", [RUN, SESSIONS])
    make()
    used_daily(deployment, {("ci", RUN): (1, 1), ("ci", "teams:run"): (0, 1)})
    with deployment.changing() as work:
        (work.clients if kind == "client" else work.users).delete("ci")
    deployment.clock.move(DAY)
    make()
    assert not [e for e in reviewed(deployment).findings if e.scope == "teams:run"]
    used_daily(deployment, {}, 31)
    assert proposed(deployment, "ci").after == {"my-os": frozenset()}
