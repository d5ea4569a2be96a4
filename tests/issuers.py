"""Issuers for tests: arranged once in each worker, copied, and served."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.testclient import TestClient

from issuer.composition import compose
from issuer.composition.foundation import build_telemetry
from issuer.server.app import create_app
from issuer.settings import Settings
from tests.builders import Credentials, Deployment, FakeClock, initialised, settings_for
from tests.databases import copied

# Creates resources.
Arrange = Callable[[Deployment], None]


def without_resources(_: Deployment) -> None:
    """As `issuer init` leaves it."""


@dataclass(frozen=True)
class Initialized:
    """An initialised issuer, what arranged it, and how many ids that took."""

    settings: Settings
    admin: Credentials
    arranged_by: Arrange = without_resources
    ids_taken: int = 0


def with_my_os(deployment: Deployment) -> None:
    deployment.audience("my-os")


class Templates:
    """Issuers on one kind of database, by what arranged them, copied for each test.

    Creating resources takes longer than copying. `migrated` is the URL of an empty database.
    """

    def __init__(self, migrated: str, new_folder: Callable[[], Path], stack: ExitStack) -> None:
        self.migrated = migrated
        self._new_folder = new_folder
        self._stack = stack
        self._made: dict[Arrange, Initialized] = {}

    @contextmanager
    def copy(self, arrange: Arrange, folder: Path) -> Iterator[Initialized]:
        with copied_issuer(self._template(arrange), folder) as copy:
            yield copy

    def _template(self, arrange: Arrange) -> Initialized:
        if arrange not in self._made:
            self._made[arrange] = self._new(arrange)
        return self._made[arrange]

    def _new(self, arrange: Arrange) -> Initialized:
        folder = self._new_folder()
        if arrange is without_resources:
            url = self._stack.enter_context(copied(self.migrated, folder))
            settings = settings_for(folder / "data", url)
            return Initialized(settings, initialised(settings, FakeClock()))
        new = self._stack.enter_context(self.copy(without_resources, folder))
        composition = compose(new.settings, FakeClock())
        deployment = Deployment(composition, new.admin)
        arrange(deployment)
        composition.database.dispose()
        return replace(new, arranged_by=arrange, ids_taken=deployment.ids_taken)


@contextmanager
def copied_issuer(template: Initialized, folder: Path) -> Iterator[Initialized]:
    data_dir = shutil.copytree(template.settings.data_dir, folder / "data")
    with copied(template.settings.effective_database_url, folder) as url:
        yield replace(template, settings=settings_for(data_dir, url))


@contextmanager
def running(opened: Initialized, clock: FakeClock) -> Iterator[Deployment]:
    """`served`, with an audience `my-os`."""
    with served(opened, clock) as deployment:
        with_my_os(deployment)
        yield deployment


@contextmanager
def served(opened: Initialized, clock: FakeClock) -> Iterator[Deployment]:
    """The issuer as it is, and its server."""
    composition = compose(opened.settings, clock, build_telemetry(opened.settings, {}))
    app = create_app(composition)
    with TestClient(app, base_url=opened.settings.url) as http:
        composition.keys.rotator.stop()  # `Deployment.wait` runs it, and nothing at the same time
        for job, runs in composition.background.running:
            if job.name == "deliveries":  # tests send when they want to
                runs.stop()
        yield Deployment(composition, opened.admin, http, ids_taken=opened.ids_taken)
    # FastAPI keeps functions of each app until the process ends, and they refer to the app:
    # thousands of them would stay in memory.
    if app.rest.built is not None:
        vars(app.rest.built).clear()
