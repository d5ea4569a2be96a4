"""OAuth clients and token verifiers that no one here wrote, all driven by what they discover."""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import jwt
import oauthlib.oauth2
import pytest
from authlib.integrations.httpx_client import OAuth2Client
from authlib.integrations.requests_client import OAuth2Session
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry
from joserfc.jwt import decode as joserfc_decode
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session as OAuthlibSession

from tests.builders import Credentials

JAVASCRIPT = Path(__file__).with_name("javascript")
BASIC, POST = "client_secret_basic", "client_secret_post"


@dataclass(frozen=True)
class Task:
    """A token to get: from whom, as whom, how."""

    issuer: str
    client: Credentials
    authentication: str
    grant_type: str
    parameters: Mapping[str, str]
    audience: str

    @property
    def metadata(self) -> dict[str, Any]:
        """RFC 8414 §3."""
        answer = httpx.get(f"{self.issuer}/.well-known/oauth-authorization-server", trust_env=False)
        return answer.raise_for_status().json()


@dataclass(frozen=True)
class Refused(Exception):
    """The library's own error for an answer that is no token."""

    error: str


ForeignClient = Callable[[Task], dict[str, Any]]


def authlib_with_requests(task: Task) -> dict[str, Any]:
    return _with_authlib(OAuth2Session, task)


def authlib_with_httpx(task: Task) -> dict[str, Any]:
    return _with_authlib(OAuth2Client, task)


def _with_authlib(session_class: Callable[..., Any], task: Task) -> dict[str, Any]:
    with session_class(
        task.client.client_id,
        task.client.client_secret,
        token_endpoint_auth_method=task.authentication,
    ) as session:
        session.trust_env = False
        return session.fetch_token(
            task.metadata["token_endpoint"], grant_type=task.grant_type, **task.parameters
        )


def requests_oauthlib(task: Task) -> dict[str, Any]:
    kind = {
        "client_credentials": oauthlib.oauth2.BackendApplicationClient,
        "password": oauthlib.oauth2.LegacyApplicationClient,
    }[task.grant_type]
    client_id, secret = task.client.client_id, task.client.client_secret
    authenticated = (
        {"auth": HTTPBasicAuth(client_id, secret)}
        if task.authentication == BASIC
        else {"include_client_id": True, "client_secret": secret}
    )
    with OAuthlibSession(client=kind(client_id)) as session:
        session.trust_env = False
        return session.fetch_token(
            task.metadata["token_endpoint"], **authenticated, **task.parameters
        )


def in_javascript(library: str, algorithm: str, task: Task) -> dict[str, Any]:
    """`algorithm`: where the library looks for metadata, `oidc` or `oauth2`."""
    secret = {"id": task.client.client_id, "secret": task.client.client_secret}
    seen = run_javascript(
        "token.mjs",
        {
            "library": library,
            "algorithm": algorithm,
            "issuer": task.issuer,
            "client": {**secret, "authentication": task.authentication},
            "grantType": task.grant_type,
            "parameters": dict(task.parameters),
        },
    )
    if "error" in seen:
        raise Refused(seen["error"])
    return seen["answer"]
