"""A form that shows a secret counts once."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from issuer.errors import InvalidField
from issuer.roles import RoleFields
from issuer.sign_in.sessions import AlreadySent
from tests.builders import Deployment


def test_a_form_counts_once(deployment: Deployment):
    with deployment.changing() as work:
        work.sent_forms.require_first("one")
    with pytest.raises(AlreadySent), deployment.changing() as work:
        work.sent_forms.require_first("one")
    with deployment.changing() as work:
        work.sent_forms.require_first("another")


def test_a_form_that_was_refused_does_not_count(deployment: Deployment):
    with suppress(InvalidField), deployment.changing() as work:
        work.sent_forms.require_first("one")
        raise InvalidField("name", "is wrong")
    with deployment.changing() as work:
        work.sent_forms.require_first("one")


def test_of_the_same_form_at_the_same_time_one_counts(deployment: Deployment):
    """As two clicks reach two processes."""

    def send(number: int) -> bool:
        try:
            with deployment.changing() as work:
                work.sent_forms.require_first("one")
                work.roles.create(RoleFields(name=f"role-{number}", scopes=[]))
        except AlreadySent:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(send, range(4))) == 1
