"""The data of the catalogue agrees with agno, is complete, and has descriptions."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import issuer.catalogue
from issuer.catalogue import NEWEST, SUPPORTED, UnknownVersion, scopes
from issuer.catalogue.catalogue import Catalogue
from issuer.catalogue.entries import DESCRIPTIONS, POWERFUL
from issuer.scopes import AGENT_OS_ADMIN, parse
from tests.agentos.releases import AGNO_2_7, EACH_MINOR, AgnoRelease

DATA = Path(issuer.catalogue.__file__).parent / "data"
EXTRACT = Path(__file__).with_name("extract.py")


@pytest.mark.slow
def test_the_data_agrees_with_agno(release: AgnoRelease, tmp_path: Path) -> None:
    """If this fails after an upgrade, see `extract.py` for how to extract the data."""
    command = [os.fspath(release.python), "-P", os.fspath(EXTRACT), os.fspath(tmp_path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    [extracted] = tmp_path.iterdir()
    known = (DATA / extracted.name).read_text()
    if release == AGNO_2_7:
        # The data is that of the newest patch release; the oldest supported one has the same.
        known = known.replace('"agno": "2.7.4"', '"agno": "2.7.2"')
    assert extracted.read_text() == known


def test_every_supported_minor_version_is_there() -> None:
    """`agno>=2.7.2,<4`."""
    assert SUPPORTED == ("2.7", "2.8", "2.9", "3.0", "3.1")
    assert NEWEST == "3.1"


def test_every_supported_minor_version_has_an_interpreter_with_agno() -> None:
    """`make test` has an interpreter for each; a new data file needs another."""
    assert tuple(release.minor for release in EACH_MINOR) == SUPPORTED


def data_of(version: str) -> dict[str, Any]:
    return json.loads((DATA / f"agno-{version}.json").read_text())


@pytest.mark.parametrize("version", SUPPORTED)
def test_a_version_may_be_named_with_its_patch(version: str) -> None:
    catalogue = Catalogue.load(version)
    assert catalogue.version == version
    assert data_of(version)["agno"].startswith(f"{version}.")
    assert Catalogue.load(f"{version}.0") is catalogue


@pytest.mark.parametrize("version", ["2.6", "4.0", "3", "3.1.x", "", "../agno-3.1", "3.10"])
def test_the_error_for_an_unknown_version_lists_the_known_ones(version: str) -> None:
    with pytest.raises(UnknownVersion, match=r"Known versions: 2\.7, 2\.8, 2\.9, 3\.0, 3\.1\."):
        Catalogue.load(version)


def test_the_map_has_all_routes_of_agno() -> None:
    own = {
        version: sum(not switched_by for _, _, _, *switched_by in data_of(version)["routes"])
        for version in ("2.9", "3.1")
    }
    assert own == {"2.9": 103, "3.1": 107}


@pytest.mark.parametrize("version", SUPPORTED)
def test_the_interfaces_are_in_the_map(version: str) -> None:
    catalogue = Catalogue.load(version)
    assert catalogue.required_at("POST", "/a2a/agents/web/v1/message:send") == ("agents:run",)
    assert catalogue.required_at("POST", "/agui") == ("agents:run",)


def test_company_mode_is_there_from_3_1_on() -> None:
    with_it = {
        version
        for version in SUPPORTED
        if any(switched_by == ["company"] for _, _, _, *switched_by in data_of(version)["routes"])
    }
    assert with_it == {"3.1"}


@pytest.mark.parametrize("version", SUPPORTED)
def test_only_agents_teams_and_workflows_take_ids(version: str) -> None:
    """Agno's scopes for other resources ignore an id."""
    resources = Catalogue.load(version).resources
    taking = {name for name, resource in resources.items() if resource.takes_ids}
    assert taking == {"agents", "teams", "workflows"}


@pytest.mark.parametrize("version", SUPPORTED)
def test_the_resources_are_those_of_the_routes(version: str) -> None:
    catalogue = Catalogue.load(version)
    of_routes = {scope for route in catalogue.routes for scope in route.required}
    of_resources = {
        f"{n}:{action}" for n, it in catalogue.resources.items() for action in it.actions
    }
    assert of_routes == of_resources


# the list of scopes


def test_every_scope_has_a_description() -> None:
    assert {entry.scope for entry in scopes()} == set(DESCRIPTIONS)
    for description in DESCRIPTIONS.values():
        assert description.endswith(".")
        assert len(description) < 80
        assert "\n" not in description


def test_every_scope_can_be_granted() -> None:
    for entry in scopes():
        assert parse(entry.scope).text == entry.scope


def test_a_scope_names_the_versions_that_have_it() -> None:
    versions = {entry.scope: entry.versions for entry in scopes()}
    assert versions["agents:run"] == SUPPORTED
    assert versions[AGENT_OS_ADMIN] == SUPPORTED
    assert versions["filesystem:read"] == ("3.1",)
    assert versions["wiki:write"] == ("3.1",)


def test_the_scopes_of_one_version_can_be_listed() -> None:
    of_2_9 = {entry.scope for entry in scopes("2.9.0")}
    assert of_2_9 == {entry.scope for entry in scopes() if "2.9" in entry.versions}
    assert "filesystem:read" not in of_2_9
    assert {"agents:run", AGENT_OS_ADMIN} <= of_2_9


def test_a_scope_shows_whether_it_can_be_narrowed_and_is_powerful() -> None:
    entries = {entry.scope: entry for entry in scopes()}
    assert {name for name, entry in entries.items() if entry.powerful} == set(POWERFUL)
    assert entries["agents:run"].per_resource
    assert not entries["sessions:read"].per_resource
    assert not entries[AGENT_OS_ADMIN].per_resource


def test_an_entry_is_json() -> None:
    entry = next(entry for entry in scopes() if entry.scope == "filesystem:read")
    assert json.loads(json.dumps(entry.as_json())) == {
        "scope": "filesystem:read",
        "description": "Browse, read and search the files of agents that may be read or run.",
        "per_resource": False,
        "powerful": False,
        "versions": ["3.1"],
    }
