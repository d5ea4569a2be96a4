"""Concurrent edits of one role: no acknowledged edit is lost."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.drivers import AdminApi

EDITS = 1_000
AT_A_TIME = 4


@pytest.mark.slow
def test_no_acknowledged_edit_is_lost(admin: AdminApi):
    """RFC 9110 §13.1.1: read, change, write with If-Match; on 412 start again."""
    admin.post("/roles", name="crowded")
    with ThreadPoolExecutor(AT_A_TIME) as operators:
        numbers = range(AT_A_TIME)
        acknowledged = sum(operators.map(lambda n: edit(admin, n, EDITS // AT_A_TIME), numbers))
    assert acknowledged >= EDITS - AT_A_TIME
    total = int(admin.get("/roles/crowded").json()["description"])
    assert total == acknowledged


def edit(admin: AdminApi, operator: int, times: int) -> int:
    """Increment the number in the description; returns how many edits were acknowledged."""
    done = 0
    while done < times:
        role = admin.get("/roles/crowded")
        count = int(role.json()["description"] or 0)
        changed = admin.patch(
            "/roles/crowded", if_match=role.headers["etag"], description=str(count + 1)
        )
        done += changed.status_code == 200
    return done
