"""A second issuer beside `deployment`, as after `issuer init`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from issuer.composition import Composition, compose
from tests.builders import FakeClock, initialised, settings_for
from tests.databases import copied


@pytest.fixture
def fresh(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock
) -> Iterator[Composition]:
    """With the same URL, on a database of its own."""
    with copied(request.getfixturevalue(f"migrated_{database_kind}"), tmp_path) as url:
        settings = settings_for(tmp_path / "fresh", url)
        initialised(settings, clock)
        services = compose(settings, clock)
        yield services
        services.database.dispose()
