"""An apply killed at any moment leaves the old configuration or the new one."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import Deployment
from tests.journeys.running_issuer import process_environment
from tests.manifest.declaring import declare, exported, planned

REPOSITORY = Path(__file__).parents[2]
MANIFEST = """\
audiences: [{id: a-os}, {id: b-os}]
roles: [{name: runner, scopes: [agents:run]}, {name: reader}]
clients:
  - {client_id: c1, audiences: [a-os], roles: [{role: runner}]}
  - {client_id: c2, audiences: [b-os], roles: [{role: runner}, {role: reader}]}
users:
  - {username: alice, roles: [{role: reader}]}
"""


@pytest.mark.slow
def test_a_killed_apply_changes_everything_or_nothing(deployment: Deployment, tmp_path: Path):
    file = tmp_path / "issuer.yaml"
    file.write_text(MANIFEST)
    before = exported(deployment.services)
    for moment in ("1", "7", "15", "before_commit"):
        assert killed(deployment, file, moment) == -signal.SIGKILL
        assert exported(deployment.services) == before
    assert killed(deployment, file, "after_commit") == -signal.SIGKILL
    assert not planned(deployment.services, MANIFEST)
    assert exported(deployment.services) != before


@pytest.mark.slow
def test_a_killed_apply_can_be_repeated(deployment: Deployment, tmp_path: Path):
    file = tmp_path / "issuer.yaml"
    file.write_text(MANIFEST)
    assert killed(deployment, file, "10") == -signal.SIGKILL
    assert declare(deployment.services, MANIFEST).secrets.keys() == {"c1", "c2"}
    assert killed(deployment, file, "999") == 0


def killed(deployment: Deployment, file: Path, moment: str) -> int:
    """The exit status of the process."""
    settings = deployment.services.settings
    environment = {
        "PYTHONPATH": str(REPOSITORY),
        "ISSUER_URL": settings.url,
        "ISSUER_DATA_DIR": str(settings.data_dir),
        "ISSUER_DATABASE_URL": settings.effective_database_url,
        "ISSUER_SIGNING_ALGORITHMS": "ES256",
        "ISSUER_PASSWORD_HASH": "owasp",
    }
    return subprocess.run(
        [sys.executable, "-P", "-m", "tests.manifest.applying_process", file, moment],
        env=process_environment() | environment,
        check=False,
        timeout=120,
    ).returncode
