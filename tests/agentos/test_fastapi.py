"""A FastAPI service that is not an AgentOS verifies tokens, too (RFC 6750)."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from issuer.agentos import Verifier
from issuer.agentos.fastapi import claims_of, requires
from tests.agentos.key_server import KEYS, KeyServer, running_key_server
from tests.agentos.tokens import Tokens, unsigned
from tests.journeys.running_issuer import REPOSITORY
from tests.rows import rows

FEED = "/.well-known/revocations"


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with running_key_server() as server:
        server.put_metadata()
        yield server


@pytest.fixture
def tokens(server: KeyServer) -> Tokens:
    tokens = new_tokens(server)
    server.put(KEYS, tokens.jwks, cache_control="max-age=300")
    return tokens


@pytest.fixture
def service(server: KeyServer) -> Iterator[TestClient]:
    """Two routes: one requires a token, one a scope."""
    verifier = Verifier(server.url, audience="reports", algorithms=["ES256"])
    app = FastAPI()

    @app.get("/me")
    def me(claims: Annotated[dict[str, Any], Depends(claims_of(verifier))]) -> str:
        return claims["sub"]

    @app.get("/reports")
    def reports(
        claims: Annotated[dict[str, Any], Depends(requires(verifier, "reports:read"))],
    ) -> str:
        return claims["sub"]

    with TestClient(app) as client:
        yield client
    verifier.stop()


def test_a_valid_token_gives_its_claims(service: TestClient, tokens: Tokens):
    answer = get(service, "/me", tokens.issue(audience="reports"))
    assert (answer.status_code, answer.json()) == (200, "usr_alice")


def test_a_revoked_token_is_invalid_token(
    service: TestClient, server: KeyServer, tokens: Tokens
) -> None:
    """With the error code of RFC 6750 §3.1."""
    publish_feed(server, tokens, gone=4_000_000_000)
    answer = get(service, "/me", tokens.issue(audience="reports", jti="gone"))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert get(service, "/me", tokens.issue(audience="reports")).status_code == 200


def test_while_the_feed_cannot_be_fetched_it_answers_503(
    service: TestClient, server: KeyServer, tokens: Tokens
) -> None:
    publish_feed(server, tokens)
    server.put(FEED, {}, status=500)
    answer = get(service, "/me", tokens.issue(audience="reports"))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


@rows("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "nonsense"])
def test_without_a_token_the_challenge_has_no_error(
    service: TestClient, tokens: Tokens, header: str | None
):
    """RFC 6750 §3."""
    answer = service.get("/me", headers={} if header is None else {"Authorization": header})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


BAD = {
    "another audience": lambda tokens: tokens.issue(audience="my-os"),
    "another issuer": lambda tokens: tokens.issue(audience="reports", iss="https://evil.example"),
    "expired": lambda tokens: tokens.issue(audience="reports", expires_in=-60),
    "unsigned": lambda tokens: unsigned(tokens.issue(audience="reports")),
    "nonsense": lambda tokens: "nonsense",
    "no text": lambda tokens: "a.ÿ.c",
}


@rows("bad", BAD)
def test_an_invalid_token_is_invalid_token(
    service: TestClient, tokens: Tokens, bad: Callable[[Tokens], str]
):
    answer = service.get(
        "/me", headers={"Authorization": f"Bearer {bad(tokens)}".encode("latin-1")}
    )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_a_token_of_a_new_key_is_accepted_at_once(
    service: TestClient, server: KeyServer, tokens: Tokens
):
    """Although the key set may be cached for five minutes."""
    assert get(service, "/me", tokens.issue(audience="reports")).status_code == 200
    newer = new_tokens(server)
    server.put(KEYS, newer.jwks, cache_control="max-age=300")
    assert get(service, "/me", newer.issue(audience="reports")).status_code == 200
    assert get(service, "/me", tokens.issue(audience="reports")).status_code == 401


def test_without_a_key_set_it_answers_with_retry_after(service: TestClient, server: KeyServer):
    answer = get(service, "/me", new_tokens(server).issue(audience="reports"))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": "openid reports:read"},
        {"scope": None, "scopes": ["reports:read", "reports:write"]},
    ],
)
def test_a_scope_in_either_claim_is_accepted(
    service: TestClient, tokens: Tokens, claims: dict[str, Any]
):
    token = tokens.issue(audience="reports", **claims)
    assert get(service, "/reports", token).status_code == 200


@rows(
    "claims",
    [
        {},
        {"scope": "reports", "scopes": ["reports:*"]},
        {"scope": "agent_os:admin", "scopes": ["agent_os:admin"]},
        {"scope": ["reports:read"], "scopes": "reports:read"},
        {"scope": "reports:reader", "scopes": [{"reports:read": True}, 7]},
    ],
)
def test_only_the_exact_scope_is_accepted(
    service: TestClient, tokens: Tokens, claims: dict[str, Any]
):
    answer = get(service, "/reports", tokens.issue(audience="reports", **claims))
    assert answer.status_code == 403
    challenge = answer.headers["www-authenticate"]
    assert challenge == 'Bearer error="insufficient_scope", scope="reports:read"'


def test_the_challenge_without_a_token_names_no_scope(service: TestClient, tokens: Tokens):
    answer = service.get("/reports")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_openapi_documents_the_bearer_token(service: TestClient):
    document = service.get("/openapi.json").json()
    ((name, scheme),) = document["components"]["securitySchemes"].items()
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    for path in ("/me", "/reports"):
        assert document["paths"][path]["get"]["security"] == [{name: []}]


def test_the_adapter_itself_does_not_import_fastapi():
    script = "import issuer.agentos, sys; print('fastapi' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def new_tokens(server: KeyServer) -> Tokens:
    """Tokens of a new key of the issuer `server`."""
    tokens = Tokens("ES256")
    tokens.issuer = server.url
    return tokens


def get(service: TestClient, path: str, token: str) -> httpx.Response:
    return service.get(path, headers={"Authorization": f"Bearer {token}"})


def publish_feed(server: KeyServer, tokens: Tokens, **jti: int) -> None:
    server.put_metadata(revocations_uri=server.url + FEED)
    now = int(time.time())
    claims = {"iss": server.url, "iat": now, "exp": now + 600}
    revoked = {"jti": jti, "sid": {}, "sub": {}, "client_id": {}, "aud": {}, "kid": []}
    server.put(FEED, tokens.sign({**claims, "revoked": revoked}, "revocations+jwt").encode())
