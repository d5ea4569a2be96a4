"""A server has no more connections than it may have open files."""

import resource
from collections.abc import Iterator

import pytest

from issuer.server.connection_limit import ConnectionLimit, limit_connections

FILES = resource.RLIMIT_NOFILE


@pytest.fixture(autouse=True)
def soft_limit() -> Iterator[int]:
    """The limit of open files, as it was, afterwards."""
    before = resource.getrlimit(FILES)
    yield before[0]
    resource.setrlimit(FILES, before)


class Answering:
    """A connection that is not closed for another one."""

    waits_since = None
    is_aborted = False

    def abort(self) -> None:
        self.is_aborted = True


def closed(limit: ConnectionLimit, connections: int) -> bool:
    """Whether the newest of so many connections is closed."""
    newest = Answering()
    limit.admit(newest, [newest] * connections)
    return newest.is_aborted


def test_the_limit_of_open_files_is_raised_for_the_connections():
    _, hard = resource.getrlimit(FILES)
    resource.setrlimit(FILES, (1024, hard))
    limit = limit_connections(1500)
    assert resource.getrlimit(FILES)[0] >= 1500
    assert not closed(limit, 1500)
    assert closed(limit, 1501)


def test_where_it_cannot_be_raised_there_are_fewer_connections():
    _, hard = resource.getrlimit(FILES)
    limit = limit_connections(hard)
    assert resource.getrlimit(FILES) == (hard, hard)
    assert closed(limit, hard)


def test_the_memory_of_many_connections_is_returned_once_most_of_them_are_closed():
    returned: list[None] = []
    limit = ConnectionLimit(4096, return_memory=lambda: returned.append(None))
    connections: list[Answering] = []
    for _ in range(2):
        for _ in range(2_000):
            connections.append(Answering())
            limit.admit(connections[-1], connections)
        assert not returned
        while len(connections) > 10:
            limit.remove(connections.pop(), connections)
        assert len(returned) == 1
        returned.clear()


def test_the_memory_of_a_few_connections_is_kept():
    returned: list[None] = []
    limit = ConnectionLimit(4096, return_memory=lambda: returned.append(None))
    connections = [Answering()] * 100
    limit.admit(connections[0], connections)
    limit.remove(connections[0], [])
    assert not returned
