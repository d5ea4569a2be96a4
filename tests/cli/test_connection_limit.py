"""A server has no more connections than it may have open files."""

import resource
from collections.abc import Iterator

import pytest

from issuer.cli.connection_limit import limit_connections

FILES = resource.RLIMIT_NOFILE


@pytest.fixture(autouse=True)
def soft_limit() -> Iterator[int]:
    """The limit of open files, as it was, afterwards."""
    before = resource.getrlimit(FILES)
    yield before[0]
    resource.setrlimit(FILES, before)


def test_the_limit_of_open_files_is_raised_for_the_connections():
    _, hard = resource.getrlimit(FILES)
    resource.setrlimit(FILES, (1024, hard))
    limit = limit_connections(1500)
    assert resource.getrlimit(FILES)[0] >= 1500
    assert not limit.is_exceeded(1500)
    assert limit.is_exceeded(1501)


def test_where_it_cannot_be_raised_there_are_fewer_connections():
    _, hard = resource.getrlimit(FILES)
    limit = limit_connections(hard)
    assert resource.getrlimit(FILES) == (hard, hard)
    assert limit.is_exceeded(hard)
