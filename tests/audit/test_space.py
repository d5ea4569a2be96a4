"""Checking that the audit log can be written."""

from issuer.audit.audit_log_store import EventFilter
from issuer.audit.writer import require_space
from tests.builders import Deployment


def test_checking_the_space_stores_no_event(deployment: Deployment):
    before = events(deployment)
    foundation = deployment.services.foundation
    require_space(foundation.database, deployment.clock, foundation.chain_key)
    assert events(deployment) == before
    assert deployment.services.audit.verify().ok


def events(deployment: Deployment) -> int:
    with deployment.services.administration.reading() as work:
        return len(work.audit_log.page(EventFilter(), None, 500))
