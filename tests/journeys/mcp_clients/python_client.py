"""Clients in Python: `python -m tests.journeys.mcp_clients.python_client NAME` with a task as JSON.

Each knows the URL of the MCP endpoint, and prints the result of the tool that it calls. A person
is asked as BROWSER does.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import fastmcp
import httpx2
from fastmcp.client.auth import OAuth
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl

from tests.journeys.mcp_clients.browser import PersonAtBrowser

Task = dict[str, Any]
CALLBACK = "http://127.0.0.1:33418/callback"


class Memory:
    """Remembers the client and its tokens, as the SDK wants."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def with_a_person(task: Task) -> OAuthClientProvider:
    """`OAuthClientProvider`, which asks a person. Without a `client_id` it registers a client."""
    person = PersonAtBrowser(os.environ["USERNAME"], os.environ["PASSWORD"])
    answers: list[dict[str, str]] = []

    async def redirect(url: str) -> None:
        end = await asyncio.to_thread(person.visit, url, CALLBACK)
        answers.append(dict(parse_qsl(urlsplit(end).query)))

    async def callback() -> AuthorizationCodeResult:
        return AuthorizationCodeResult.model_validate(answers.pop())

    memory, uris = Memory(), [AnyUrl(CALLBACK)]
    if "client_id" in task:
        memory.client = OAuthClientInformationFull(
            client_id=task["client_id"], redirect_uris=uris, token_endpoint_auth_method="none"
        )
    metadata = OAuthClientMetadata(client_name="A program", redirect_uris=uris)
    return OAuthClientProvider(task["url"], metadata, memory, redirect, callback)


def with_credentials(task: Task) -> OAuthClientProvider:
    return ClientCredentialsOAuthProvider(
        task["url"],
        Memory(),
        client_id=task["client_id"],
        client_secret=task["client_secret"],
        issuer=task["issuer"],
    )


def with_a_key(task: Task) -> OAuthClientProvider:
    signed = SignedJWTParameters(
        issuer=task["client_id"],
        subject=task["client_id"],
        signing_key=task["private_key"],
        signing_algorithm="ES256",
    )
    return PrivateKeyJWTOAuthProvider(
        task["url"],
        Memory(),
        task["client_id"],
        signed.create_assertion_provider(),
        issuer=task["issuer"],
    )


def with_an_id_jag(task: Task) -> IdentityAssertionOAuthProvider:
    """Enterprise-Managed Authorization: `idp` says how the company's issuer is asked for an ID-JAG.

    With an access token of the person there, by token exchange (RFC 8693).
    """
    idp = task["idp"]

    async def id_jag(audience: str, resource: str) -> str:
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requested_token_type": "urn:ietf:params:oauth:token-type:id-jag",
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "subject_token": idp["access_token"],
            "audience": audience,
            "resource": resource,
        }
        async with httpx2.AsyncClient(trust_env=False) as http:
            auth = (idp["client_id"], idp["client_secret"])
            answer = await http.post(idp["token_endpoint"], data=form, auth=auth)
        assert answer.is_success, answer.text
        return str(answer.json()["access_token"])

    return IdentityAssertionOAuthProvider(
        task["url"],
        Memory(),
        client_id=task["client_id"],
        client_secret=task["client_secret"],
        issuer=task["issuer"],
        assertion_provider=id_jag,
    )


@asynccontextmanager
async def of_the_sdk(task: Task, provider: Callable[[Task], httpx2.Auth]) -> AsyncIterator[Any]:
    http = httpx2.AsyncClient(auth=provider(task), trust_env=False, timeout=60)
    async with http, Client(streamable_http_client(task["url"], http_client=http)) as client:
        yield client


@asynccontextmanager
async def of_fastmcp(task: Task) -> AsyncIterator[Any]:
    async with fastmcp.Client(
        task["url"], auth=OAuth(client_id=task.get("client_id")), timeout=60
    ) as client:
        yield client


@asynccontextmanager
async def of_fastmcp_with_an_id_jag(task: Task) -> AsyncIterator[Any]:
    async with fastmcp.Client(task["url"], auth=with_an_id_jag(task), timeout=60) as client:
        yield client


@asynccontextmanager
async def over_stdio(task: Task) -> AsyncIterator[Any]:
    """A client that knows only local servers, and a program that makes a remote one local."""
    command, *arguments = task["command"]
    server = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    async with Client(stdio_client(server)) as client:
        yield client


CLIENTS: dict[str, Callable[[Task], Any]] = {
    "mcp": lambda task: of_the_sdk(task, with_a_person),
    "mcp-credentials": lambda task: of_the_sdk(task, with_credentials),
    "mcp-key": lambda task: of_the_sdk(task, with_a_key),
    "mcp-id-jag": lambda task: of_the_sdk(task, with_an_id_jag),
    "fastmcp-id-jag": of_fastmcp_with_an_id_jag,
    "fastmcp": of_fastmcp,
    "stdio": over_stdio,
}


async def result_of(name: str, task: Task) -> str:
    async with CLIENTS[name](task) as client:
        return str(await client.call_tool(task["tool"], task["toolArguments"]))


if __name__ == "__main__":
    print(asyncio.run(result_of(sys.argv[1], json.load(sys.stdin))))  # noqa: T201
