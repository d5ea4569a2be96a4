"""`issuer connect`: the configuration of MCP clients for an AgentOS."""

import json
import shlex
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.mcp_endpoint import problems_of
from issuer.cli.options import AsJson
from issuer.fields.text import escaped
from issuer.settings import Settings

app = new_app()

_INSPECTOR = "@modelcontextprotocol/inspector"


class McpClient(StrEnum):
    """The clients whose configuration is known."""

    CLAUDE_CODE = "claude-code"
    CURSOR = "cursor"
    VSCODE = "vscode"
    INSPECTOR = "inspector"


def _claude_code(name: str, url: str) -> dict[str, Any]:
    return {"command": ["claude", "mcp", "add", "--transport", "http", name, url]}


def _cursor(name: str, url: str) -> dict[str, Any]:
    return {"file": ".cursor/mcp.json", "content": {"mcpServers": {name: {"url": url}}}}


def _vscode(name: str, url: str) -> dict[str, Any]:
    server = {"type": "http", "url": url}
    return {"file": ".vscode/mcp.json", "content": {"servers": {name: server}}}


def _inspector(_name: str, url: str) -> dict[str, Any]:
    return {"command": ["npx", _INSPECTOR, "--transport", "http", "--server-url", url]}


_CONFIGURATIONS: dict[McpClient, Callable[[str, str], dict[str, Any]]] = {
    McpClient.CLAUDE_CODE: _claude_code,
    McpClient.CURSOR: _cursor,
    McpClient.VSCODE: _vscode,
    McpClient.INSPECTOR: _inspector,
}


@app.command()
def connect(
    client: Annotated[
        McpClient, typer.Argument(metavar="PROGRAM", help=f"One of: {', '.join(McpClient)}.")
    ],
    url: Annotated[
        str,
        typer.Argument(metavar="URL", help="The MCP endpoint, such as https://os.example/mcp."),
    ],
    name: Annotated[
        str, typer.Option(metavar="NAME", help="The name of the AgentOS in the client.")
    ] = "agentos",
    as_json: AsJson = False,
) -> None:
    """Print how an MCP client connects to an AgentOS, and warn of what would prevent it.

    The client finds the issuer by the URL alone, and opens a browser to sign in.

    Examples:

      issuer connect claude-code https://os.example/mcp
      issuer connect vscode http://127.0.0.1:7777/mcp --name demo
      issuer connect cursor https://os.example/mcp --json
    """
    configuration = _CONFIGURATIONS[client](name, url)
    warnings = problems_of(url, Settings.from_environment().url)
    if as_json:
        output.print_json({"client": client, "url": url, **configuration, "warnings": warnings})
        return
    if "command" in configuration:
        output.print_text(shlex.join(configuration["command"]))
    else:
        typer.echo(f"{configuration['file']}, in the folder of your project:\n", err=True)
        print(json.dumps(configuration["content"], indent=2))
    for warning in warnings:
        typer.echo(escaped(f"Warning: {warning}"), err=True)
