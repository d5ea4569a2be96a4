"""`issuer connect`: the configuration of MCP clients for an AgentOS."""

import asyncio
import json
import re
import shlex
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
import typer

from issuer.agentos.errors import NotFetched
from issuer.agentos.fetching import fetch, metadata_urls, new_client
from issuer.cli import output
from issuer.cli.command import argument, new_app, option, wants_json
from issuer.fields.text import escape
from issuer.settings import Settings

app = new_app()

_INSPECTOR = "@modelcontextprotocol/inspector"
_METADATA = re.compile(r'\bresource_metadata="([^"]+)"')
_ACCEPT = {"Accept": "application/json, text/event-stream"}


class McpClient(StrEnum):
    CLAUDE_CODE = "claude-code"
    CURSOR = "cursor"
    VSCODE = "vscode"
    INSPECTOR = "inspector"


def _configuration(client: McpClient, name: str, url: str) -> dict[str, Any]:
    match client:
        case McpClient.CLAUDE_CODE:
            return {"command": ["claude", "mcp", "add", "--transport", "http", name, url]}
        case McpClient.CURSOR:
            return {"file": ".cursor/mcp.json", "content": {"mcpServers": {name: {"url": url}}}}
        case McpClient.VSCODE:
            content = {"servers": {name: {"type": "http", "url": url}}}
            return {"file": ".vscode/mcp.json", "content": content}
        case McpClient.INSPECTOR:
            return {"command": ["npx", _INSPECTOR, "--transport", "http", "--server-url", url]}


@app.command()
def connect(
    client: McpClient = argument("PROGRAM", f"One of: {', '.join(McpClient)}."),
    url: str = argument("URL", "The MCP endpoint, such as https://os.example/mcp."),
    name: Annotated[str, option("NAME", "The name of the AgentOS in the client.")] = "agentos",
) -> None:
    """Print how an MCP client connects to an AgentOS, and warn of what would prevent it.

    The client finds the issuer by the URL alone, and opens a browser to sign in.

    Examples:

      issuer connect claude-code https://os.example/mcp
      issuer connect vscode http://127.0.0.1:7777/mcp --name demo
      issuer connect cursor https://os.example/mcp --json
    """
    configuration = _configuration(client, name, url)
    warnings = asyncio.run(_problems_of(url, Settings.from_environment().url))
    if wants_json.get():
        output.print_json({"client": client, "url": url, **configuration, "warnings": warnings})
        return
    if "command" in configuration:
        output.print_text(shlex.join(configuration["command"]))
    else:
        typer.echo(f"{configuration['file']}, in the folder of your project:\n", err=True)
        print(json.dumps(configuration["content"], indent=2))
    for warning in warnings:
        typer.echo(escape(f"Warning: {warning}"), err=True)


class _Problem(Exception):
    """A client cannot connect; the message says why."""


async def _problems_of(url: str, issuer: str) -> list[str]:
    """Why an MCP client could not connect to `url` with a token of `issuer`: sentences."""
    async with new_client() as http:
        try:
            _require_tokens_of(issuer, await _document(http, await _metadata_url(http, url)), url)
            metadata = await _document(http, metadata_urls(issuer)[0])
        except _Problem as problem:
            return [str(problem)]
    if "authorization_endpoint" not in metadata:
        return [f"People cannot sign in at {issuer}: it has no authorization endpoint."]
    if "registration_endpoint" in metadata or metadata.get("client_id_metadata_document_supported"):
        return []
    return [
        f"{issuer} accepts only registered clients: set ISSUER_CLIENT_REGISTRATION=open or"
        " ISSUER_CLIENT_METADATA_HOSTS, or create a client and configure its id."
    ]


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


def _require_tokens_of(issuer: str, document: dict[str, Any], url: str) -> None:
    resource, servers = document.get("resource"), document.get("authorization_servers")
    if str(resource).rstrip("/") != url.rstrip("/"):
        raise _Problem(
            f"The metadata of {url} is that of {resource}, which clients refuse: correct url= of"
            " the Verifier."
        )
    if not isinstance(servers, list) or issuer not in servers:
        others = ", ".join(map(str, servers)) if isinstance(servers, list) else "none"
        raise _Problem(f"The AgentOS accepts tokens of {others}, not of this issuer, {issuer}.")
