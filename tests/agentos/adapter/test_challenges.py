"""An AgentOS tells clients where to get a token, in each release and configuration."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agentos.adapter.fake_issuer import FakeIssuer
from tests.agentos.releases import AGNO_3_1, REPOSITORY, AgnoRelease

pytestmark = pytest.mark.slow

URL = "https://os.example"
METADATA = "/.well-known/oauth-protected-resource"
ALLOWED, FOREIGN = "http://localhost:3000", "https://attacker.example"

Answers = dict[str, Any]


def questions(issuer: FakeIssuer, release: AgnoRelease) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each with a name."""

    def ask(app: str, request: str, url: str = URL, **headers: str) -> dict[str, Any]:
        method, path = request.split(" ")
        return {
            "app": app,
            "settings": {"issuer": issuer.url, "url": url},
            "request": {"method": method, "url": path, "headers": headers},
        }

    def token(*scopes: str) -> str:
        return f"Bearer {issuer.issue(scopes)}"

    narrow = token("agents:web:run")
    below = f"{URL}/prefix"
    yield "document", ask("managed", f"GET {METADATA}")
    yield "document of mcp", ask("managed", f"GET {METADATA}/mcp", Origin=FOREIGN)
    yield "document of another path", ask("managed", f"GET {METADATA}/agents")
    yield "mcp", ask("managed", "POST /mcp", Origin=ALLOWED)
    yield "rest", ask("managed", "GET /agents", Origin=FOREIGN)
    yield "invalid", ask("managed", "GET /agents", Authorization="Bearer x")
    yield "other scheme", ask("managed", "GET /agents", Authorization="Basic YTpi")
    yield "narrow", ask("managed", "GET /sessions", Authorization=narrow)
    yield "narrow agent", ask("managed", "POST /agents/billing/runs", Authorization=narrow)
    yield (
        "narrow agent by a2a",
        ask("managed", "POST /a2a/agents/billing/v1/message:send", Authorization=narrow),
    )
    yield (
        "narrow agent, mounted",
        ask("mounted", "POST /os/agents/billing/runs", Authorization=narrow),
    )
    yield "info", ask("managed", "GET /info")
    yield "info below a prefix", ask("managed", "GET /info", below)
    yield "info of the mounted one", ask("mounted", "GET /os/info")
    yield "an agent called info", ask("managed", "GET /agents/info")
    yield "info without mcp", ask("without_mcp", "GET /info")
    yield "compressed info", ask("compressed", "GET /info", **{"Accept-Encoding": "gzip"})
    yield "permitted", ask("managed", "GET /agents", Authorization=token("agents:read"))
    yield "mounted", ask("mounted", "GET /os/agents")
    yield "mounted mcp", ask("mounted", "POST /os/mcp")
    yield "document of mounted mcp", ask("mounted", f"GET {METADATA}/os/mcp")
    yield "attached, then mounted", ask("mounted_once_attached", "POST /os/mcp", f"{URL}/os")
    yield "its document", ask("mounted_once_attached", f"GET /os{METADATA}/mcp", f"{URL}/os")
    yield "below a prefix", ask("managed", "POST /mcp", below)
    yield "document below a prefix", ask("managed", f"GET {METADATA}/prefix/mcp", below)
    yield "without mcp", ask("without_mcp", "POST /mcp")
    yield "with mcp_auth", ask("with_mcp_auth", "POST /mcp")
    if has_mcp_paths(release):
        for path in ("/tools", "/v1/mcp"):
            yield path, ask("with_mcp_path", f"POST {path}")
            yield f"info of {path}", ask("with_mcp_path", "GET /info")
            yield f"document of {path}", ask("with_mcp_path", f"GET {METADATA}{path}")
    if release == AGNO_3_1:
        yield "without a role", ask("with_roles_claim", "GET /sessions", Authorization=narrow)


def has_mcp_paths(release: AgnoRelease) -> bool:
    return release.minor.startswith("3.")


@pytest.fixture(scope="module")
def answers(adapted_release: AgnoRelease, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """The answer to each of the questions."""
    workdir = tmp_path_factory.mktemp("answers")
    with FakeIssuer() as issuer:
        named = dict(questions(issuer, adapted_release))
        file = workdir / "questions.json"
        file.write_text(json.dumps(list(named.values())))
        return dict(zip(named, open_answer(adapted_release, file), strict=True))


def open_answer(release: AgnoRelease, file: Path) -> list[Any]:
    process = subprocess.run(
        [str(release.python), "-P", "-m", "tests.agentos.adapter.answers", str(file)],
        cwd=file.parent,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "AGNO_TELEMETRY": "false"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(process.stdout.splitlines()[-1])


def challenge(answers: Answers, name: str, status: int = 401) -> str | None:
    assert answers[name]["status"] == status, answers[name]
    return answers[name]["headers"].get("www-authenticate")


def test_the_documents_name_the_resource_and_its_issuer(answers: Answers) -> None:
    """RFC 9728 §2."""
    for name, resource in (("document", URL), ("document of mcp", f"{URL}/mcp")):
        assert answers[name]["headers"]["content-type"] == "application/json"
        document = json.loads(answers[name]["text"])
        assert document["resource"] == resource
        assert len(document["authorization_servers"]) == 1
        assert document["bearer_methods_supported"] == ["header"]


def test_the_document_names_no_scope_so_that_clients_ask_for_all_a_user_has(
    answers: Answers,
) -> None:
    assert "scopes_supported" not in json.loads(answers["document"]["text"])


def test_other_paths_have_no_document(answers: Answers) -> None:
    assert answers["document of another path"]["status"] == 401


@pytest.mark.parametrize(
    ("request_name", "metadata"),
    [
        ("rest", f"{URL}{METADATA}"),
        ("other scheme", f"{URL}{METADATA}"),
        ("mcp", f"{URL}{METADATA}/mcp"),
        ("without mcp", f"{URL}{METADATA}/mcp"),
        ("with mcp_auth", f"{URL}{METADATA}/mcp"),
        ("an agent called info", f"{URL}{METADATA}"),
        ("mounted", f"{URL}{METADATA}/os"),
        ("mounted mcp", f"{URL}{METADATA}/os/mcp"),
        ("attached, then mounted", f"{URL}/os{METADATA}/mcp"),
        ("below a prefix", f"{URL}/prefix{METADATA}/mcp"),
    ],
)
def test_a_request_without_a_token_is_told_where_the_metadata_is(
    answers: Answers, request_name: str, metadata: str
) -> None:
    """RFC 9728 §5.1."""
    assert challenge(answers, request_name) == f'Bearer resource_metadata="{metadata}"'


def test_the_documents_of_a_mounted_agent_os_name_its_whole_path(answers: Answers) -> None:
    for name in ("document of mounted mcp", "its document"):
        assert json.loads(answers[name]["text"])["resource"] == f"{URL}/os/mcp"
    document = json.loads(answers["document below a prefix"]["text"])
    assert document["resource"] == f"{URL}/prefix/mcp"


def test_custom_mcp_paths_have_documents(answers: Answers, adapted_release: AgnoRelease) -> None:
    for path in ("/tools", "/v1/mcp") if has_mcp_paths(adapted_release) else ():
        expected = f'Bearer resource_metadata="{URL}{METADATA}{path}"'
        assert challenge(answers, path) == expected
        document = json.loads(answers[f"document of {path}"]["text"])
        assert document["resource"] == URL + path


def test_an_invalid_token_is_called_invalid(answers: Answers) -> None:
    """RFC 6750 §3.1."""
    expected = f'Bearer error="invalid_token", resource_metadata="{URL}{METADATA}"'
    assert challenge(answers, "invalid") == expected


@pytest.mark.parametrize(
    ("request_name", "scope"),
    [
        ("narrow", "sessions:read"),
        ("narrow agent", "agents:billing:run"),
        ("narrow agent by a2a", "agents:billing:run"),
    ],
)
def test_a_refusal_for_lack_of_a_scope_names_it(
    answers: Answers, request_name: str, scope: str
) -> None:
    """RFC 6750 §3.1. A client that asks for what is named gets no wider right than it needs."""
    assert challenge(answers, request_name, 403) == (
        f'Bearer error="insufficient_scope", scope="{scope}", resource_metadata="{URL}{METADATA}"'
    )


def test_a_refusal_of_a_mounted_agent_os_names_the_scope_of_the_agent(
    answers: Answers, adapted_release: AgnoRelease
) -> None:
    """agno 2 checks no scopes of an app that is mounted in another."""
    if has_mcp_paths(adapted_release):
        said = challenge(answers, "narrow agent, mounted", 403)
        assert said is not None
        assert 'scope="agents:billing:run"' in said


@pytest.mark.parametrize(
    ("request_name", "resource"),
    [
        ("info", f"{URL}/mcp"),
        ("info below a prefix", f"{URL}/prefix/mcp"),
        ("compressed info", f"{URL}/mcp"),
    ],
)
def test_info_names_the_authorization_servers_of_mcp(
    answers: Answers, request_name: str, resource: str
) -> None:
    """As agno's own OAuth does: otherwise `agno connect` makes service accounts."""
    answer = answers[request_name]
    info, document = json.loads(answer["text"]), json.loads(answers["document"]["text"])
    servers = document["authorization_servers"]
    assert info["mcp"]["oauth"] == {"authorization_servers": servers, "resource": resource}
    assert info["agent_count"] == 2
    assert answer["headers"]["content-length"] == str(len(answer["text"]))


def test_info_of_a_mounted_agent_os_names_its_whole_path(
    answers: Answers, adapted_release: AgnoRelease
) -> None:
    """agno 2 refuses it without a token."""
    if has_mcp_paths(adapted_release):
        info = json.loads(answers["info of the mounted one"]["text"])
        assert info["mcp"]["oauth"]["resource"] == f"{URL}/os/mcp"


def test_info_names_none_without_mcp(answers: Answers) -> None:
    assert json.loads(answers["info without mcp"]["text"])["mcp"]["oauth"] is None


def test_info_names_the_path_of_mcp(answers: Answers, adapted_release: AgnoRelease) -> None:
    """agno 3.0 says `/mcp` there, wherever it is."""
    if adapted_release == AGNO_3_1:
        info = json.loads(answers["info of /tools"]["text"])
        assert info["mcp"]["oauth"]["resource"] == f"{URL}/tools"


def test_a_refusal_for_lack_of_a_role_names_no_scope(
    answers: Answers, adapted_release: AgnoRelease
) -> None:
    """A client would ask for a token with that scope, in vain."""
    if adapted_release == AGNO_3_1:
        assert challenge(answers, "without a role", 403) is None


def test_a_permitted_request_has_no_challenge(answers: Answers) -> None:
    assert challenge(answers, "permitted", 200) is None


def test_a_browser_may_read_the_documents_from_any_origin(answers: Answers) -> None:
    assert answers["document of mcp"]["headers"]["access-control-allow-origin"] == "*"


def test_a_browser_may_read_the_challenge_from_an_origin_that_agno_allows(
    answers: Answers,
) -> None:
    assert answers["mcp"]["headers"]["access-control-allow-origin"] == ALLOWED
    assert "WWW-Authenticate" in answers["mcp"]["headers"]["access-control-expose-headers"]
    assert "access-control-allow-origin" not in answers["rest"]["headers"]
