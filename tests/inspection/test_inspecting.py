"""An inspection finds what an AgentOS consists of and exposes, and asks no more than it must."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import jwt
import pytest

from issuer.audit import EventFilter
from issuer.errors import InvalidField, NotAllowed, NotFound, TooManyRequests
from issuer.inspection import probing
from issuer.inspection.components import InspectionReport
from tests.builders import OPERATOR, URL, Deployment
from tests.inspection.fake_agentos import RESOURCE, FakeAgentOS, inspectable, two_inspecting
from tests.rows import rows
from tests.verifying_servers import Reply

NO_HTTP = Reply(200, b"", {"Content-Length": "none"})
SECRET = "your-secret-key-at-least-256-bits-long"


@pytest.fixture
def agent_os(deployment: Deployment) -> Iterator[FakeAgentOS]:
    with inspectable(deployment) as agent_os:
        yield agent_os


def inspect(deployment: Deployment, url: str | None = None) -> InspectionReport:
    administration = deployment.services.administration
    return administration.inspector.inspect(
        partial(administration.changing, OPERATOR), "my-os", url
    )


def events(deployment: Deployment, action: str) -> list[dict[str, Any]]:
    """The newest first."""
    with deployment.services.administration.reading() as work:
        page = work.audit_log.page(EventFilter(action=action), None, 100)
    return [each.model_dump() for each in page]


def tokens_sent_to(agent_os: FakeAgentOS) -> set[str]:
    sent = (headers.get("Authorization") for _, headers in agent_os.requests)
    return {each.removeprefix("Bearer ") for each in sent if each}


def test_an_inspection_stores_what_an_agentos_consists_of(
    deployment: Deployment, agent_os: FakeAgentOS
):
    report = inspect(deployment)
    found = report.components
    assert found.agno_version == "3.1.10"
    assert {each.id: each.name for each in found.agents} == {"web": "Web", "billing": "Billing"}
    assert {each.id: each.name for each in found.teams} == {"support": "support"}
    assert found.interfaces == ["a2a", "agui", "mcp"]
    with deployment.services.administration.reading() as work:
        assert work.inspections.last("my-os") == report
        assert work.inspections.components_of("my-os").has("agents", "web")


def test_nothing_is_found_in_an_agentos_that_exposes_nothing(
    deployment: Deployment, agent_os: FakeAgentOS
):
    assert inspect(deployment).findings == []


def test_another_inspection_replaces_the_first(deployment: Deployment, agent_os: FakeAgentOS):
    inspect(deployment)
    agent_os.names = {"new": "New"}
    agent_os.open.add("/sessions")
    inspect(deployment)
    with deployment.services.administration.reading() as work:
        last = work.inspections.last("my-os")
    assert [each.id for each in last.components.agents] == ["new"]
    assert [each.rule for each in last.findings] == ["open-route"]


Planting = Callable[[FakeAgentOS], object]
PLANTED: list[tuple[str, str, Planting]] = [
    ("no-verification", "GET /config", lambda it: setattr(it, "verifies", False)),
    ("open-route", "GET /sessions without a token: 200", lambda it: it.open.add("/sessions")),
    ("open-route", "GET /memories without a token: 200", lambda it: it.open.add("/memories")),
    ("open-route", "GET /agents/web without a token: 200", lambda it: it.open.add("/agents/web")),
    (
        "open-route",
        "GET /agents/web/runs without a token: 422",
        lambda it: it.answers.update({"/agents/web/runs": Reply(422)}),
    ),
    ("public-metrics", "GET /metrics without a token: 200", lambda it: it.open.add("/metrics")),
    (
        "open-websocket",
        "requires_auth is false",
        lambda it: setattr(it, "socket_needs_token", False),
    ),
    (
        "open-mcp",
        "GET /mcp without a token: 406",
        lambda it: it.answers.update({"/mcp": Reply(406)}),
    ),
    (
        "open-a2a",
        "GET /a2a/agents/web/.well-known/agent-card.json without a token: 200",
        lambda it: it.open.add("/a2a/agents/web/.well-known/agent-card.json"),
    ),
    ("open-agui", "GET /status without a token: 200", lambda it: it.open.add("/status")),
    (
        "no-authorization",
        "with a token without scopes: 200",
        lambda it: setattr(it, "checks_scopes", False),
    ),
    (
        "audience-not-verified",
        "GET /config with a token for another audience: 403",
        lambda it: setattr(it, "checks_audience", False),
    ),
    (
        "signature-not-verified",
        "GET /config with a forged token: 200",
        lambda it: setattr(it, "checks_signatures", False),
    ),
    (
        "development-key",
        "signed by the secret of an example: 403",
        lambda it: setattr(it, "secret", SECRET),
    ),
    (
        "issuer-refused",
        "GET /config as issuer:inspector: 401",
        lambda it: setattr(it, "key_set", lambda: {"keys": []}),
    ),
    (
        "inspector-refused",
        "GET /config as issuer:inspector: 403",
        lambda it: it.answers.update({"/config": Reply(403)}),
    ),
    ("outdated-agno", "2.6.9", lambda it: it.info.update(agno_version="2.6.9")),
    ("no-user-isolation", "GET /info", lambda it: it.info.update(user_isolation=False)),
    (
        "any-origin",
        "any origin",
        lambda it: it.headers.update({"Access-Control-Allow-Origin": "*"}),
    ),
    (
        "public-documentation",
        "GET /docs without a token: 200; also /openapi.json",
        lambda it: it.open.update({"/docs", "/openapi.json"}),
    ),
    (
        "public-server-card",
        "GET /mcp/server-card without a token: 200",
        lambda it: it.open.add("/mcp/server-card"),
    ),
    (
        "no-resource-metadata",
        f"GET {RESOURCE}/mcp without a token: 404",
        lambda it: it.answers.update({f"{RESOURCE}/mcp": Reply(404, b"")}),
    ),
    (
        "other-issuer-named",
        f"GET {RESOURCE}",
        lambda it: setattr(it, "issuer", "https://a.example"),
    ),
    ("no-challenge", "WWW-Authenticate", lambda it: setattr(it, "challenge", "Bearer")),
    (
        "no-answer",
        "GET /sessions without a token: no answer",
        lambda it: it.answers.update({"/sessions": NO_HTTP}),
    ),
    (
        "no-answer",
        "GET /mcp without a token: no answer; also /mcp/server-card",
        lambda it: it.answers.update({"/mcp": NO_HTTP, "/mcp/server-card": NO_HTTP}),
    ),
]


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize(("rule", "evidence", "plant"), PLANTED)
def test_an_exposure_is_found_with_its_evidence(
    deployment: Deployment, agent_os: FakeAgentOS, rule: str, evidence: str, plant: Planting
):
    plant(agent_os)
    found = inspect(deployment).findings
    assert {each.rule for each in found} == {rule}
    assert evidence in found[0].evidence
    assert found[0].remedy


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_key_set_in_a_file_is_found_by_the_lack_of_reports(
    deployment: Deployment, agent_os: FakeAgentOS
):
    deployment.clock.move(timedelta(minutes=4))
    assert [each.rule for each in inspect(deployment).findings] == ["no-verifier"]


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_every_request_only_reads_and_is_announced(deployment: Deployment, agent_os: FakeAgentOS):
    """The server answers 501 to other methods, which would be found."""
    inspect(deployment)
    assert 20 < len(agent_os.requests) <= probing.MAX_REQUESTS
    agents = {headers["User-Agent"] for _, headers in agent_os.requests}
    assert len(agents) == 1
    assert f"inspection; +{URL}" in agents.pop()


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_an_agentos_with_many_agents_gets_few_requests(
    deployment: Deployment, agent_os: FakeAgentOS
):
    agent_os.names = {f"a{number}": "A" for number in range(5_000)}
    report = inspect(deployment)
    assert len(agent_os.requests) <= probing.MAX_REQUESTS
    assert len(report.components.agents) == 1_000


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_what_was_not_asked_for_the_bound_of_requests_is_said(
    deployment: Deployment, agent_os: FakeAgentOS
):
    interfaces = [{"type": "agui", "route": f"/chat{number}"} for number in range(300)]
    config = {"agents": [{"id": "web"}], "interfaces": interfaces}
    agent_os.answers["/config"] = Reply(200, json.dumps(config).encode())
    findings = inspect(deployment).findings
    assert len(agent_os.requests) == probing.MAX_REQUESTS
    (evidence,) = (each.evidence for each in findings if each.rule == "no-answer")
    assert "/chat299/status" not in {path for path, _ in agent_os.requests}
    assert "no answer; also /chat" in evidence


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_service_accounts_are_found_with_who_made_them_and_when_they_end(
    deployment: Deployment, agent_os: FakeAgentOS
):
    """What others wrote is shown as ids only."""
    accounts = [
        {"name": "claude-code", "created_by": "alice", "expires_at": 1_803_000_000},
        {"name": "nightly", "created_by": "[more](https://a.example)", "expires_at": None},
        {"name": "\u202e[x](y)", "created_by": None, "expires_at": 10**30},
        {"name": 5},
        None,
    ]
    listed = Reply(200, json.dumps({"data": accounts, "meta": {"total_count": 5}}).encode())
    agent_os.answers["/service-accounts?include_revoked=false&limit=100"] = listed
    findings = [each for each in inspect(deployment).findings if each.rule == "service-account"]
    assert [each.evidence.partition(", service account ")[2] for each in findings] == [
        "claude-code; made by alice, ends on 2027-02-19",
        "nightly; made by an unknown caller, never ends",
        "without a readable name; made by an unknown caller, ends at an unknown time",
    ]
    assert f"agno tokens revoke NAME --url {agent_os.url}" in findings[0].remedy


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_only_the_inspectors_token_has_rights_and_all_live_a_minute(
    deployment: Deployment, agent_os: FakeAgentOS
):
    inspect(deployment)
    claims = [
        jwt.decode(each, options={"verify_signature": False}) for each in tokens_sent_to(agent_os)
    ]
    assert {each["sub"] for each in claims} == {"issuer:inspector"}
    assert {each["exp"] - each["iat"] for each in claims} == {60}
    with_scopes = [each for each in claims if each["scopes"]]
    allowed = {f"{resource}:read" for resource in ("agents", "teams", "workflows", "config")}
    assert {frozenset(each["scopes"]) for each in with_scopes} == {
        frozenset(allowed),
        frozenset({"service_accounts:read"}),
    }
    assert {each["aud"] for each in with_scopes} == {"my-os"}


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_no_report_event_or_error_contains_a_token(deployment: Deployment, agent_os: FakeAgentOS):
    report = inspect(deployment)
    texts = report.model_dump_json() + repr(events(deployment, "audience.inspected"))
    with deployment.services.administration.changing(OPERATOR) as work:
        texts += repr(work.inspections.begin("my-os"))
    assert tokens_sent_to(agent_os)
    assert not any(each in texts for each in tokens_sent_to(agent_os))


def test_tokens_and_the_inspection_are_audited(deployment: Deployment, agent_os: FakeAgentOS):
    agent_os.open.add("/sessions")
    inspect(deployment)
    issued = events(deployment, "token.issued")
    assert {each["target"] for each in issued} == {"issuer:inspector"}
    assert all(each["details"]["inspection"] for each in issued)
    (event,) = events(deployment, "audience.inspected")
    assert event["target"] == "my-os"
    assert event["details"] == {"url": agent_os.url, "findings": ["open-route"]}


def test_what_is_new_is_an_audit_event_of_its_own(deployment: Deployment, agent_os: FakeAgentOS):
    agent_os.open.add("/sessions")
    inspect(deployment)
    inspect(deployment)
    (first,) = events(deployment, "audience.exposed")
    assert (first["target"], first["details"]["findings"]) == ("my-os", ["open-route"])
    agent_os.open.add("/metrics")
    inspect(deployment)
    newest, _ = events(deployment, "audience.exposed")
    assert newest["details"]["findings"] == ["public-metrics"]


def test_each_agentos_is_inspected_once_a_day(deployment: Deployment, agent_os: FakeAgentOS):
    administration = deployment.services.administration

    def inspections() -> int:
        administration.inspect_due()
        return len(events(deployment, "audience.inspected"))

    assert inspections() == inspections() == 1
    deployment.wait(timedelta(hours=25))
    assert inspections() == inspections() == 2
    (actor,) = {each["actor"] for each in events(deployment, "audience.inspected")}
    assert actor == "issuer:background"


def test_one_that_does_not_answer_is_tried_again_after_an_hour(
    deployment: Deployment, agent_os: FakeAgentOS
):
    administration = deployment.services.administration
    agent_os.answers["/config"] = Reply(503, b"", {})
    administration.inspect_due()
    tried = len(agent_os.requests)
    del agent_os.answers["/config"]
    administration.inspect_due()
    assert len(agent_os.requests) == tried
    deployment.wait(timedelta(hours=1, minutes=1))
    administration.inspect_due()
    assert len(events(deployment, "audience.inspected")) == 1


def test_a_corrected_url_is_inspected_at_once(deployment: Deployment, agent_os: FakeAgentOS):
    administration = deployment.services.administration
    with deployment.changing() as work:
        work.audiences.update("my-os", {"url": "http://127.0.0.1:1"})
    administration.inspect_due()
    assert not events(deployment, "audience.inspected")
    with deployment.changing() as work:
        work.audiences.update("my-os", {"url": agent_os.url})
    administration.inspect_due()
    assert len(events(deployment, "audience.inspected")) == 1


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_names_are_kept_as_text(deployment: Deployment, agent_os: FakeAgentOS):
    name = "<script>alert(1)</script>\x1b[31m"
    agent_os.names = {"web": name, "a/../b": "x" * 1_000, "bad\0": "NUL", "s": "\ud800"}
    found = {each.id: each.name for each in inspect(deployment).components.agents}
    assert found == {"web": name, "a/../b": "x" * 255, "s": "s"}
    assert all("/../" not in path for path, _ in agent_os.requests)


@pytest.mark.parametrize("database_kind", ["sqlite"])
@rows(
    ("route", "is_asked"),
    [("/chat", True), ("//evil.example", False), ("https://evil.example", False), ("/a?b", False)],
)
def test_an_interface_cannot_send_the_inspector_elsewhere(
    deployment: Deployment, agent_os: FakeAgentOS, route: str, is_asked: bool
):
    config = {"agents": [], "interfaces": [{"type": "agui", "route": route}]}
    agent_os.answers["/config"] = Reply(200, json.dumps(config).encode())
    agent_os.requests.clear()
    inspect(deployment)
    asked = [path for path, _ in agent_os.requests if path.endswith("/status")]
    assert ("/chat/status" in asked) == is_asked
    assert not any("evil" in path for path in asked)


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_redirects_are_not_followed(deployment: Deployment, agent_os: FakeAgentOS):
    agent_os.answers["/config"] = Reply(302, b"", {"Location": f"{agent_os.url}/elsewhere"})
    with pytest.raises(NotAllowed, match=r"no AgentOS at .* answers 302"):
        inspect(deployment)
    assert "/elsewhere" not in {path for path, _ in agent_os.requests}


@pytest.mark.parametrize("database_kind", ["sqlite"])
@rows(
    ("path", "reply"),
    [
        ("/config", Reply(404, b"<html>")),
        ("/config", Reply(200, b"<html>")),
        ("/config", Reply(200, b"[" * 100_000)),
        ("/config", Reply(200, b'{"agents": "' + b"x" * probing.MAX_BYTES + b'"}')),
        ("/config", Reply(200, b"{}", {"Content-Encoding": "gzip"})),
    ],
)
def test_what_is_no_agentos_is_not_inspected(
    deployment: Deployment, agent_os: FakeAgentOS, path: str, reply: Reply
):
    agent_os.answers[path] = reply
    with pytest.raises(NotAllowed, match="There is no AgentOS"):
        inspect(deployment)
    with deployment.services.administration.reading() as work:
        assert work.inspections.find("my-os") is None


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_an_agentos_that_is_away_is_named(deployment: Deployment):
    with pytest.raises(NotAllowed, match="does not answer: cannot connect"):
        inspect(deployment, "http://127.0.0.1:1")


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_an_agentos_that_is_slow_is_given_up(
    deployment: Deployment, agent_os: FakeAgentOS, monkeypatch: pytest.MonkeyPatch
):
    released = threading.Event()
    monkeypatch.setattr("issuer.inspection.probing.TOTAL_SECONDS", 0.2)
    answer = agent_os.reply
    agent_os.reply = lambda *a: (released.wait(5), answer(*a))[1]
    with pytest.raises(NotAllowed, match="too slowly"):
        inspect(deployment)
    released.set()


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_set_cookie_is_not_sent_back(deployment: Deployment, agent_os: FakeAgentOS):
    agent_os.headers["Set-Cookie"] = "id=1"
    inspect(deployment)
    assert not any("Cookie" in headers for _, headers in agent_os.requests)


def test_an_audience_without_a_url_is_not_inspected(deployment: Deployment):
    with pytest.raises(NotAllowed, match="no URL"):
        inspect(deployment)


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_no_token_is_sent_without_tls_beyond_loopback(deployment: Deployment):
    with pytest.raises(InvalidField, match="https"):
        inspect(deployment, "http://192.0.2.1")


def test_two_inspections_run_at_a_time(deployment: Deployment, agent_os: FakeAgentOS):
    with two_inspecting(deployment, agent_os), pytest.raises(TooManyRequests):
        inspect(deployment)
    assert inspect(deployment).findings == []


def test_the_inspection_of_a_deleted_audience_is_gone(
    deployment: Deployment, agent_os: FakeAgentOS
):
    inspect(deployment)
    with deployment.changing() as work:
        work.audiences.delete("my-os", cascade=True)
    deployment.audience("my-os")
    with pytest.raises(NotFound), deployment.services.administration.reading() as work:
        work.inspections.last("my-os")


def test_an_audience_does_not_get_the_inspection_of_the_one_before_it(
    deployment: Deployment, agent_os: FakeAgentOS
):
    """Which began before it was deleted, and another one got its id."""
    answer = agent_os.reply

    def reply(*request: Any) -> Reply:
        agent_os.reply = answer
        with deployment.changing() as work:
            work.audiences.delete("my-os", cascade=True)
        deployment.clock.move(timedelta(seconds=1))
        deployment.audience("my-os")
        return answer(*request)

    agent_os.reply = reply
    with pytest.raises(NotFound):
        inspect(deployment)
    with deployment.services.administration.reading() as work:
        assert work.inspections.find("my-os") is None
