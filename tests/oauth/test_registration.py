"""Dynamic client registration (RFC 7591), and what such clients can never do."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from issuer.clients.client import ClientFields
from issuer.clients.client_metadata import read_client_metadata
from issuer.clients.registrations import NEW_FOR, UNUSED_FOR, Registrations
from issuer.errors import Unavailable
from issuer.roles import Assignment
from tests.builders import URL, Credentials, Deployment
from tests.drivers import TokenDriver
from tests.oauth.refreshing import events
from tests.rows import rows
from tests.sign_in.authorizing import CALLBACK, GRANTS, App, Person, sign_in
from tests.sign_in.fixtures import SCOPES, alice

__all__ = ["alice"]

BODY = {"redirect_uris": [CALLBACK]}
OPEN = {"client_registration": "open"}
TOKEN = {"client_registration": "token"}
LOCAL = "http://localhost:3030/callback"

is_open = pytest.mark.parametrize("more_settings", [OPEN], ids=["open"])
needs_token = pytest.mark.parametrize("more_settings", [TOKEN], ids=["token"])


def register(deployment: Deployment, **request: Any) -> httpx.Response:
    return deployment.http.post("/oauth2/register", **{"json": BODY, **request})


def registered(deployment: Deployment, **members: Any) -> dict[str, Any]:
    answer = register(deployment, json={**BODY, **members})
    assert answer.status_code == 201, answer.text
    return answer.json()


def app_of(answer: dict[str, Any], token_endpoint: TokenDriver) -> App:
    return App(token_endpoint, Credentials(answer["client_id"], answer.get("client_secret", "")))


def test_it_is_off_by_default(deployment: Deployment):
    assert register(deployment).status_code == 404
    metadata = deployment.http.get("/.well-known/oauth-authorization-server").json()
    assert "registration_endpoint" not in metadata


@is_open
def test_the_answer_says_what_was_registered(deployment: Deployment):
    """RFC 7591 §3.2.1. No member is null, which clients refuse."""
    metadata = deployment.http.get("/.well-known/oauth-authorization-server").json()
    assert metadata["registration_endpoint"] == f"{URL}/oauth2/register"
    answer = register(deployment, json={**BODY, "client_name": "App", "scope": "agents:run"})
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"
    members = answer.json()
    assert members.pop("client_id").startswith("client_")
    assert members.pop("client_secret").startswith("ais_")
    assert members == {
        "client_id_issued_at": int(deployment.clock().timestamp()),
        "client_secret_expires_at": 0,
        "token_endpoint_auth_method": "client_secret_basic",
        "client_name": "App",
        "redirect_uris": [CALLBACK],
        "grant_types": GRANTS,
        "response_types": ["code"],
    }


@is_open
def test_a_public_client_gets_no_secret(deployment: Deployment):
    answer = registered(deployment, token_endpoint_auth_method="none")
    assert "client_secret" not in answer
    assert "client_secret_expires_at" not in answer


@is_open
@rows(
    "body",
    {
        "mcp": {
            "redirect_uris": [LOCAL],
            "grant_types": GRANTS,
            "response_types": ["code"],
            "application_type": "native",
            "client_name": "Python SDK",
        },
        "fastmcp": {
            "redirect_uris": ["http://localhost:53219/callback"],
            "token_endpoint_auth_method": "none",
            "client_name": "FastMCP Client",
            "scope": "",
        },
        "mcp-remote": {
            "redirect_uris": ["http://localhost:3334/oauth/callback"],
            "token_endpoint_auth_method": "none",
            "grant_types": GRANTS,
            "response_types": ["code"],
            "client_name": "mcp-remote",
            "client_uri": "https://github.com/geelen/mcp-remote",
            "software_id": "2e6dc280-f3c3-4e01-99a7-8181dbd1d23d",
            "software_version": "0.15.1",
            "application_type": "native",
            "scope": "openid email profile",
        },
        "vscode": {
            "redirect_uris": [
                "https://insiders.vscode.dev/redirect",
                "https://vscode.dev/redirect",
                "http://127.0.0.1/",
                "http://127.0.0.1:33418/",
            ],
            "grant_types": [*GRANTS, "urn:ietf:params:oauth:grant-type:device_code"],
            "token_endpoint_auth_method": "none",
            "client_name": "Visual Studio Code",
        },
        "cursor": {
            "redirect_uris": [
                "cursor://anysphere.cursor-mcp/oauth/callback",
                "https://www.cursor.com/agents/mcp/oauth/callback",
                "http://localhost:8787/callback",
            ],
            "client_name": "Cursor",
            "token_endpoint_auth_method": "client_secret_post",
            "logo_uri": None,
            "contacts": [],
            "jwks": None,
        },
        "claude": {
            "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
            "client_name": "Claude",
            "scope": None,
            "grant_types": GRANTS,
        },
    },
)
def test_the_bodies_of_mcp_clients_are_accepted(deployment: Deployment, body: dict[str, Any]):
    """Members that mean nothing here are ignored (RFC 7591 §2); null counts as left out."""
    answer = registered(deployment, **body)
    assert answer["redirect_uris"] == body["redirect_uris"]
    assert set(answer["grant_types"]) == set(GRANTS)
    method = body.get("token_endpoint_auth_method", "client_secret_basic")
    assert answer["token_endpoint_auth_method"] == method
    assert ("client_secret" in answer) == (method != "none")
    assert "scope" not in answer
    assert None not in answer.values()


@is_open
@rows(
    ("members", "error"),
    [
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": None}, "invalid_redirect_uri"),
        ({"redirect_uris": CALLBACK}, "invalid_redirect_uri"),
        ({"redirect_uris": [1]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://app.example/"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["ms-settings:callback"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [CALLBACK, "myapp://callback"]}, "invalid_redirect_uri"),
        (
            {"redirect_uris": [f"{CALLBACK}/{n}" for n in range(51)]},
            "invalid_redirect_uri",
        ),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"grant_types": ["password", "refresh_token"]}, "invalid_client_metadata"),
        ({"grant_types": "authorization_code"}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": 1}, "invalid_client_metadata"),
        ({"client_name": "a" * 256}, "invalid_client_metadata"),
        ({"client_name": "\u0000"}, "invalid_client_metadata"),
        ({"post_logout_redirect_uris": ["data:,x"]}, "invalid_client_metadata"),
    ],
)
def test_wrong_metadata_is_refused(deployment: Deployment, members: dict[str, Any], error: str):
    """RFC 7591 §3.2.2."""
    answer = register(deployment, json={**BODY, **members})
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"]


@is_open
def test_the_refusal_of_a_scheme_names_those_without_a_dot(deployment: Deployment):
    answer = register(deployment, json={**BODY, "redirect_uris": ["myapp://callback"]}).json()
    assert "or one of antigravity, claude, cursor" in answer["error_description"]


@is_open
@rows(
    ("request_", "status"),
    {
        "array": ({"json": []}, 400),
        "malformed": (
            {"json": None, "content": b"{", "headers": {"content-type": "application/json"}},
            400,
        ),
        "form": ({"json": None, "data": {"redirect_uris": CALLBACK}}, 400),
        "large": ({"json": {**BODY, "client_name": "a" * 20_000}}, 413),
        "deep": (
            {
                "json": None,
                "content": b"[" * 16_000,
                "headers": {"content-type": "application/json"},
            },
            400,
        ),
    },
)
def test_a_body_that_is_no_metadata_is_refused(
    deployment: Deployment, request_: dict[str, Any], status: int
):
    answer = register(deployment, **request_)
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_client_metadata")


@needs_token
def test_an_initial_access_token_allows_to_register_and_nothing_else(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """RFC 7591 §3."""
    desk = deployment.client("desk", scopes=["issuer:clients:register"], audiences=[URL])
    bearer = {"Authorization": f"Bearer {token_endpoint.client_credentials(desk).token}"}
    assert register(deployment, headers=bearer).status_code == 201
    (event,) = events(deployment, "client.registered")
    assert event.actor == "desk"
    for path in ("clients", "audiences", "scopes", "audit-events", "keys"):
        assert deployment.http.get(f"/admin/v1/{path}", headers=bearer).status_code == 403
    body = {"client_id": "other"}
    answer = deployment.http.post("/admin/v1/clients", json=body, headers=bearer)
    assert answer.status_code == 403


@needs_token
def test_without_the_right_token_nobody_registers(
    deployment: Deployment, token_endpoint: TokenDriver
):
    writer = deployment.client(scopes=["issuer:clients:write"], audiences=[URL])
    runner = deployment.client(scopes=["agents:run"])
    for headers, status, error in [
        ({}, 401, "invalid_token"),
        ({"Authorization": "Bearer x"}, 401, "invalid_token"),
        ({"Authorization": "Basic eDp5"}, 401, "invalid_token"),
        (bearer_of(token_endpoint, runner), 401, "invalid_token"),
        (bearer_of(token_endpoint, writer), 403, "insufficient_scope"),
    ]:
        answer = register(deployment, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (status, error)
        assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert events(deployment, "client.registered") == []


def bearer_of(token_endpoint: TokenDriver, client: Credentials) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_endpoint.client_credentials(client).token}"}


@is_open
@pytest.mark.parametrize("method", ["none", "client_secret_basic"])
def test_a_person_signs_in_through_a_client_that_registered_itself(
    deployment: Deployment, token_endpoint: TokenDriver, alice: Person, method: str
):
    """With all that she holds there, after she allowed it."""
    app = app_of(registered(deployment, token_endpoint_auth_method=method), token_endpoint)
    answer = alice.signs_in_to(app, audience="my-os")
    assert answer.scope == set(SCOPES)
    assert app.refresh(answer.refresh_token).status == 200


@is_open
def test_it_gets_no_token_without_a_person(
    deployment: Deployment, token_endpoint: TokenDriver, alice: Person
):
    answer = registered(
        deployment,
        grant_types=[*GRANTS, "client_credentials", "password"],
        scope="agent_os:admin issuer:admin",
        scopes=["agent_os:admin"],
        audiences=[URL, "my-os"],
        first_party=True,
        user_rights="own",
        registered_by="admin",
    )
    app = app_of(answer, token_endpoint)
    credentials = app.client
    for audience in ("my-os", URL):
        refused = token_endpoint.client_credentials(credentials, audience=audience)
        assert refused.error == "unauthorized_client"
    assert token_endpoint.password(credentials, "alice").error == "unauthorized_client"
    record = deployment.services.tokens.directory.load_client(credentials.client_id)
    assert record is not None
    assert (record.rights.direct, record.rights.roles) == (frozenset(), ())
    assert (record.first_party, record.is_self_registered) == (False, True)
    assert URL not in record.audiences
    assert token_endpoint.introspect(credentials, "unknown") == {"active": False}


@is_open
def test_an_admin_cannot_be_led_to_give_it_a_token_for_the_issuer(
    deployment: Deployment, token_endpoint: TokenDriver, alice: Person
):
    """Clients that came by themselves may name any audience but the issuer's own."""
    deployment.role("administrator", ["issuer:admin"])
    with deployment.changing() as work:
        work.assignments.assign(alice.user_id, Assignment(role="administrator"))
    alice = sign_in(deployment, alice.user_id)  # the promotion ended the session before
    app = app_of(registered(deployment), token_endpoint)
    for named in ("audience", "resource"):
        answer = alice.visits(app, **{named: URL})
        assert "code=" not in answer.headers.get("location", "")
    claims = token_endpoint.claims(alice.signs_in_to(app))
    assert (claims["aud"], claims["scopes"]) == ("my-os", SCOPES)


@is_open
def test_a_flood_from_one_address_is_refused(deployment: Deployment):
    statuses = [register(deployment).status_code for _ in range(30)]
    assert statuses == [201] * 20 + [429] * 10
    refused = register(deployment)
    assert refused.headers["retry-after"].isdecimal()
    deployment.wait(timedelta(minutes=1))
    assert register(deployment).status_code == 201


@is_open
def test_wrong_metadata_counts_as_well(deployment: Deployment):
    for _ in range(20):
        assert register(deployment, json={}).status_code == 400
    assert register(deployment).status_code == 429


def test_a_flood_takes_only_places_of_clients_that_were_never_used(deployment: Deployment):
    def register_one() -> str:
        with deployment.changing() as work:
            registrations = Registrations(
                work.clients._store.session, work.clients, deployment.clock, most=3
            )
            return registrations.register(fields()).client_id

    used, unused, third = (register_one() for _ in range(3))
    with pytest.raises(Unavailable):
        register_one()
    note_use(deployment, used)
    deployment.clock.move(NEW_FOR + timedelta(seconds=1))
    register_one()
    with deployment.changing() as work:
        assert work.clients.exists(used)
        assert not work.clients.exists(unused)
        assert not work.clients.exists(third)


def test_a_client_that_only_sends_its_id_is_not_used(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """Else a flood would keep the places of its clients."""
    with deployment.changing() as work:
        public = read_client_metadata({**BODY, "token_endpoint_auth_method": "none"})
        client_id = work.registrations.register(public).client_id
    form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": "none"}
    assert token_endpoint.post(data=form).error == "invalid_grant"
    deployment.services.tokens.last_use.write()
    with deployment.changing() as work:
        never_used = work.clients._store.never_used(deployment.clock() + NEW_FOR, 10)
    assert never_used == [client_id]


def test_a_client_that_is_not_used_for_90_days_is_deleted(deployment: Deployment):
    with deployment.changing() as work:
        used, unused = (work.registrations.register(fields()).client_id for _ in range(2))
    deployment.client("admins-own")
    deployment.clock.move(UNUSED_FOR - timedelta(seconds=1))
    note_use(deployment, used)
    administration = deployment.services.administration
    administration.delete_unused_clients()
    with administration.reading() as work:
        assert work.clients.exists(unused)
    deployment.clock.move(timedelta(seconds=2))
    administration.delete_unused_clients()
    with administration.reading() as work:
        assert [work.clients.exists(each) for each in (used, unused, "admins-own")] == [
            True,
            False,
            True,
        ]
    deployment.clock.move(UNUSED_FOR)
    administration.delete_unused_clients()
    with administration.reading() as work:
        assert not work.clients.exists(used)
        assert work.clients.exists("admins-own")


def fields() -> ClientFields:
    return read_client_metadata(BODY)


def note_use(deployment: Deployment, client_id: str) -> None:
    """As the token endpoint does when the client got a token."""
    tokens = deployment.services.tokens
    client = tokens.directory.load_client(client_id)
    assert client is not None
    tokens.last_use.note_token(client, deployment.clock())
    tokens.last_use.write()
