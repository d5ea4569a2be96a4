"""Files of another user, whoever runs the tests."""

import os
from pathlib import Path

import pytest

_ANOTHER = 54321


def give_to_another_user(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`path` itself, not what it leads to, belongs neither to this process nor to root.

    Only root can give files away; anybody else is told to be another user.
    """
    if os.geteuid() == 0:
        os.chown(path, _ANOTHER, -1, follow_symlinks=False)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: _ANOTHER)
