"""What a new member of a client takes: four files, and a migration.

They are changed in a copy, whose interfaces `with_a_new_member.py` tries.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from issuer.database.deployment import REVISION
from tests.journeys.running_issuer import REPOSITORY

_NEXT = f"{int(REVISION) + 1:04}"
_MIGRATION = f'''"""Clients have a contact."""

import sqlalchemy as sa
from alembic import op

revision = "{_NEXT}"
down_revision = "{REVISION}"


def upgrade() -> None:
    column = sa.Column("contact", sa.String(255), nullable=False, server_default="")
    op.add_column("clients", column)
'''
# The lines after which something is added, and what.
_ADDED = {
    "clients/client.py": (
        "    ] = []\n    disabled: Annotated[bool, DISABLED] = False\n",
        '    contact: Annotated[Label, Member(label="Contact", help="Who answers for it.")] = ""\n',
    ),
    "database/tables.py": (
        "    external_audiences: Mapped[list[dict[str, Any]] | None] = mapped_column(sa.JSON)\n",
        "    contact: Mapped[str] = mapped_column(sa.String(255))\n",
    ),
    "database/deployment.py": (f'REVISION = "{REVISION}"\n', f'REVISION = "{_NEXT}"\n'),
    "directory/records.py": (
        "    external_audiences: tuple[ExternalAudience, ...] = ()\n",
        '    contact: str = ""\n',
    ),
}


def test_four_files_and_a_migration_give_every_interface_a_new_member(tmp_path: Path):
    for folder in ("issuer", "migrations"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    for shared in ("tests", "pyproject.toml"):
        (tmp_path / shared).symlink_to(REPOSITORY / shared)
    (tmp_path / "migrations" / "versions" / f"{_NEXT}_contacts.py").write_text(_MIGRATION)
    for name, (line, more) in _ADDED.items():
        path = tmp_path / "issuer" / name
        before, found, after = path.read_text().partition(line)
        assert found, f"{name} lacks the line that the member follows"
        path.write_text(f"{before}{line}{more}{after}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    tried = subprocess.run(
        [*command, "tests/with_a_new_member.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode == 0, tried.stdout + tried.stderr
