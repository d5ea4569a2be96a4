"""What an MCP client would find at the URL of an endpoint (RFC 9728, RFC 8414)."""

import asyncio
import json
import re
from typing import Any
from urllib.parse import urlsplit

import httpx

from issuer.agentos.errors import NotFetched
from issuer.agentos.fetching import fetch, new_client
from issuer.agentos.metadata import metadata_urls

_METADATA = re.compile(r'\bresource_metadata="([^"]+)"')
_ACCEPT = {"Accept": "application/json, text/event-stream"}


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
