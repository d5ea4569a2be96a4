"""A lock file names versions and hashes, and nothing of the machine that wrote it."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
REQUIREMENTS = sorted(REPOSITORY.glob("requirements*.txt")) + sorted(
    REPOSITORY.glob("tests/agentos/requirements*.txt")
)
PINNED = re.compile(r"[a-z0-9.-]+==[\w.]+( ; [^/@]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")


@pytest.mark.parametrize("lockfile", REQUIREMENTS, ids=lambda path: path.stem)
def test_every_requirement_is_a_version_with_hashes(lockfile):
    lines = lockfile.read_text().splitlines()
    requirements = [line for line in lines if not line.lstrip().startswith("#")]
    assert [line for line in requirements if not PINNED.fullmatch(line)] == []


@pytest.mark.parametrize("lockfile", REQUIREMENTS, ids=lambda path: path.stem)
def test_no_comment_names_a_host_or_a_path(lockfile):
    assert "://" not in lockfile.read_text()
    assert str(REPOSITORY) not in lockfile.read_text()
