"""The schema a server asks for, without what changes one."""

import subprocess
import sys

from alembic.script import ScriptDirectory

from issuer.database.migrations import _config, known_revisions
from issuer.database.schema import REVISION


def test_the_schema_asked_for_is_the_newest():
    assert ScriptDirectory.from_config(_config()).get_heads() == [REVISION]


def test_revisions_are_in_the_order_of_their_names():
    """A newer one than ours is told from an older one by its name."""
    older = known_revisions() - {None, REVISION}
    assert all(revision < REVISION for revision in older)


def test_a_server_does_without_alembic():
    """It takes 12 MB and a sixth of a second."""
    program = "import sys, issuer.app; sys.exit('alembic' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
