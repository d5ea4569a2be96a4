"""Trying whether the audit log has room."""

from issuer.audit.audit_log import EventFilter
from issuer.audit.rehearsal import require_room
from tests.builders import Deployment


def test_a_rehearsal_leaves_nothing(deployment: Deployment):
    before = events(deployment)
    require_room(deployment.services.database, deployment.clock)
    assert events(deployment) == before
    assert deployment.services.audit.verify().ok


def events(deployment: Deployment) -> int:
    with deployment.services.administration.reading() as work:
        return len(work.audit_log.page(EventFilter(), None, 500))
