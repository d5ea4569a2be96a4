"""What a new resource takes: its lines are counted in docs/contributing.md."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Annotated

import httpx
import pytest
import typer
from fastapi import FastAPI
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.testclient import TestClient

from issuer import manifest, scopes
from issuer.admin.collection import Descriptions, collection_router
from issuer.admin.refusals import install_problem_handlers
from issuer.audit import Actor
from issuer.background.turns import Turns
from issuer.cli.collection import CollectionCommands
from issuer.cli.command import new_app
from issuer.cli.members import key_argument, options_of
from issuer.composition import UnitOfWork
from issuer.database.store import Store
from issuer.database.tables import Base, Versioned
from issuer.fields.fields import Fields, Label, Scopes, Version
from issuer.fields.ids import RoleName
from issuer.manifest import entries
from issuer.resources import Collection, ResourceType
from issuer.resources.resource_type import SCOPES, Member
from issuer.web.console import routes
from issuer.web.console.screens.collection import CollectionScreen
from issuer.web.console.screens.resource import ResourceScreen
from issuer.web.console.screens.resource_form import ResourceForm
from tests.builders import URL, Deployment, FakeClock
from tests.drivers import AdminApi, TokenDriver, problem
from tests.issuers import Initialized
from tests.web.browsing import Browser
from tests.web.console.conftest import person

PLACES, ATTIC = "/console/places", "/console/places/attic"


class _OtherTables(DeclarativeBase):
    """The tables of the issuer are compared with its migrations."""

    type_annotation_map = Base.type_annotation_map


class PlaceRow(Versioned, _OtherTables):
    __tablename__ = "places"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    address: Mapped[str] = mapped_column(String(255))
    scopes: Mapped[list[str]]


class PlaceFields(Fields):
    """The members of a place that an operator sets."""

    name: Annotated[RoleName, Member(label="Name", help="The name of the place.")]
    address: Annotated[Label, Member(label="Address", help="Where it is.", is_private=True)] = ""
    scopes: Annotated[Scopes, SCOPES] = []


class Place(PlaceFields):
    """A stored place."""

    created_at: datetime
    updated_at: datetime
    version: Version


PLACE = ResourceType("place", "places", key="name", fields=PlaceFields, model=Place)


class PlaceStore(Store[PlaceRow]):
    kind = "place"
    row = PlaceRow


class Places(Collection[PlaceRow, PlaceFields, Place]):
    """Places; a rule of their own is not needed."""

    resource_type = PLACE
    store_type = PlaceStore


class PlacesScreen(CollectionScreen):
    FORM = ResourceForm(PLACE)


class OnePlaceScreen(ResourceScreen):
    FORM = ResourceForm(PLACE)


_NAME = key_argument(PLACE)


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the issuer is told about places."""
    monkeypatch.setitem(entries.TYPES, PLACE.kind, PLACE)
    new_scopes = {PLACE.read, PLACE.write}
    monkeypatch.setattr(scopes, "ISSUER_SCOPES", scopes.ISSUER_SCOPES | new_scopes)
    places = property(lambda work: Places(work._transaction))
    monkeypatch.setattr(UnitOfWork, "places", places, raising=False)
    screens = (*routes.SCREENS, PlacesScreen, OnePlaceScreen)
    monkeypatch.setattr(routes, "SCREENS", screens)


@pytest.fixture
def admin(deployment: Deployment, token_endpoint: TokenDriver) -> Iterator[AdminApi]:
    """The admin API of an issuer that has places."""
    with deployment.services.database.transaction() as session:
        _OtherTables.metadata.create_all(session.connection())
    app = FastAPI()
    app.state.admin = SimpleNamespace(
        administration=deployment.services.administration, turns=Turns(lambda: False)
    )
    app.include_router(
        collection_router(
            PLACE,
            Descriptions(
                list="List places.",
                create="Create a place.",
                read="Read a place.",
                patch="Change a place.",
                delete="Delete a place.",
            ),
        ),
        prefix="/admin/v1",
    )
    install_problem_handlers(app, lambda _: None)
    with TestClient(app, base_url=URL) as http:
        yield AdminApi(http, token_endpoint.client_credentials(deployment.admin).token)


@pytest.fixture
def console(admin: AdminApi, deployment: Deployment) -> Browser:
    """Of a person who may change places and read the audit log."""
    return person(deployment, "keeper", [PLACE.read, PLACE.write, "issuer:audit:read"])


@pytest.fixture
def commands() -> typer.Typer:
    """`issuer place`."""
    app = new_app("Places.")
    commands = CollectionCommands(app, PLACE, _NAME)
    commands.list(["name", "address"], "List the places.")
    commands.show("attic")
    commands.create({"name": _NAME, **options_of(PLACE)}, "Create a place.")
    commands.update(options_of(PLACE), "Change a place.", lists=["scopes"])
    commands.delete("Delete a place.")
    return app


def test_the_admin_api_has_its_operations(admin: AdminApi):
    created = admin.post("/places", name="attic", address="Rue 1")
    assert (created.status_code, created.headers["location"]) == (
        201,
        f"{URL}/admin/v1/places/attic",
    )
    admin.post("/places", name="barn")
    first = admin.get("/places?limit=1").json()
    assert [place["name"] for place in first["items"]] == ["attic"]
    second = admin.get(f"/places?cursor={first['next_cursor']}").json()
    assert [place["name"] for place in second["items"]] == ["barn"]
    etag = created.headers["etag"]
    patched = admin.patch("/places/attic", if_match=etag, scopes=["agents:run"])
    assert (patched.status_code, patched.json()["address"]) == (200, "Rue 1")
    assert patched.json()["warnings"]
    assert problem(admin.patch("/places/attic", if_match=etag)) == (412, "precondition-failed")
    assert problem(admin.post("/places", name="attic")) == (409, "already-exists")
    assert problem(admin.patch("/places/attic", name="loft")) == (422, "invalid-fields")
    assert admin.delete("/places/attic").status_code == 204
    assert problem(admin.get("/places/attic")) == (404, "not-found")


def test_the_manifest_has_its_section(deployment: Deployment, admin: AdminApi):
    administration = deployment.services.administration
    admin.post("/places", name="attic", address="Rue 1")

    def planned(source: str, *, prune: bool = False) -> manifest.ManifestPlan:
        with administration.changing(Actor("admin")) as work:
            read = manifest.read(source, work=work, prune=prune)
            plan = manifest.plan(work, read, prune=prune)
            manifest.apply(work, plan)
        return plan

    plan = planned("places: [{name: attic, scopes: [agents:run]}, {name: barn, address: Rue 2}]")
    assert [*plan.lines()] == [
        "+ create place barn",
        '    address: "Rue 2"',
        "~ update place attic",
        '    address: "Rue 1" → ""',
        '    scopes: [] → ["agents:run"]',
    ]
    assert admin.get("/places/attic").json()["scopes"] == ["agents:run"]
    assert [*planned("places: [{name: attic, scopes: [agents:run]}]", prune=True).lines()] == [
        "- delete place barn"
    ]
    with administration.reading(Actor("admin")) as work:
        exported = "".join(manifest.export(work))
    assert exported.endswith("places:\n  - name: attic\n    scopes:\n      - agents:run\n")
    assert not planned(exported)
    assert manifest.schema()["properties"]["places"]["items"] == {"$ref": "#/$defs/PlaceFields"}
    with pytest.raises(manifest.InvalidManifest, match=r"adress: .*did you mean address"):
        planned("places: [{name: loft, adress: Rue 3}]")
    with pytest.raises(manifest.InvalidManifest, match="is taken by"):
        planned("places: [{name: loft}, {name: loft}]")


def test_its_changes_are_audited_without_private_values(deployment: Deployment, admin: AdminApi):
    admin.post("/places", name="attic", address="Rue 1")
    admin.patch("/places/attic", address="Rue 2", scopes=["agents:read"])
    log = deployment.http.get("/admin/v1/audit-events?target=attic", headers=admin.headers).json()
    updated, created = log["items"]
    assert (created["action"], created["details"]) == ("place.created", {"scopes": []})
    assert updated["action"] == "place.updated"
    assert updated["details"] == {
        "changed": ["address", "scopes"],
        "from": {"scopes": []},
        "to": {"scopes": ["agents:read"]},
    }


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_the_command_line_has_its_commands(
    admin: AdminApi,
    commands: typer.Typer,
    opened: Initialized,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("ISSUER_URL", URL)
    monkeypatch.setenv("ISSUER_DATA_DIR", str(opened.settings.data_dir))
    monkeypatch.setenv("ISSUER_DATABASE_URL", opened.settings.effective_database_url)

    def place(*arguments: str) -> dict[str, object]:
        commands([*arguments, "--json"], standalone_mode=False)
        return json.loads(capsys.readouterr().out)

    assert place("create", "attic", "--address", "Rue 1")["address"] == "Rue 1"
    assert place("update", "attic", "--add-scope", "agents:read")["scopes"] == ["agents:read"]
    assert place("show", "attic") == admin.get("/places/attic").json()
    assert place("list") == {"items": admin.get("/places").json()["items"]}
    assert place("delete", "attic") == {"deleted": "attic"}
    assert admin.get("/places").json()["items"] == []


def test_the_console_has_its_screens(console: Browser):
    empty = console.get(PLACES)
    assert ">Places</a>" in empty.response.text
    assert "There is no place yet." in empty.text
    created = console.submit(console.get(PLACES, new="yes"), PLACES, name="attic", address="Rue 1")
    assert created.location == ATTIC
    shown = console.get(ATTIC).text
    assert "The place attic is created." in shown
    assert "issuer place create attic --address 'Rue 1'" in shown
    assert "Address Rue 1 Scopes none" in shown
    assert "place.created" in shown
    listed = console.get(PLACES)
    assert "attic Rue 1" in listed.text
    assert f'href="{ATTIC}"' in listed.response.text
    wrong = console.submit(console.get(PLACES, new="yes"), PLACES, name="a b", address="Rue 1")
    assert (wrong.status, wrong.form(PLACES).fields["address"]) == (400, "Rue 1")
    misspelled = {"name": "barn", "scopes": "agnets:run"}
    refused = console.submit(console.get(PLACES, new="yes"), PLACES, **misspelled)
    assert "Allow unknown scopes" in refused.text
    allowed = console.submit(refused, PLACES, **misspelled, allow_unknown_scopes="yes")
    assert allowed.location == "/console/places/barn"
    taken = console.submit(console.get(PLACES, new="yes"), PLACES, name="attic")
    assert taken.status == httpx.codes.CONFLICT


def test_a_change_in_the_console_shows_what_changed_meanwhile(console: Browser, admin: AdminApi):
    admin.post("/places", name="attic", address="Rue 1")
    form = console.get(ATTIC, edit="yes")
    admin.patch("/places/attic", address="Rue 2")
    refused = console.submit(form, ATTIC, do="save", address="Rue 3", scopes="agents:read")
    assert refused.status == httpx.codes.CONFLICT
    assert "Now: Rue 2" in refused.text
    saved = console.submit(refused, ATTIC, do="save", scopes="agents:read")
    assert saved.location == ATTIC
    place = admin.get("/places/attic").json()
    assert (place["address"], place["scopes"]) == ("Rue 3", ["agents:read"])


def test_the_console_deletes_it_once_its_name_was_typed(console: Browser, admin: AdminApi):
    admin.post("/places", name="attic")
    asked = console.submit(console.get(ATTIC), ATTIC, do="delete")
    assert "Delete the place attic?" in asked.text
    wrong = console.submit(asked, ATTIC, typed="barn")
    assert "This is not attic." in wrong.text
    assert console.submit(wrong, ATTIC, typed="attic").location == PLACES
    assert admin.get("/places").json()["items"] == []


def test_its_forms_need_rights_and_a_recent_sign_in(
    console: Browser, admin: AdminApi, deployment: Deployment, clock: FakeClock
):
    admin.post("/places", name="attic")
    with deployment.changing() as work:
        work.roles.update("keeper-role", {"scopes": [PLACE.read]})
    assert "New place" not in console.get(PLACES).text
    assert console.get(PLACES, new="yes").status == httpx.codes.FORBIDDEN
    assert console.get(ATTIC, edit="yes").status == httpx.codes.FORBIDDEN
    with deployment.changing() as work:
        work.roles.update("keeper-role", {"scopes": [PLACE.read, PLACE.write]})
    forms = [(PLACES, {}), *((ATTIC, {"do": do}) for do in ("save", "delete"))]
    pages = {path: console.get(path, new="yes", edit="yes") for path, _ in forms}
    clock.move(timedelta(minutes=11))
    for path, form in forms:
        refused = console.submit(pages[path], path, **form, confirmed="yes", typed="attic")
        assert refused.location.startswith("/sign-in?next="), form
    assert console.get(ATTIC).status == httpx.codes.OK
