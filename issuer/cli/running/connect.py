"""`issuer connect`: the configuration of MCP clients for an AgentOS."""

import asyncio
import json
import re
import shlex
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
import typer

from issuer.agentos.errors import NotFetched
from issuer.agentos.fetching import fetch, new_client
from issuer.agentos.metadata import metadata_urls
from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.options import AsJson
from issuer.fields.text import escaped
from issuer.settings import Settings

app = new_app()

_INSPECTOR = "@modelcontextprotocol/inspector"
_METADATA = re.compile(r'\bresource_metadata="([^"]+)"')
_ACCEPT = {"Accept": "application/json, text/event-stream"}


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


class _Problem(Exception):
    """A client cannot connect; the message says why."""


def problems_of(url: str, issuer: str) -> list[str]:
    """Why an MCP client could not connect to `url` with a token of `issuer`: sentences."""
    return asyncio.run(_problems_of(url, issuer))


async def _problems_of(url: str, issuer: str) -> list[str]:
    async with new_client() as http:
        try:
            resource = await _document(http, await _metadata_url(http, url))
            _require_resource(resource, url)
            _require_issuer(resource, issuer)
            metadata = await _document(http, metadata_urls(issuer)[0])
        except _Problem as problem:
            return [str(problem)]
    return _missing_in(metadata, issuer)


async def _metadata_url(http: httpx.AsyncClient, url: str) -> str:
    """The URL in the challenge of the endpoint."""
    try:
        async with http.stream("GET", url, headers=_ACCEPT) as answer:
            status, challenge = answer.status_code, answer.headers.get("www-authenticate", "")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise _Problem(f"{url} does not answer: {error or type(error).__name__}.") from None
    if status != httpx.codes.UNAUTHORIZED:
        raise _Problem(f"{url} answers {status} without a token, not 401: is it an MCP endpoint?")
    if (match := _METADATA.search(challenge)) is None:
        origin = urlsplit(url)._replace(path="", query="", fragment="").geturl()
        raise _Problem(
            f"The AgentOS at {url} does not name its issuer: start it with"
            f' Verifier(…, url="{origin}") and verifier.attach(app).'
        )
    return match[1]


async def _document(http: httpx.AsyncClient, url: str) -> dict[str, Any]:
    try:
        document = json.loads((await fetch(http, url)).body or b"")
    except NotFetched as error:
        raise _Problem(f"{url} {error}.") from None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise _Problem(f"{url} is not a JSON object.")
    return document


def _require_resource(document: dict[str, Any], url: str) -> None:
    resource = document.get("resource")
    if str(resource).rstrip("/") != url.rstrip("/"):
        raise _Problem(
            f"The metadata of {url} is that of {resource}, which clients refuse: correct url= of"
            " the Verifier."
        )


def _require_issuer(document: dict[str, Any], issuer: str) -> None:
    servers = document.get("authorization_servers")
    if not isinstance(servers, list) or issuer not in servers:
        others = ", ".join(map(str, servers)) if isinstance(servers, list) else "none"
        raise _Problem(f"The AgentOS accepts tokens of {others}, not of this issuer, {issuer}.")


def _missing_in(metadata: dict[str, Any], issuer: str) -> list[str]:
    """What this issuer lacks for clients that nobody registered."""
    if "authorization_endpoint" not in metadata:
        return [f"People cannot sign in at {issuer}: it has no authorization endpoint."]
    if "registration_endpoint" in metadata or metadata.get("client_id_metadata_document_supported"):
        return []
    return [
        f"{issuer} accepts only registered clients: set ISSUER_CLIENT_REGISTRATION=open or"
        " ISSUER_CLIENT_METADATA_HOSTS, or create a client and configure its id."
    ]
