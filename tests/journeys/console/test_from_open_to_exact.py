"""A newcomer's AgentOS: from one that everybody may call to services that have what they used."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from issuer.database.tables import AssignmentRow, ClientRow, RoleRow, UsedScopeRow
from issuer.usage.store import UsageKey, UsageStore
from tests.agentos.adapter.adapted import AppSettings, running_apps
from tests.agentos.adapter.surfaces import (
    BY_STATUS,
    NO_TLS,
    Reaction,
    run_over_a2a,
    run_over_mcp,
    run_over_rest,
    run_over_websocket,
)
from tests.agentos.releases import AGNO_3_1
from tests.agentos.running import bearer
from tests.builders import Credentials
from tests.chromium import in_chromium
from tests.drivers import TokenAnswer
from tests.journeys.console.person import PersonAtConsole, let_in
from tests.journeys.running_issuer import RunningIssuer, reserved_port, wait_until

pytestmark = in_chromium

DESK = "desk"
PATIENCE = 180  # seconds; an inspection takes up to 45, the first report of usage up to 60
DAYS = 31
Call = Callable[[str, str | None], Reaction]


def get(path: str) -> Call:
    return lambda url, token: reaction("GET", url + path, token)


def run_billing(url: str, token: str | None) -> Reaction:
    form = {"message": "ping", "stream": "false"}
    return reaction("POST", f"{url}/agents/billing/runs", token, data=form)


def reaction(method: str, url: str, token: str | None, **body: Any) -> Reaction:
    answer = httpx.request(method, url, headers=bearer(token), timeout=30, **NO_TLS, **body)
    return BY_STATUS[answer.status_code]


# By the scope that they need.
CALLS: dict[str, tuple[Call, ...]] = {
    "agents:web:run": (run_over_rest, run_over_a2a, run_over_mcp),
    "agents:billing:run": (run_billing,),
    "agents:web:read": (get("/agents/web"),),
    "agents:billing:read": (get("/agents/billing"),),
    "workflows:intake:run": (run_over_websocket,),
    "workflows:intake:read": (get("/workflows/intake"),),
    "sessions:read": (get("/sessions"),),
    "memories:read": (get("/memories"),),
    "config:read": (get("/config"),),
}


def reactions(scope: str, url: str, token: str | None) -> set[Reaction]:
    """Of all calls that need the scope, in threads: Playwright has an event loop in this one."""
    with ThreadPoolExecutor() as threads:
        return set(threads.map(lambda call: call(url, token), CALLS[scope]))


@dataclass(frozen=True)
class Service:
    """With a role of the boxes that are `ticked`, of which it `uses` only some scopes."""

    name: str
    role: str
    ticked: tuple[str, ...]
    uses: frozenset[str]

    @property
    def reactions(self) -> dict[str, set[Reaction]]:
        """What it should get once it has exactly what it used."""
        return {
            scope: {Reaction.ACCEPTED if scope in self.uses else Reaction.FORBIDDEN}
            for scope in CALLS
        }


SEARCHER = Service(
    "searcher",
    "operator",
    ("run Every agent", "read Every agent", "run Every workflow", "read Every workflow"),
    frozenset({"agents:web:run"}),
)
AUDITOR = Service(
    "auditor",
    "reader",
    ("read Every agent", "read Sessions", "read Memories", "read Metrics"),
    frozenset({"agents:web:read", "sessions:read"}),
)
SERVICES = (SEARCHER, AUDITOR)


@dataclass
class Newcomer:
    """The person, the issuer, and the AgentOS that is served at `url`."""

    person: PersonAtConsole
    issuer: RunningIssuer
    user_id: str
    folder: Path
    port: int
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def serving(
        self, configuration: str, environment: dict[str, str] | None = None, **more: str
    ) -> Iterator[None]:
        """A real AgentOS, always at the same URL."""
        folder = self.folder / configuration
        folder.mkdir()
        settings = AppSettings(configuration, self.issuer, more={"port": self.port, **more})
        apps = {configuration: settings}
        with running_apps(AGNO_3_1, folder, apps, environment=environment):
            yield

    def signs_in(self) -> None:
        """Giving rights needs a sign-in of the last ten minutes."""
        services = self.issuer.deployment.services
        let_in(self.person.page.context, services, self.user_id)

    def adds_audience(self) -> None:
        person = self.person
        person.open("Audiences")
        person.follow("New audience")
        person.type(Id=DESK, URL=self.url)
        person.press("Create audience")
        assert f"The audience {DESK} is created." in person.notice

    def looks(self) -> dict[str, tuple[str, str]]:
        """The findings by rule: how severe, and what to change."""
        person = self.person
        person.go(f"/console/audiences/{DESK}")
        person.press("Inspect now")
        person.page.get_by_text("The AgentOS is inspected").wait_for()
        person.page.wait_for_load_state()
        table = person.page.get_by_role("group", name="What is exposed")
        rows = table.get_by_role("row").all()[1:]
        return {
            row.get_by_role("rowheader").inner_text(): (
                row.get_by_role("cell").first.inner_text(),
                row.locator("code").inner_text(),
            )
            for row in rows
        }

    def lines_with(self, text: str, summary: str = "") -> str:
        """Python that the page of the audience prints, perhaps unfolded."""
        self.person.go(f"/console/audiences/{DESK}")
        if summary:
            self.person.unfold(summary)
        (lines,) = (each for each in self.person.listings if text in each)
        return lines

    def adds_role(self, service: Service) -> None:
        person = self.person
        person.open("Roles")
        person.follow("New role")
        person.unfold("Data")
        person.type(Name=service.role)
        for box in service.ticked:
            person.tick(box)
        person.press("Create role")
        assert f"The role {service.role} is created." in person.notice

    def adds_client(self, name: str, *ticked: str, own_scope: str = "") -> dict[str, str]:
        """The variables for its environment."""
        person = self.person
        person.open("Clients")
        person.follow("New client")
        person.type(Id=name)
        for box in (DESK, *ticked):
            person.tick(box)
        if own_scope:
            person.unfold("Scopes of its own")
            person.unfold("This issuer itself")
            person.tick(own_scope)
        person.press("Create client")
        assert person.heading == f"The client {name} is created."
        person.page.wait_for_load_state()
        shown = dict(line.split("=", 1) for line in person.listings[0].splitlines())
        self.secrets[name] = shown["CLIENT_SECRET"]
        return shown

    def token_of(self, service: Service) -> TokenAnswer:
        credentials = Credentials(service.name, self.secrets[service.name])
        return self.issuer.token_endpoint.client_credentials(credentials)

    def used(self) -> set[tuple[str, str]]:
        """What the issuer was told, by client and scope."""
        row = UsedScopeRow
        query = select(row.client_id, row.scope).where(row.audience_id == DESK, row.allowed > 0)
        with self.issuer.deployment.services.database.transaction() as session:
            return {(client, scope) for client, scope in session.execute(query)}

    def takes_away(self, service: Service) -> None:
        """From the review to a plan that is applied."""
        person = self.person
        person.open("Review")
        person.follow(f"What is enough? For client {service.name}")
        assert person.heading == f"What is enough for {service.name}"
        enough = person.row(DESK).get_by_role("cell").last
        assert set(enough.inner_text().split()) == service.uses
        person.press("Show the plan")
        person.row(f"client {service.name}").wait_for()
        person.press("Apply this plan")
        assert "The manifest is applied" in person.notice


def a_month_passes(issuer: RunningIssuer) -> None:
    """What exists is older by a month, and was used on each day as it was today."""
    ago = datetime.now(UTC) - timedelta(days=DAYS + 1)
    with issuer.deployment.services.database.transaction() as session:
        for table in (ClientRow, RoleRow):
            session.execute(update(table).values(created_at=ago, updated_at=ago))
        session.execute(update(AssignmentRow).values(given_at=ago))
        usage = UsageStore(session)
        for row in session.scalars(select(UsedScopeRow)).all():
            key = UsageKey(row.subject, row.client_id, row.scope)
            for days in range(1, DAYS + 1):
                day = row.day - timedelta(days=days)
                usage.add(row.audience_id, day, {key: [row.allowed, row.refused]})


@pytest.fixture
def newcomer(
    person: PersonAtConsole, issuer: RunningIssuer, ada: str, tmp_path: Path
) -> Iterator[Newcomer]:
    person.page.set_default_timeout(PATIENCE * 1_000)
    with reserved_port() as port:
        yield Newcomer(person, issuer, ada, tmp_path, port)


def test_from_an_agentos_that_everybody_may_call_to_services_with_exactly_what_they_used(
    newcomer: Newcomer,
):
    """Without JavaScript, and without a scope that is typed."""
    person, url = newcomer.person, newcomer.url

    with newcomer.serving("without_verification"):
        for scope in CALLS:
            assert reactions(scope, url, None) == {Reaction.ACCEPTED}
        newcomer.adds_audience()
        severity, remedy = newcomer.looks()["no-verification"]
    assert severity == "high"
    assert newcomer.lines_with(remedy.split("; ")[0]).splitlines()[-2:] == remedy.split("; ")

    newcomer.signs_in()
    box = "report Report which scopes are used"
    environment = newcomer.adds_client("desk-usage", newcomer.issuer.url, own_scope=box)
    for service in SERVICES:
        newcomer.adds_role(service)
        newcomer.adds_client(service.name, service.role)
    lines = newcomer.lines_with("report_usage", "Report which scopes are used")
    with newcomer.serving("as_printed", environment, lines=lines):
        for scope in CALLS:
            assert reactions(scope, url, None) == {Reaction.REFUSED}
        for service in SERVICES:
            token = newcomer.token_of(service).token
            for scope in service.uses:
                assert reactions(scope, url, token) == {Reaction.ACCEPTED}
        all_used = {(service.name, scope) for service in SERVICES for scope in service.uses}
        wait_until(lambda: newcomer.used() == all_used, PATIENCE, "usage was reported")
        assert "high" not in {severity for severity, _ in newcomer.looks().values()}

        a_month_passes(newcomer.issuer)
        newcomer.signs_in()
        for service in SERVICES:
            newcomer.takes_away(service)
        for service in SERVICES:
            wait_until(
                lambda service=service: newcomer.token_of(service).scope == service.uses,
                PATIENCE,
                f"{service.name} has exactly what it used",
            )
            token = newcomer.token_of(service).token
            assert {each: reactions(each, url, token) for each in CALLS} == service.reactions

    names = {each for service in SERVICES for each in (service.name, service.role)}
    assert set(person.typed) == {DESK, url, "desk-usage", *names}
