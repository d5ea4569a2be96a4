"""Trying whether the audit log has room."""

from issuer.audit.record import EventFilter
from issuer.audit.rehearsal import require_room
from tests.builders import House


def test_a_rehearsal_leaves_nothing(house: House):
    before = events(house)
    require_room(house.services.database, house.clock)
    assert events(house) == before
    assert house.services.audit.verify().ok


def events(house: House) -> int:
    with house.services.administration.reading() as rooms:
        return len(rooms.record.page(EventFilter(), None, 500))
