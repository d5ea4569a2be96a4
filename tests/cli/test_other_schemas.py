"""Archives of other versions of the issuer, made by a copy of this one with one more migration."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from issuer.database.deployment import REVISION
from tests.cli.driver import Cli, Result, running
from tests.journeys.running_issuer import REPOSITORY

NEWER = f"{int(REVISION) + 1:04}"
MIGRATION = f"""
import sqlalchemy as sa
from alembic import op

revision = "{NEWER}"
down_revision = "{REVISION}"

def upgrade():
    op.add_column("roles", sa.Column("color", sa.String(8), server_default="red"))
    op.create_table("shades", sa.Column("name", sa.String(8), primary_key=True))
"""


@pytest.fixture
def newer(tmp_path: Path) -> Callable[..., Result]:
    """Runs a command of a newer issuer: `newer(cli, "restore", …)`."""
    there = tmp_path / "newer"
    for name in ("issuer", "migrations"):
        shutil.copytree(REPOSITORY / name, there / name)
    (there / "migrations" / "versions" / f"{NEWER}_shades.py").write_text(MIGRATION)
    schema = there / "issuer" / "database" / "deployment.py"
    text = schema.read_text().replace(f'REVISION = "{REVISION}"', f'REVISION = "{NEWER}"')
    schema.write_text(text)

    def newer(cli: Cli, *arguments: str) -> Result:
        environment = {**cli.environment, "PYTHONPATH": str(there)}
        with running(tmp_path / "running", environment, *arguments) as program:
            return program.ended()

    return newer


@pytest.mark.slow
def test_an_older_schema_is_migrated_and_a_newer_one_refused(
    cli: Cli, newer: Callable[..., Result], database_url: str, tmp_path: Path
):
    cli.done("role", "create", "runner", "--scope", "agents:run")
    cli.done("backup", str(tmp_path / "old.backup"))
    empty = cli.with_environment(ISSUER_DATABASE_URL=database_url)
    assert newer(empty, "restore", str(tmp_path / "old.backup")).succeeded
    assert newer(empty, "audit", "verify").succeeded
    assert newer(empty, "role", "show", "runner").succeeded

    newer(empty, "backup", str(tmp_path / "new.backup")).succeeded  # noqa: B018 - asserts it
    other = cli.with_environment(ISSUER_DATABASE_URL=f"sqlite:///{tmp_path / 'other.db'}")
    refusal = other("restore", str(tmp_path / "new.backup")).sentence
    newest = f"has the schema {NEWER}, which is newer than this issuer: upgrade the issuer."
    assert newest in refusal
