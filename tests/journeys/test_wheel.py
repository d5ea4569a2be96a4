"""The installed wheel works outside this repository."""

import json
import stat
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.builders import Credentials
from tests.journeys.running_issuer import REPOSITORY, Server, process_environment, reserved_port

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `issuer` of a venv with the wheel and the locked versions of what it requires."""
    venv = tmp_path_factory.mktemp("venv")
    pip = [venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    run(sys.executable, "-m", "venv", venv)
    run(*pip, "install", "--quiet", "--require-hashes", "-r", REPOSITORY / "requirements.txt")
    run(*pip, "install", "--quiet", "--no-deps", wheel)
    run(*pip, "check")
    return venv / "bin" / "issuer"


def test_the_wheel_contains_only_the_issuer_and_its_migrations(wheel: Path):
    files = ZipFile(wheel).namelist()
    scripts = {path.name for path in (REPOSITORY / "migrations" / "versions").glob("*.py")}
    assert {Path(file).name for file in files if "/migrations/versions/" in file} == scripts
    assert "issuer/migrations/env.py" in files
    assert "issuer/py.typed" in files
    assert {Path(file).parts[0].partition("-")[0] for file in files} == {
        "issuer",
        "agentos_issuer",
    }


def test_an_installed_issuer_initialises_an_empty_folder_and_serves(program: Path, tmp_path: Path):
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}"
        environment = {**process_environment(), "ISSUER_URL": url}

        made = json.loads(run(program, "init", "--json", cwd=tmp_path, env=environment))
        assert made["issuer"] == url
        assert made["data_dir"] == str(tmp_path / "issuer-data")
        assert mode(tmp_path / "issuer-data") == 0o700
        assert mode(tmp_path / "issuer-data" / "master.key") == 0o600

        server = Server(environment, port, tmp_path, program=[str(program)])
        try:
            server.start()
            admin = Credentials(made["client_id"], made["client_secret"])
            answer = server.token_endpoint.client_credentials(admin)
            assert server.token_endpoint.claims(answer)["iss"] == url
            run(program, "jwks", "pull", url, "-o", "jwks.json", cwd=tmp_path, env=environment)
            published = server.http.get("/.well-known/jwks.json").content
            assert (tmp_path / "jwks.json").read_bytes() == published
        finally:
            server.stop()

        again = json.loads(run(program, "init", "--json", cwd=tmp_path, env=environment))
        assert again == {**made, "client_secret": None}


def test_the_wheel_of_the_libraries_needs_only_httpx_and_pyjwt(tmp_path: Path):
    project = REPOSITORY / "deploy" / "sdk"
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    run(*command, "--directory", tmp_path, cwd=project)
    (wheel,) = tmp_path.glob("*.whl")

    files = [name for name in ZipFile(wheel).namelist() if name.startswith("issuer/")]
    assert {file.split("/")[1] for file in files} == {
        "__init__.py",
        "py.typed",
        "agentos",
        "client",
        "LICENSE",
    }
    (metadata,) = Distribution.discover(path=[str(wheel)])
    assert {requirement.split(">")[0] for requirement in metadata.requires or []} == {
        "httpx",
        "pyjwt[crypto]",
    }
    imported = "import issuer.agentos, issuer.client; print(issuer.client.__file__)"
    where = run(sys.executable, "-c", imported, cwd=tmp_path, env={"PYTHONPATH": str(wheel)})
    assert where.startswith(str(wheel))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def run(*command: str | Path, cwd: Path = REPOSITORY, env: dict[str, str] | None = None) -> str:
    """The output of the command; `AssertionError` with all output if it fails."""
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=env, timeout=300, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
