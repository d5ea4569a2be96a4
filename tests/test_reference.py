"""The reference pages, the diagram of the packages and all links are correct."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from issuer.admin.api import RESOURCES
from issuer.cli.program import app, imported
from issuer.scopes import ISSUER_RESOURCES
from issuer.server.own_routes import own_routes
from issuer.vocabulary import CLAIMS_OF_THE_TOKEN, CLAIMS_THAT_CHANGE_A_TOKEN, GrantType

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
PAGES = [*DOCS.rglob("*.md"), *REPOSITORY.glob("*.md")]
LINK = re.compile(r"\]\(([^)\s]+)\)")
# After a prompt, at the beginning of a line, in code within a sentence, and in a container.
SHOWN = re.compile(
    r"(?:^\s*\$ |^|`|agentos-issuer |bin/)issuer ((?:[^`\n#]|#(?= ))*)", re.MULTILINE
)
FILE = re.compile(r"`((?:issuer|tests|benchmarks|migrations|examples)/[\w./-]+)`")


def test_the_page_lists_every_command_with_its_options_and_no_other():
    text = (DOCS / "reference" / "command-line.md").read_text()
    rows = re.findall(r"^\| `issuer ([a-z -]+?)(?: [A-Z_ ]+)?` \| (.*?) \|", text, re.MULTILINE)
    assert {name: set(re.findall(r"`(--\S+)`", options)) for name, options in rows} == dict(
        commands()
    )


def commands() -> Iterator[tuple[str, set[str]]]:
    """Each with its options, but for those that all have."""
    for group in app.registered_commands:
        yield from described(imported(str(group.name)), str(group.name))


def described(command: Any, path: str) -> Iterator[tuple[str, set[str]]]:
    inner = getattr(command, "commands", {})
    if not inner or command.invoke_without_command:
        options = {each.opts[0] for each in command.params if each.opts[0].startswith("--")}
        yield path, options - {"--json", "--help"}
    for name, each in inner.items():
        yield from described(each, f"{path} {name}")


def test_the_pages_name_only_commands_and_options_that_exist():
    unknown = [
        (page.name, command)
        for page in PAGES
        for command in set(SHOWN.findall(re.sub(r"\\\n\s*", "", page.read_text())))
        if not is_known(command.split())
    ]
    assert not unknown


def is_known(words: list[str]) -> bool:
    """Of a command as a page shows it; what stands for the reader's own words is left out."""
    top = {group.name for group in app.registered_commands}
    if not words or words[0] not in top:
        return not words or words[0].startswith("-") or words[0].isupper() or "|" in words[0]
    command = imported(words[0])
    rest = words[1:]
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    if rest and not rest[0].startswith("-") and getattr(command, "commands", {}):
        return bool(command.invoke_without_command) or not rest[0].isalnum()
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    return all(word.split("=")[0] in known | {"--help"} for word in rest if word.startswith("--"))


def test_the_page_lists_every_endpoint():
    text = (DOCS / "reference" / "endpoints.md").read_text()
    paths = {
        route.path.removeprefix("/admin/v1").replace(":path}", "}")
        for route in own_routes("", has_metrics=True, has_registration=True, has_mail=True)
    }
    assert {path for path in paths if path not in text} == set()


def test_the_page_lists_the_methods_of_every_path_of_the_admin_api():
    routes: list[Any] = [route for resource in RESOURCES for route in resource.routes]
    served: dict[str, set[str]] = {}
    for route in routes:
        served.setdefault(re.sub(r"{.*?}", "{}", route.path), set()).update(route.methods)
    _, _, text = (DOCS / "reference" / "endpoints.md").read_text().partition("## Administration\n")
    rows = re.findall(r"^\| (`/.*?) \| ([A-Z].*?) \|", text.partition("\n## ")[0], re.MULTILINE)
    listed: dict[str, set[str]] = {}
    for paths, methods in rows:
        names = [re.sub(r"{.*?}", "{}", each) for each in re.findall(r"`(/\S*)`", paths)]
        of_each = methods.split("; ") if ";" in methods else [methods] * len(names)
        listed |= {p: {*re.findall(r"\b[A-Z]+\b", m)} for p, m in zip(names, of_each, strict=True)}
    assert {path: methods - {"HEAD", "OPTIONS"} for path, methods in served.items()} == listed


def test_the_page_lists_every_grant_type():
    text = (DOCS / "reference" / "endpoints.md").read_text()
    assert {each.value for each in GrantType if f"`{each.value}`" not in text} == set()


def test_the_page_lists_every_claim_that_the_issuer_sets_or_refuses():
    text = (DOCS / "reference" / "access-token.md").read_text()
    claims = CLAIMS_OF_THE_TOKEN | CLAIMS_THAT_CHANGE_A_TOKEN
    assert {claim for claim in claims if f"`{claim}`" not in text} == set()


def test_the_page_lists_every_resource_that_a_scope_of_the_issuer_names():
    text = (DOCS / "reference" / "scopes.md").read_text()
    assert {name for name in ISSUER_RESOURCES if name not in text} == set()


def test_the_architecture_names_every_package():
    text = (DOCS / "architecture.md").read_text()
    packages = {path.parent.name for path in (REPOSITORY / "issuer").glob("*/__init__.py")}
    assert {name for name in packages if f"{name}/`" not in text} == set()


def test_the_architecture_is_short_and_names_files_that_exist():
    """Below `issuer/`; a name without a folder is that of several files."""
    text = (DOCS / "architecture.md").read_text()
    assert len(text.splitlines()) <= 250
    named = set(re.findall(r"`([a-z_]+/[\w/]+\.py)`", text))
    folders = (REPOSITORY / "issuer", REPOSITORY)
    assert {file for file in named if not any((each / file).exists() for each in folders)} == set()


def test_the_architecture_answers_with_names_that_its_files_have():
    _, _, section = (DOCS / "architecture.md").read_text().partition("\n## Where to look\n")
    for row in re.findall(r"^\|.+\|$", section.partition("\n## ")[0], re.MULTILINE):
        files = re.findall(r"`([a-z_]+/[\w/]+\.py)`", row)
        source = "".join((REPOSITORY / "issuer" / each).read_text("utf-8") for each in files)
        names = re.findall(r"`([A-Za-z_]+)`", row)
        assert [each for each in names if not re.search(rf"\b{each}\b", source)] == [], row


def test_the_architecture_says_how_many_lines_the_core_has():
    """Its packages, and the modules beside them, without SCIM."""
    _, _, section = (DOCS / "architecture.md").read_text().partition("\n### The core\n")
    core = section.partition("\n### ")[0]
    rows = re.findall(r"^\| (`.*?`) \|", core, re.MULTILINE)
    source = REPOSITORY / "issuer"
    files = {*source.glob("*.py")}.union(
        *(source.glob(f"{name}/**/*.py") for row in rows for name in re.findall(r"`(\w+)/`", row))
    ) - {*source.glob("admin/scim/*.py")}
    number = sum(len(each.read_text("utf-8").splitlines()) for each in files)
    (thousands,) = re.findall(r"^About (\d+),000 lines", core, re.MULTILINE)
    assert abs(number - 1_000 * int(thousands)) < 2_000, number


def test_the_pages_cite_only_files_that_exist():
    cited = {(page.name, file) for page in PAGES for file in FILE.findall(page.read_text())}
    existing = {each for each in cited if "<" in each[1] or (REPOSITORY / each[1]).exists()}
    assert cited - existing == set()


def test_the_overview_links_to_every_page():
    text = (DOCS / "index.md").read_text()
    pages = [*DOCS.glob("how-to/*.md"), *DOCS.glob("reference/*.md"), *DOCS.glob("*.md")]
    named = {str(page.relative_to(DOCS)) for page in pages} - {"index.md"}
    assert {each for each in named if f"({each})" not in text} == set()


def test_the_navigation_has_the_groups_of_the_overview():
    """Each how-to is in one group, under its own title."""
    _, _, overview = (DOCS / "index.md").read_text().partition("\n## How to\n")
    groups = re.split(r"^### ", overview.partition("\n## ")[0], flags=re.MULTILINE)[1:]
    found = {
        group.partition("\n")[0]: re.findall(r"\[([^]]+)\]\((how-to/[\w-]+\.md)\) \|$", group, re.M)
        for group in groups
    }
    _, _, navigation = (REPOSITORY / "mkdocs.yml").read_text().partition("  - How to:\n")
    groups = re.split(r"^ {6}- ", navigation.partition("\n  - ")[0], flags=re.MULTILINE)[1:]
    assert found == {
        group.partition(":")[0]: re.findall(r"^ {10}- (.+): (\S+)$", group, re.M)
        for group in groups
    }
    titles = {page: title for pages in found.values() for title, page in pages}
    assert titles == {
        f"how-to/{page.name}": page.read_text().partition("\n")[0].removeprefix("# ")
        for page in DOCS.glob("how-to/*.md")
    }


def test_every_link_leads_to_a_page_and_a_heading():
    assert {page.name: broken for page in PAGES if (broken := broken_links(page))} == {}


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in LINK.findall(page.read_text()):
        path, _, anchor = link.partition("#")
        if "://" in path or path.startswith("mailto:"):
            continue
        target = page.parent / path if path else page
        is_page = target.suffix == ".md"  # the anchor of a picture names the theme it is for
        if not target.exists() or (is_page and anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
