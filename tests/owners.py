"""Files of another user, whoever runs the tests."""

import os
from pathlib import Path

import pytest

_ANOTHER = 54321


def give_to_another_user(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `path` itself, not the target of a link, belong to neither this process nor root.

    Only root can change owners; for other users, the id of the process is patched.
    """
    if os.geteuid() == 0:
        os.chown(path, _ANOTHER, -1, follow_symlinks=False)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: _ANOTHER)
