"""An audit trail is read in the console, from the list to one event and its neighbours."""

import json

from tests.chromium import in_chromium
from tests.journeys.console.person import PersonAtConsole
from tests.journeys.running_issuer import RunningIssuer

pytestmark = in_chromium


def test_what_happened_to_a_client_is_found_shown_and_exported(
    person: PersonAtConsole, issuer: RunningIssuer, ada: str
):
    issuer.deployment.client("ci-bot")
    issuer.deployment.client("other")
    change(person, "Disable client", "Disable client")
    change(person, "Enable client")
    person.open("Audit log")
    person.unfold("Filters")
    person.type(Target="ci-bot", Actor=ada)
    person.press("Filter")
    assert events(person) == ["ada enabled the client ci-bot", "ada disabled the client ci-bot"]
    person.row("ada enabled").first.get_by_role("link").first.click()
    assert person.heading.startswith("ada enabled the client ci-bot")
    enabled = person.listings[0]
    neighbours = person.page.get_by_role("group", name="Neighbours in the chain")
    around = neighbours.get_by_role("row").filter(has_text="abled the client ci-bot")
    assert [("(this one)" in row.inner_text()) for row in around.all()] == [True, False]
    around.last.get_by_role("link").first.click()
    assert person.heading.startswith("ada disabled the client ci-bot")
    assert person.listings[0] != enabled
    person.follow("ci-bot")
    assert len(events(person)) == 4
    whole = ["client.updated", "client.updated", "client.secret_created", "client.created"]
    assert [event["action"] for event in exported(person)] == whole
    assert {event["target"] for event in exported(person)} == {"ci-bot"}


def change(person: PersonAtConsole, *buttons: str) -> None:
    person.go("/console/clients/ci-bot")
    for button in buttons:
        person.press(button)
    assert "The client ci-bot is" in person.notice


def events(person: PersonAtConsole) -> list[str]:
    """What happened, newest first."""
    rows = person.page.get_by_role("group", name="Events, newest first").get_by_role("row")
    return [row.get_by_role("cell").nth(1).inner_text() for row in rows.all()[1:]]


def exported(person: PersonAtConsole) -> list[dict[str, object]]:
    """The events of the list, as the file that is downloaded."""
    with person.page.expect_download() as download:
        person.follow("as JSON lines")
    return [json.loads(line) for line in download.value.path().read_text().splitlines()]
