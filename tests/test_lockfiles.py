"""The lock files hold the dependencies of the project, and no trace of the machine."""

import json
import re
import tomllib
from pathlib import Path

from tests.rows import rows

REPOSITORY = Path(__file__).parents[1]
LOCKFILES = [*REPOSITORY.glob("requirements*.txt"), *REPOSITORY.glob("tests/**/requirements*.txt")]
PINNED = re.compile(r"[a-z0-9.-]+==[\w.]+( ; [^/@]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")

PEERS = REPOSITORY / "benchmarks" / "peers"
DEBIAN_PACKAGE = r"[0-9a-f]{64}  [a-z0-9.+-]+=[\w.:+~-]+"

NODE_LOCKFILES = [
    path
    for folder in ("tests/journeys", "benchmarks")
    for path in REPOSITORY.joinpath(folder).glob("javascript/package-lock.json")
]

every_lockfile = rows("lockfile", LOCKFILES)


@every_lockfile
def test_every_requirement_is_a_version_with_hashes(lockfile):
    lines = lockfile.read_text().splitlines()
    requirements = [line for line in lines if not line.lstrip().startswith("#")]
    assert [line for line in requirements if not PINNED.fullmatch(line)] == []


@every_lockfile
def test_no_comment_names_a_host_or_a_path(lockfile):
    text = lockfile.read_text()
    assert "://" not in text
    assert str(REPOSITORY) not in text


@rows("lockfile", NODE_LOCKFILES)
def test_every_package_for_node_is_a_version_with_a_hash_and_no_host(lockfile):
    packages = json.loads(lockfile.read_text())["packages"]
    del packages[""]
    assert packages
    for package in packages.values():
        assert package["version"]
        assert package["integrity"].startswith("sha512-")
        assert "resolved" not in package


def test_servers_that_are_measured_beside_ours_are_pinned_by_hash():
    """Node.js packages are above; the client of Go compares with `go.sum` by itself."""
    of_debian = PEERS.joinpath("glewlwyd.txt").read_text().splitlines()
    assert of_debian
    assert [line for line in of_debian if not re.fullmatch(DEBIAN_PACKAGE, line)] == []
    assert re.search(r'^SHA256 = "[0-9a-f]{64}"$', PEERS.joinpath("keycloak.py").read_text(), re.M)
    modules = PEERS.joinpath("hydra", "go.mod").read_text()
    hashes = PEERS.joinpath("hydra", "go.sum").read_text()
    assert " h1:" in hashes
    assert "://" not in modules + hashes
    replaced = [line for line in modules.splitlines() if line.startswith("replace ")]
    assert all(re.fullmatch(r"replace \S+ => \S+ v\S+", line) for line in replaced)


def test_every_dependency_is_locked():
    """Otherwise a fresh clone does not install: run `make lock` after changing dependencies."""
    pyproject = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    project, groups = pyproject["project"], pyproject["dependency-groups"]
    extras = project["optional-dependencies"]
    runtime = names(project["dependencies"] + extras["postgres"] + extras["redis"])
    development = names(line for line in groups["dev"] if isinstance(line, str))
    assert runtime <= locked_in("requirements.txt")
    assert names(groups["build"]) <= locked_in("requirements-build.txt")
    assert runtime | development <= locked_in("requirements-dev.txt")
    assert names(groups["demo"]) <= locked_in("requirements-demo.txt")
    assert names(groups["docs"]) <= locked_in("requirements-docs.txt")
    assert names(groups["sbom"]) <= locked_in("requirements-sbom.txt")


def locked_in(lockfile: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9.-]+)==", (REPOSITORY / lockfile).read_text(), re.MULTILINE))


def names(requirements) -> set[str]:
    return {re.match(r"[\w.-]+", line).group().lower() for line in requirements}
