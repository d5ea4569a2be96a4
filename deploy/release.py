"""Build what is published into dist/, check it, and print how to publish it.

    make release [ARGS='--unfinished --no-image']

The wheels and the source archive are built twice and must have the same bytes: anybody can repeat
it from the commit and compare with SHA256SUMS. The SBOM lists what `requirements.txt` locks.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from issuer import __version__  # noqa: E402

DIST = REPOSITORY / "dist"
IMAGE = f"agentos-issuer:{__version__}"
SUFFIXES = {".whl", ".gz", ".tgz", ".json"}
CHART = REPOSITORY / "deploy" / "helm" / "agentos-issuer"
HELM = REPOSITORY / ".venv-tools" / "bin" / "helm"
CYCLONEDX = REPOSITORY / ".venv-sbom" / "bin" / "cyclonedx-py"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument(
        "--unfinished", action="store_true", help="with uncommitted changes, or without a date"
    )
    parser.add_argument("--no-image", action="store_true", help="build no container image")
    options = parser.parse_args()
    if not options.unfinished:
        require_finished()
    environment = {**os.environ, "SOURCE_DATE_EPOCH": git("log", "-1", "--format=%ct")}
    shutil.rmtree(DIST, ignore_errors=True)
    build(DIST, environment)
    require_reproducible(environment)
    run(sys.executable, "-m", "pytest", "-q", "tests/journeys/test_wheel.py")
    describe_dependencies()
    has_chart = package_chart()
    image = not options.no_image and built_image(environment)
    sums = "".join(f"{digest}  {name}\n" for name, digest in digests(DIST).items())
    (DIST / "SHA256SUMS").write_text(sums)
    print(f"\n{sums}\n{publishing(image, has_chart)}")


def require_finished() -> None:
    """Exit unless this commit can be released: nothing uncommitted, and a date in the changelog."""
    if git("status", "--porcelain"):
        sys.exit("There are uncommitted changes: commit them.")
    dated = rf"^## \[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d$"
    if not re.search(dated, (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE):
        sys.exit(f"CHANGELOG.md has no line '## [{__version__}] - DATE': date the version.")


def build(folder: Path, environment: dict[str, str]) -> None:
    """The wheel and the source archive of the issuer, and the wheel of the libraries."""
    hatchling = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    run(*hatchling, env=environment)
    libraries = REPOSITORY / "deploy" / "sdk"
    run(*hatchling, "--target", "wheel", env=environment, cwd=libraries)


def require_reproducible(environment: dict[str, str]) -> None:
    """Exit unless building again, and from the source archive, gives the same bytes."""
    with tempfile.TemporaryDirectory() as scratch:
        again, source = Path(scratch, "again"), Path(scratch, "source")
        build(again, environment)
        (archive,) = again.glob("*.tar.gz")
        run("tar", "--extract", "--file", str(archive), f"--directory={scratch}")
        hatchling = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
        unpacked = Path(scratch, archive.name.removesuffix(".tar.gz"))
        run(*hatchling, "--directory", str(source), env=environment, cwd=unpacked)
        first = digests(DIST)
        if digests(again) != first or not digests(source).items() <= first.items():
            sys.exit("Building again gave other bytes.")


def digests(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES)
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def describe_dependencies() -> None:
    """The SBOM of a release, in CycloneDX; that of the image has what is installed there."""
    sbom = str(DIST / f"agentos_issuer-{__version__}.cdx.json")
    options = ["--pyproject", "pyproject.toml", "--output-reproducible", "--output-file", sbom]
    run(str(CYCLONEDX), "requirements", *options, "requirements.txt")


def package_chart() -> bool:
    """Whether there is a package of the chart now: only where Go has built Helm."""
    if HELM.exists():
        run(str(HELM), "package", str(CHART), "--destination", str(DIST))
    return HELM.exists()


def built_image(environment: dict[str, str]) -> bool:
    """Whether there is an image now: only where Docker or Podman runs."""
    for program in ("docker", "podman"):
        if shutil.which(program) and is_running(program):
            run(program, "build", "--tag", IMAGE, ".", env=environment)
            return True
    return False


def is_running(program: str) -> bool:
    return subprocess.run([program, "info"], check=False, capture_output=True).returncode == 0


def publishing(image: bool, has_chart: bool) -> str:
    push = f"docker tag {IMAGE} REGISTRY/{IMAGE} && docker push REGISTRY/{IMAGE}"
    chart = f"helm push dist/agentos-issuer-{__version__}.tgz oci://REGISTRY/charts"
    return f"""To publish {__version__}, also where no workflow does it for the tag:

    git tag --sign v{__version__} && git push --tags
    twine upload dist/*.whl dist/*.tar.gz
    {push if image else "# There is no image: run this again where Docker or Podman runs."}
    {chart if has_chart else "# There is no chart: run this again where there is Go."}

Then raise __version__ in issuer/__init__.py and add [Unreleased] to CHANGELOG.md."""


def git(*arguments: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def run(*command: str, env: dict[str, str] | None = None, cwd: Path = REPOSITORY) -> None:
    """Exit if it fails."""
    print("$", *command, flush=True)
    if subprocess.run(command, env=env, cwd=cwd, check=False).returncode:
        sys.exit(f"It failed: {command[0]} {command[1]}")


if __name__ == "__main__":
    main()
