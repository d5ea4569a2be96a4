"""Predicted answers of AgentOS by example; test_decision_against_agno.py compares with agno."""

import json

import pytest

from issuer.catalogue import SUPPORTED, UnknownVersion
from issuer.catalogue.decision import decide

every_version = pytest.mark.parametrize("version", SUPPORTED)


@every_version
def test_a_scope_for_one_agent_runs_that_agent_and_no_other(version: str) -> None:
    held = ["agents:web:run"]
    assert decide(held, "POST", "/agents/web/runs", version).allowed
    refused = decide(held, "POST", "/agents/billing/runs", version)
    assert not refused.allowed
    assert refused.required == ("agents:billing:run",)
    assert refused.smallest_addition == ("agents:billing:run",)
    assert refused.reason == "AgentOS requires agents:billing:run here, and no scope covers it."


def test_the_scope_that_allows_the_request_is_named() -> None:
    decided = decide(["sessions:read", "agents:*:run"], "POST", "/agents/web/runs")
    assert decided.by == ("agents:*:run",)
    assert decided.reason == "AgentOS requires agents:web:run here, and agents:*:run covers it."
    assert decided.smallest_addition == ()


def test_agent_os_admin_allows_everything() -> None:
    for method, path in [("POST", "/agents/web/runs"), ("GET", "/queue/jobs"), ("GET", "/config")]:
        assert decide(["agent_os:admin"], method, path).by == ("agent_os:admin",)


@pytest.mark.parametrize("scope", ["agent_os:*:admin", "issuer:admin", "agents:web:extra:run"])
def test_a_malformed_scope_allows_nothing(scope: str) -> None:
    assert not decide([scope], "GET", "/queue/jobs").allowed
    assert not decide([scope], "POST", "/agents/web/runs").allowed


@every_version
def test_reading_a_run_needs_read_and_run(version: str) -> None:
    """The scope map requires one, the router the other."""
    assert decide(["agents:web:read", "agents:run"], "GET", "/agents/web/runs/1", version).allowed
    refused = decide(["agents:web:read"], "GET", "/agents/web/runs/1", version)
    assert refused.required == ("agents:web:read", "agents:web:run")
    assert refused.smallest_addition == ("agents:web:run",)
    assert "no scope covers agents:web:run" in refused.reason


@every_version
def test_a_route_checked_only_by_its_router_is_not_open(version: str) -> None:
    for path in ("/agents/web/runs/1/resume", "/agents/web/sessions/1/fork"):
        assert decide([], "POST", path, version).smallest_addition == ("agents:web:run",)
        assert decide(["agents:web:run"], "POST", path, version).allowed


def test_an_unguarded_route_is_open_and_the_reason_explains_it() -> None:
    decided = decide([], "POST", "/knowledge/content/1/refresh", "3.0")
    assert decided.allowed
    assert decided.by == decided.required == ()
    assert decided.reason == (
        "The scope map of agno 3.0 has no entry for POST /knowledge/content/1/refresh,"
        " so any valid token may call it."
    )
    assert not decide([], "POST", "/knowledge/content/1/refresh", "3.1").allowed


# lists


def test_a_list_shows_the_ids_held_for_read() -> None:
    held = ["agents:web:read", "agents:billing:run"]
    decided = decide(held, "GET", "/agents")
    assert decided.listing == {"web"}
    assert decided.by == ("agents:web:read",)
    assert decided.reason == "The list shows only what is held: web."
    assert decide([*held, "agents:read"], "GET", "/agents").listing == "all"


def test_a_list_that_would_show_nothing_is_refused() -> None:
    """`check_route_scopes` allows it, and then the router answers 403."""
    refused = decide(["teams:support:read"], "GET", "/agents")
    assert not refused.allowed
    assert refused.listing is None
    assert refused.smallest_addition == ("agents:read",)
    assert refused.reason == "The list shows only the agents held for read, and none is."


def test_the_smallest_addition_for_a_list_is_read_of_a_held_id() -> None:
    refused = decide(["agents:web:run", "agents:billing:run"], "GET", "/agents")
    assert refused.smallest_addition == ("agents:web:read",)


def test_only_a_list_has_a_listing() -> None:
    assert decide(["agents:read"], "GET", "/agents/web").listing is None
    assert decide(["sessions:read"], "GET", "/sessions").listing is None


def test_the_filesystem_shows_agents_that_may_be_read_or_run() -> None:
    assert decide(["filesystem:read", "agents:web:run"], "GET", "/filesystem/files").listing == {
        "web"
    }
    refused = decide(["filesystem:read"], "GET", "/filesystem/files")
    assert refused.smallest_addition == ("agents:read",)
    assert decide([], "GET", "/filesystem/files").smallest_addition == (
        "filesystem:read",
        "agents:read",
    )


def test_a_route_may_require_two_scopes() -> None:
    refused = decide(["tasks:write"], "POST", "/company/tasks/1/runs")
    assert refused.required == ("tasks:write", "wiki:read")
    assert refused.smallest_addition == ("wiki:read",)
    decided = decide(["wiki:read", "tasks:*:write"], "POST", "/company/tasks/1/runs")
    assert decided.by == ("tasks:*:write", "wiki:read")
    assert decided.reason == (
        "AgentOS requires tasks:write and wiki:read here, and tasks:*:write and wiki:read cover it."
    )


# methods and paths


def test_options_and_public_routes_need_no_scope() -> None:
    assert decide([], "OPTIONS", "/agents").reason == "AgentOS answers OPTIONS without a token."
    assert decide([], "GET", "/health/").reason == "AgentOS requires no token at /health/."
    assert decide([], "GET", "/").allowed


def test_the_map_has_no_entry_for_head() -> None:
    """The router answers 405 to it."""
    assert decide([], "HEAD", "/agents").allowed


def test_a_method_may_be_in_lower_case() -> None:
    assert not decide([], "post", "/agents/web/runs").allowed


def test_a_query_is_ignored() -> None:
    assert decide(["sessions:read"], "GET", "/sessions?limit=1#x").allowed
    assert not decide([], "GET", "/sessions?limit=1").allowed


def test_a_path_is_decoded() -> None:
    assert decide(["agents:web:run"], "POST", "/%61gents/w%65b/runs").allowed
    refused = decide([], "POST", "/agents/a%20b/runs")
    assert refused.required == ("agents:run",)  # agents:a b:run cannot be granted
    assert decide(["agents:a b:run"], "POST", "/agents/a%20b/runs").allowed


@pytest.mark.parametrize(
    ("version", "needed"),
    [("2.9", ("agents:a%3Fb:run", "agents:a?b:run")), ("3.1", ("agents:a?b:run",))],
)
def test_before_3_0_the_map_matches_some_characters_encoded(
    version: str, needed: tuple[str, ...]
) -> None:
    """The map sees the path of the URL, the router that of the server."""
    assert decide([], "POST", "/agents/a%3Fb/runs", version).required == needed


def test_a_trailing_slash_is_decided_like_its_redirect() -> None:
    """The map has no POST /sessions/, but it redirects to POST /sessions."""
    assert decide([], "POST", "/sessions/").smallest_addition == ("sessions:write",)
    assert decide(["agents:web:read"], "GET", "/agents/").listing == {"web"}


def test_an_id_cannot_reach_beyond_its_segment() -> None:
    assert not decide(["agents:web:run"], "POST", "/agents/billing/../web/runs").allowed


def test_a_version_may_be_named_with_its_patch_and_an_unknown_one_is_refused() -> None:
    assert decide([], "GET", "/config", "2.7.2").smallest_addition == ("config:read",)
    with pytest.raises(UnknownVersion):
        decide([], "GET", "/config", "2.6.0")


def test_a_decision_is_json() -> None:
    decided = decide(["agents:web:read", "agents:a:read"], "GET", "/agents")
    assert json.loads(json.dumps(decided.as_json())) == {
        "allowed": True,
        "required": ["agents:read"],
        "by": ["agents:web:read", "agents:a:read"],
        "listing": ["a", "web"],
        "reason": "The list shows only what is held: a, web.",
        "smallest_addition": [],
    }
    assert decide(["agents:read"], "GET", "/agents").as_json()["listing"] == "all"
    assert decide([], "GET", "/config").as_json()["listing"] is None
