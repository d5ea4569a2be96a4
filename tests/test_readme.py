"""The README fits two screens, and the page of settings has every setting with its default."""

import ast
import inspect
import re
from datetime import timedelta
from enum import StrEnum
from functools import cache
from itertools import pairwise
from pathlib import Path

from pydantic.fields import FieldInfo

from issuer.settings import PREFIX, SECRETS, Settings
from tests.rows import rows

REPOSITORY = Path(__file__).parent.parent
README = (REPOSITORY / "README.md").read_text()
SETTINGS = (REPOSITORY / "docs" / "reference" / "settings.md").read_text()
LINES_OF_A_README = 130


def test_the_readme_is_short():
    assert len(README.splitlines()) <= LINES_OF_A_README


def test_the_readme_shows_the_code_that_the_page_on_agentos_runs():
    (example,) = re.findall(r"```python\n.*?```", README, re.DOTALL)
    assert example in (REPOSITORY / "docs" / "how-to" / "connect-an-agentos.md").read_text()


@rows("target", set(re.findall(r"^\$ make (\w+)", README, re.MULTILINE)))
def test_the_readme_names_make_targets_that_exist(target: str):
    assert f"\n{target}:" in (REPOSITORY / "Makefile").read_text()


@rows(("name", "field"), Settings.model_fields.items())
def test_the_page_has_every_setting_with_its_default(name: str, field: FieldInfo):
    assert row(name, field) in SETTINGS.splitlines()


def test_the_page_has_no_setting_that_does_not_exist():
    documented = {
        line.split("`")[1] for line in SETTINGS.splitlines() if line.startswith("| `ISSUER")
    }
    assert documented == {PREFIX + name.upper() for name in Settings.model_fields}


def test_every_secret_is_hidden():
    for name, field in Settings.model_fields.items():
        assert (name.upper() in SECRETS) == ("SecretStr" in str(field.annotation))


def row(name: str, field: FieldInfo) -> str:
    return f"| `{PREFIX}{name.upper()}` | {written(field.default)} | {descriptions()[name]} |"


@cache
def descriptions() -> dict[str, str]:
    """The text below each setting, by its name."""
    (settings,) = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(settings, ast.ClassDef)
    return {
        member.target.id: " ".join(text.value.value.split())
        for member, text in pairwise(settings.body)
        if isinstance(member, ast.AnnAssign) and isinstance(text, ast.Expr)
    }


def written(default: object) -> str:
    """A default as the environment would have it."""
    match default:
        case None | ():
            return "–"
        case bool():
            return f"`{str(default).lower()}`"
        case timedelta():
            return f"`{duration(default)}`"
        case tuple():
            return f"`{','.join(default)}`"
        case StrEnum():
            return f"`{default.value}`"
        case _:
            return f"`{default}`"


def duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds > size and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
