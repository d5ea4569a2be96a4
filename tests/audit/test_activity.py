"""What a person reads of the audit log."""

from issuer.audit.actions import AUDIT_ACTIONS
from issuer.audit.activity import SENTENCES


def test_every_action_is_one_that_is_audited():
    assert set(SENTENCES) <= set(AUDIT_ACTIONS)
