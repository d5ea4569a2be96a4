"""A SQLite file that is deleted or replaced while a server has it open: writes to it are lost."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from issuer.database import Database
from issuer.errors import DatabaseUnavailable
from tests.builders import Deployment
from tests.captured_logs import capture_logs
from tests.drivers import TokenDriver

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


def delete(file: Path) -> None:
    file.rename(file.with_name("moved"))


def replace(file: Path) -> None:
    """As an operator restores a copy."""
    delete(file)
    shutil.copyfile(file.with_name("moved"), file)


@pytest.fixture
def file(deployment: Deployment) -> Path:
    return Path(str(deployment.services.database.url.database))


@pytest.mark.parametrize(("happens", "word"), [(delete, "deleted"), (replace, "replaced")])
def test_a_server_whose_file_is_gone_refuses_everything_and_says_why(
    deployment: Deployment,
    token_endpoint: TokenDriver,
    file: Path,
    happens: Callable[[Path], None],
    word: str,
):
    client = deployment.client()
    assert token_endpoint.client_credentials(client).status == 200
    happens(file)
    with capture_logs() as lines:
        refused = token_endpoint.client_credentials(client)
        assert (refused.status, refused.error) == (503, "temporarily_unavailable")
        assert deployment.http.get("/readyz").status_code == 503
        with pytest.raises(DatabaseUnavailable, match=f"{file} was {word} while"):
            deployment.role("reader", ["agents:read"])
    causes = [line["cause"] for line in lines if line["event"] == "database_unavailable"]
    assert [f"{file} was {word} while" in cause for cause in causes] == [True]
    file.with_name("moved").rename(file)
    deployment.wait(timedelta(seconds=2))
    assert deployment.http.get("/readyz").status_code == 200
    assert token_endpoint.client_credentials(client).status == 200


def test_a_deleted_file_is_not_created_again(deployment: Deployment, file: Path):
    """Neither by a connection that is opened later."""
    database = deployment.services.database
    with database.reading() as session:
        session.connection()
        delete(file)
        with pytest.raises(DatabaseUnavailable):
            database.now()
    assert not file.exists()


def test_a_process_that_has_closed_the_file_may_open_another(migrated_database_url: str):
    database = Database(migrated_database_url)
    database.now()
    replace(Path(str(database.url.database)))
    with pytest.raises(DatabaseUnavailable):
        database.now()
    database.dispose()
    database.now()
    database.dispose()
