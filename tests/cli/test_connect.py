"""`issuer connect`: the configuration of MCP clients, and what would prevent them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.agentos.key_server import METADATA as ISSUER_METADATA
from tests.agentos.key_server import KeyServer, running_key_server
from tests.cli.driver import Cli
from tests.rows import rows

METADATA = "/.well-known/oauth-protected-resource/mcp"
PEOPLE_AND_CLIENTS = {"authorization_endpoint": "…", "registration_endpoint": "…"}


class McpServer:
    """An AgentOS and its issuer, as far as a client reads them without a token."""

    def __init__(self, server: KeyServer) -> None:
        self.url = f"{server.url}/mcp"
        self.issuer = server.url
        self._server = server
        self.challenge(f'Bearer resource_metadata="{server.url}{METADATA}"')
        self.name_issuer(self.issuer)
        self.publish(**PEOPLE_AND_CLIENTS)

    def challenge(self, challenge: str, status: int = 401) -> None:
        self._server.put("/mcp", {}, status, www_authenticate=challenge)

    def name_issuer(self, *issuers: str, resource: str | None = None) -> None:
        document = {"resource": resource or self.url, "authorization_servers": issuers}
        self._server.put(METADATA, document)

    def serve(self, path: str, document: bytes) -> None:
        self._server.put(path, document)

    def publish(self, **members: Any) -> None:
        self._server.put(ISSUER_METADATA, {"issuer": self.issuer, **members})


@pytest.fixture
def mcp() -> Iterator[McpServer]:
    with running_key_server() as server:
        yield McpServer(server)


@pytest.fixture
def cli(new_cli: Cli, mcp: McpServer) -> Cli:
    """The command line of the issuer that the AgentOS trusts."""
    return new_cli.with_environment(ISSUER_URL=mcp.issuer)


def warnings(cli: Cli, mcp: McpServer) -> list[str]:
    answer = cli.json("connect", "cursor", mcp.url)
    result = cli("connect", "cursor", mcp.url)
    assert (result.status, result.warnings) == (0, [f"Warning: {w}" for w in answer["warnings"]])
    return answer["warnings"]


@rows(
    ("client", "command"),
    [
        ("claude-code", "claude mcp add --transport http agentos {url}\n"),
        ("inspector", "npx @modelcontextprotocol/inspector --transport http --server-url {url}\n"),
    ],
)
def test_a_command_is_printed_ready_to_paste(cli: Cli, mcp: McpServer, client: str, command: str):
    result = cli("connect", client, mcp.url)
    assert (result.status, result.err) == (0, "")
    assert result.out == command.format(url=mcp.url)


@rows(
    ("client", "file", "content"),
    [
        ("cursor", ".cursor/mcp.json", {"mcpServers": {"demo": {"url": "URL"}}}),
        ("vscode", ".vscode/mcp.json", {"servers": {"demo": {"type": "http", "url": "URL"}}}),
    ],
)
def test_the_content_of_a_file_is_printed_as_json(
    cli: Cli, mcp: McpServer, client: str, file: str, content: dict[str, Any]
):
    result = cli("connect", client, mcp.url, "--name", "demo")
    (server,) = next(iter(result.json.values())).values()
    assert server.pop("url") == mcp.url
    (expected,) = next(iter(content.values())).values()
    assert server == {name: value for name, value in expected.items() if name != "url"}
    assert result.err.startswith(file)
    answer = cli.json("connect", client, mcp.url, "--name", "demo")
    assert (answer["client"], answer["file"], answer["warnings"]) == (client, file, [])
    assert answer["content"].keys() == content.keys()


def test_a_name_is_quoted_for_the_shell(cli: Cli, mcp: McpServer):
    assert "'my os; true'" in cli.done("connect", "claude-code", mcp.url, "--name", "my os; true")


def test_an_agentos_without_a_challenge_is_reported(cli: Cli, mcp: McpServer):
    mcp.challenge("Bearer")
    (warning,) = warnings(cli, mcp)
    assert "does not name its issuer" in warning
    assert f'Verifier(…, url="{mcp.issuer}")' in warning


def test_an_agentos_of_another_issuer_is_reported(cli: Cli, mcp: McpServer):
    mcp.name_issuer("https://other.example")
    (warning,) = warnings(cli, mcp)
    assert "accepts tokens of https://other.example, not of this issuer" in warning


def test_metadata_of_another_resource_is_reported(cli: Cli, mcp: McpServer):
    mcp.name_issuer(mcp.issuer, resource="https://os.example/mcp")
    (warning,) = warnings(cli, mcp)
    assert "is that of https://os.example/mcp" in warning


@rows("status", [200, 404])
def test_an_endpoint_that_requires_no_token_is_reported(cli: Cli, mcp: McpServer, status: int):
    mcp.challenge("", status)
    (warning,) = warnings(cli, mcp)
    assert f"answers {status} without a token, not 401" in warning


@rows("document", [b"[]", b"{", b"\xff"])
def test_an_unreadable_document_is_reported(cli: Cli, mcp: McpServer, document: bytes):
    mcp.serve(METADATA, document)
    (warning,) = warnings(cli, mcp)
    assert METADATA in warning


def test_an_endpoint_that_does_not_answer_is_reported(cli: Cli):
    answer = cli.json("connect", "cursor", "http://127.0.0.1:1/mcp")
    assert "does not answer" in answer["warnings"][0]


def test_a_url_that_is_none_is_reported(cli: Cli):
    assert cli.json("connect", "cursor", "os.example")["warnings"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "has no authorization endpoint"),
        ({"authorization_endpoint": "…"}, "ISSUER_CLIENT_REGISTRATION=open"),
    ],
    ids=["nobody can sign in", "no client can register"],
)
def test_an_issuer_that_unknown_clients_cannot_use_is_reported(
    cli: Cli, mcp: McpServer, members: dict[str, str], words: str
):
    mcp.publish(**members)
    (warning,) = warnings(cli, mcp)
    assert words in warning


def test_metadata_documents_of_clients_are_enough(cli: Cli, mcp: McpServer):
    mcp.publish(authorization_endpoint="…", client_id_metadata_document_supported=True)
    assert warnings(cli, mcp) == []


def test_an_unknown_client_is_wrong_usage(cli: Cli, mcp: McpServer):
    result = cli("connect", "emacs", mcp.url)
    assert result.status == 2
    assert "claude-code" in result.err
