"""`make translations`: bring the catalogues up to date with the texts in the code.

Texts that are new have no translation then, and stay English until somebody writes one into
`issuer/languages/translations/LANGUAGE/LC_MESSAGES/issuer.po` and runs this again.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from issuer.languages import LANGUAGES, SOURCE

ROOT = Path(__file__).parents[2]
TRANSLATIONS = ROOT / "issuer" / "languages" / "translations"
TRANSLATED = [each for each in LANGUAGES if each != SOURCE]
KEYWORDS = {"_": None, "N_": None, "gettext": None, "Nn_": (1, 2), "ngettext": (1, 2)}
# The templates of pages that people see; the console is in English.
TEMPLATES = "issuer/web/templates/*.html"
_JINJA = {"trimmed": "true", "silent": "false", "newstyle_gettext": "true"}
_HEADER = "# Texts of the pages and of mail. `make translations` brings this file up to date."
_NO_HEADERS = tuple(
    f'"{name}:'.encode()
    for name in (
        *("Project-Id-Version", "Report-Msgid-Bugs-To", "POT-Creation-Date", "PO-Revision-Date"),
        *("Last-Translator", "Language-Team", "Generated-By"),
    )
)
_NO_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def extracted() -> Catalog:
    """Every text that is marked in the code."""
    catalog = Catalog()
    for path in sorted(ROOT.glob("issuer/**/*.py")):
        _add(catalog, path, "python", {})
    for path in sorted(ROOT.glob(TEMPLATES)):
        _add(catalog, path, "jinja2.ext:babel_extract", _JINJA)
    return catalog


def _add(catalog: Catalog, path: Path, method: str, options: dict[str, str]) -> None:
    place = path.relative_to(ROOT).as_posix()
    for _, message, _, _ in extract_from_file(method, path, KEYWORDS, (), options):
        catalog.add(message, locations=[(place, None)])


def po_file(language: str) -> Path:
    return TRANSLATIONS / language / "LC_MESSAGES" / "issuer.po"


def read(language: str) -> Catalog:
    with po_file(language).open("rb") as file:
        return read_po(file, locale=language)


def updated(language: str) -> Catalog:
    """The catalogue with the texts of the code, and no others."""
    old = read(language) if po_file(language).exists() else Catalog(locale=language)
    new = Catalog(locale=language, header_comment=_HEADER, creation_date=_NO_TIME, fuzzy=False)
    new.revision_date = _NO_TIME
    for message in _texts(extracted()):
        known = old.get(message.id)
        new.add(message.id, known.string if known else "", locations=message.locations)
    return new


def _texts(catalog: Catalog) -> Iterator[object]:
    return (each for each in catalog if each.id)


def written(catalog: Catalog) -> bytes:
    """Without the headers that say nothing here."""
    file = BytesIO()
    write_po(file, catalog, width=100, sort_output=True, include_lineno=False)
    lines = file.getvalue().splitlines(keepends=True)
    return b"".join(each for each in lines if not each.startswith(_NO_HEADERS))


def compiled(catalog: Catalog) -> bytes:
    file = BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def main() -> None:
    for language in TRANSLATED:
        catalog, path = updated(language), po_file(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written(catalog))
        path.with_suffix(".mo").write_bytes(compiled(catalog))
        missing = sum(not _is_whole(each.string) for each in _texts(catalog))
        print(f"{language}: {missing} of {len(catalog)} texts have no translation")  # noqa: T201


def _is_whole(string: str | tuple[str, ...]) -> bool:
    return bool(string) and all(string if isinstance(string, tuple) else [string])


if __name__ == "__main__":
    main()
