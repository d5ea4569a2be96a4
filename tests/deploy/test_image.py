"""The image builds from the Dockerfile and runs as a container without rights."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from issuer import __version__
from tests.journeys.running_issuer import REPOSITORY, reserved_port, wait_until

BASE = "localhost/python"
IMAGE = "localhost/agentos-issuer"
# Hybrid cgroups, which crun refuses, are hidden. The limits are those that any process may set.
PODMAN = ["unshare", "--mount", "sh", "-c", 'umount /sys/fs/cgroup/unified 2>&-; exec "$@"', "sh"]
LIMITS = ["--cgroups=disabled", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
NO_RIGHTS = ["--read-only", "--read-only-tmpfs=false", "--cap-drop=all"]
USER = 10001


def test_the_version_stands_everywhere():
    (labelled,) = re.findall(r"^ARG VERSION=(.+)$", dockerfile(), re.MULTILINE)
    assert labelled == __version__


def test_everything_that_is_copied_into_the_image_is_sent_to_the_builder():
    sent = (REPOSITORY / ".dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile(), re.MULTILINE):
        for source in line.split():
            assert f"!{source}" in sent


def dockerfile() -> str:
    return (REPOSITORY / "Dockerfile").read_text()


class Containers:
    """Images and containers in a folder of their own, without a daemon."""

    def __init__(self, folder: Path) -> None:
        storage = [f"--root={folder}/images", f"--runroot={folder}/run", "--storage-driver=vfs"]
        self._buildah = ["buildah", *storage]
        self._podman = [*PODMAN, "podman", *storage, "--cgroup-manager=cgroupfs"]

    def build(self, root_file_system: str) -> None:
        base = self.buildah("from", "scratch")
        self.buildah("add", "--quiet", base, root_file_system, "/")
        self.buildah("commit", "--quiet", base, BASE)
        build = ["build", "--isolation=chroot", "--format=docker", f"--tag={IMAGE}"]
        self.buildah(*build, f"--build-arg=PYTHON_IMAGE={BASE}", str(REPOSITORY))

    def buildah(self, *arguments: str) -> str:
        return output(*self._buildah, *arguments)

    def run(self, *arguments: str) -> str:
        return output(*self._run, *arguments)

    def exec(self, name: str, *arguments: str) -> str:
        return output(*self._podman, "exec", name, *arguments)

    @contextmanager
    def running(self, name: str, *arguments: str) -> Iterator[None]:
        with subprocess.Popen([*self._run, f"--name={name}", *arguments]) as process:
            try:
                yield
            finally:
                output(*self._podman, "stop", name)
        assert process.returncode == 0

    @property
    def _run(self) -> list[str]:
        run = ["run", "--rm", "--network=host", "--no-healthcheck", *LIMITS, *NO_RIGHTS]
        return [*self._podman, *run]


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Containers:
    missing = [name for name in ("buildah", "podman", "crun") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"Needs root and {missing}.")
    root_file_system = os.environ.get("PYTHON_ROOT_FILE_SYSTEM")
    if root_file_system is None:
        pytest.skip("PYTHON_ROOT_FILE_SYSTEM names no folder with Debian and Python.")
    containers = Containers(tmp_path_factory.mktemp("containers"))
    containers.build(root_file_system)
    return containers


@pytest.mark.slow
def test_a_container_without_rights_issues_a_token(containers: Containers, tmp_path: Path):
    data, secret = tmp_path / "data", tmp_path / "admin_secret"
    data.mkdir()
    os.chown(data, USER, USER)
    secret.write_text("s" * 32)
    secret.chmod(0o444)
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}"
        options = [f"--volume={data}:/var/lib/issuer", f"--env=ISSUER_URL={url}"]
        mounted = [f"--volume={secret}:/admin:ro", "--env=ISSUER_ADMIN_SECRET_FILE=/admin"]
        containers.run(*options, *mounted, IMAGE, "init")
        with containers.running("issuer", *options, IMAGE, "serve", f"--port={port}"):
            wait_until(lambda: is_ready(url), 120, "the container answers")
            asked = {"grant_type": "client_credentials"}
            answer = httpx.post(f"{url}/oauth2/token", data=asked, auth=("issuer-admin", "s" * 32))
            assert answer.status_code == 200
            containers.exec("issuer", "issuer", "health", f"--url={url}")
            assert containers.exec("issuer", "id", "-u").strip() == str(USER)
            status = containers.exec("issuer", "cat", "/proc/1/status")
            assert re.search(r"CapEff:\s0+\n", status)


@pytest.mark.slow
def test_the_image_names_what_it_contains(containers: Containers):
    run = ["--entrypoint=cat", IMAGE, "/opt/issuer/sbom.cdx.json"]
    contents = json.loads(containers.run(*run))
    found = {
        (each["name"].lower().replace("_", "-"), each["version"]) for each in contents["components"]
    }
    text = (REPOSITORY / "requirements.txt").read_text()
    locked = set(re.findall(r"^([a-z0-9.-]+)==([^ ]+)", text, re.MULTILINE))
    assert {"sqlalchemy", "psycopg", "uvicorn"} <= {name for name, _ in found & locked}
    assert found <= locked


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()
