"""Likely mistakes in a set of scopes: at least one test for each code."""

import json
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.catalogue import SUPPORTED, UnknownVersion, lint, scopes
from issuer.catalogue.lint import Code, ScopeFinding
from issuer.scopes import AGENT_OS_ADMIN, ISSUER_SCOPES, covers
from tests.scopes.generators import scopes as any_scope


def the_finding(code: Code, *held: str, versions: tuple[str, ...] = SUPPORTED) -> ScopeFinding:
    """The one finding of this code."""
    [found] = [finding for finding in lint(held, versions) if finding.code is code]
    return found


def codes(*held: str, versions: tuple[str, ...] = SUPPORTED) -> list[Code]:
    return [finding.code for finding in lint(held, versions)]


def test_a_normal_set_of_scopes_has_no_findings() -> None:
    assert lint(["agents:web:run", "agents:web:read", "sessions:read", "teams:*:read"]) == []


@pytest.mark.parametrize("scope", sorted(ISSUER_SCOPES))
def test_scopes_of_the_issuer_have_no_findings(scope: str) -> None:
    assert lint([scope]) == []


# unknown-scope


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("agent:run", "agents:run"),
        ("agents:raed", "agents:read"),
        ("Agents:web:RUN", "agents:web:run"),
        ("memory:read", "memories:read"),
        ("knowlege:write", "knowledge:write"),
        ("service-accounts:read", "service_accounts:read"),
        ("agent:*:run", "agents:*:run"),
        ("agents.run", "agents:run"),
        ("agents/run", "agents:run"),
        ("run:agents", "agents:run"),
        ("agents:run:web", "agents:web:run"),
        ("run:agents:web", "agents:web:run"),
        ("agent_os:*:admin", AGENT_OS_ADMIN),
        ("agent-os:admin", AGENT_OS_ADMIN),
    ],
)
def test_a_misspelled_scope_gets_a_suggestion(written: str, meant: str) -> None:
    found = the_finding(Code.UNKNOWN_SCOPE, written)
    assert found.suggestion == meant
    assert found.message == f"No known AgentOS version has {written}; did you mean {meant}?"


@pytest.mark.parametrize("scope", ["billing-app:write", "billing-app:x:write", "orders:read"])
def test_an_unknown_scope_may_be_for_an_own_application(scope: str) -> None:
    found = the_finding(Code.UNKNOWN_SCOPE, scope)
    assert found.suggestion is None
    assert found.message.endswith("which is fine if it is for your own application or route.")


@pytest.mark.parametrize("scope", ["custom", "agents", "admin"])
def test_a_name_without_a_colon_allows_nothing(scope: str) -> None:
    found = the_finding(Code.UNKNOWN_SCOPE, scope)
    assert found.suggestion is None
    assert found.message.startswith("AgentOS ignores names without a colon")


@pytest.mark.parametrize("scope", ["agents:use", "agents:admin", "sessions:run", "system:delete"])
def test_the_finding_of_an_unknown_action_lists_the_known_ones(scope: str) -> None:
    """The suggestion for `agents:admin` is never `agent_os:admin`."""
    found = the_finding(Code.UNKNOWN_SCOPE, scope)
    assert found.suggestion is None
    assert "the actions there are: " in found.message


@given(any_scope)
def test_a_suggestion_is_a_scope_of_some_agentos(scope: str) -> None:
    for finding in lint([scope]):
        if finding.suggestion:
            assert Code.UNKNOWN_SCOPE not in codes(finding.suggestion)


# old-name


@pytest.mark.parametrize(
    ("old", "new"),
    [("system:read", "config:read"), ("system:*:write", "config:*:write")],
)
def test_the_suggestion_for_an_old_name_is_the_new_one(old: str, new: str) -> None:
    found = the_finding(Code.OLD_NAME, old)
    assert found.suggestion == new
    assert found.message == f"{old} is the old name of {new}; AgentOS still understands both."


# per-resource-means-nothing


def test_an_id_of_a_resource_without_ids_allows_nothing() -> None:
    found = the_finding(Code.PER_RESOURCE_MEANS_NOTHING, "sessions:abc:read")
    assert found.suggestion == "sessions:read"
    assert found.message == (
        "AgentOS checks sessions as a whole, so sessions:abc:read allows nothing;"
        " sessions:read would allow all of them."
    )


@pytest.mark.parametrize("scope", ["sessions:*:read", "agents:abc:read", "billing-app:abc:read"])
def test_an_id_of_a_resource_with_ids_is_no_finding(scope: str) -> None:
    assert Code.PER_RESOURCE_MEANS_NOTHING not in codes(scope)


# only-in-version


def test_the_finding_of_a_newer_scope_names_its_first_version() -> None:
    found = the_finding(Code.ONLY_IN_VERSION, "filesystem:read")
    assert found.message == "AgentOS has filesystem:read only from agno 3.1 on."
    assert Code.ONLY_IN_VERSION in codes("filesystem:read", versions=("2.9.0",))
    assert codes("filesystem:read", versions=("3.1.10",)) == []


def test_the_finding_of_a_company_mode_scope_names_the_mode() -> None:
    found = the_finding(Code.ONLY_IN_VERSION, "wiki:read", versions=("3.1",))
    assert found.message == "AgentOS has wiki:read only from agno 3.1 on, in company mode."


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(UnknownVersion):
        lint(["agents:read"], ["2.6"])


# powerful


@pytest.mark.parametrize("entry", scopes(), ids=lambda entry: entry.scope)
def test_a_scope_is_powerful_if_the_catalogue_marks_it(entry) -> None:
    assert (Code.POWERFUL in codes(entry.scope)) == entry.powerful


def test_the_finding_of_a_powerful_scope_has_the_reason() -> None:
    found = the_finding(Code.POWERFUL, "service_accounts:*:write")
    assert found.message == (
        "service_accounts:*:write allows more than its name says:"
        " it creates tokens that may expire later than its own."
    )
    assert Code.POWERFUL in codes("system:write")
    assert Code.POWERFUL not in codes("service_accounts:abc:write")


# run-without-read


@pytest.mark.parametrize(
    ("run", "read"),
    [
        ("agents:web:run", "agents:web:read"),
        ("teams:run", "teams:read"),
        ("workflows:*:run", "workflows:*:read"),
    ],
)
def test_run_without_read_is_a_finding(run: str, read: str) -> None:
    found = the_finding(Code.RUN_WITHOUT_READ, run)
    assert found.suggestion == read
    assert found.message.startswith(f"Without {read}, lists of ")
    assert codes(run, read) == []


def test_run_with_a_wider_read_is_no_finding() -> None:
    assert codes("agents:web:run", "agents:read") == []
    assert Code.RUN_WITHOUT_READ in codes("agents:run", "agents:web:read")
    assert Code.RUN_WITHOUT_READ not in codes("billing-app:run")


# covered-by-another


def test_a_scope_that_another_covers_adds_nothing() -> None:
    found = the_finding(Code.COVERED_BY_ANOTHER, "agents:web:read", "agents:read")
    assert found.scope == "agents:web:read"
    assert found.suggestion is None
    assert found.message == "agents:web:read adds nothing, since agents:read covers it."


def test_of_two_equivalent_scopes_the_second_is_a_finding() -> None:
    assert the_finding(Code.COVERED_BY_ANOTHER, "config:read", "system:read").scope == "system:read"
    found = the_finding(Code.COVERED_BY_ANOTHER, "agents:*:read", "agents:read")
    assert found.scope == "agents:read"


def test_agent_os_admin_covers_all_scopes_but_those_of_the_issuer() -> None:
    held = ["agents:run", AGENT_OS_ADMIN, "issuer:keys:read", "issuer:keys:write"]
    covered = [f.scope for f in lint(held) if f.code is Code.COVERED_BY_ANOTHER]
    assert covered == ["agents:run", "issuer:keys:read"]


def test_a_repeated_scope_is_checked_once() -> None:
    assert lint(["agents:read", "agents:read"]) == []


@given(st.lists(any_scope, unique=True, max_size=6))
def test_all_covered_scopes_can_be_removed_together(held: list[str]) -> None:
    """Without them, the set covers the same scopes."""
    covered = {f.scope for f in lint(held) if f.code is Code.COVERED_BY_ANOTHER}
    rest = [scope for scope in held if scope not in covered]
    assert all(covers(rest, scope) for scope in held)
    assert not any(covers([one], two) or covers([two], one) for one, two in combinations(rest, 2))


# not-a-scope, and all of them


@pytest.mark.parametrize("text", ["", "agents::run", "a:b:c:d", "agents:a b:run", "issuer:all"])
def test_an_invalid_scope_is_a_finding_and_no_error(text: str) -> None:
    assert codes(text) == [Code.NOT_A_SCOPE]


@given(st.lists(st.one_of(any_scope, st.text(max_size=8)), max_size=6))
def test_a_finding_is_one_sentence_about_one_of_the_scopes(held: list[str]) -> None:
    for finding in lint(held):
        assert finding.scope in held
        assert finding.message.endswith((".", "?"))
        assert "\n" not in finding.message


def test_findings_are_in_the_order_of_the_scopes() -> None:
    held = ["teams:run", "system:read", "custom"]
    assert [finding.scope for finding in lint(held)] == held


def test_a_finding_is_json() -> None:
    finding = the_finding(Code.OLD_NAME, "system:read")
    assert json.loads(json.dumps(finding.as_json())) == {
        "code": "old-name",
        "scope": "system:read",
        "message": "system:read is the old name of config:read; AgentOS still understands both.",
        "suggestion": "config:read",
    }


def test_the_codes_are_stable() -> None:
    assert {code.value for code in Code} == {
        "not-a-scope",
        "unknown-scope",
        "old-name",
        "per-resource-means-nothing",
        "only-in-version",
        "powerful",
        "run-without-read",
        "covered-by-another",
    }
