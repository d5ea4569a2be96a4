"""Metadata, OpenAPI description and probes."""

from datetime import timedelta

import httpx
import pytest
from openapi_spec_validator import validate
from sqlalchemy import event
from starlette.testclient import TestClient

from issuer.composition import compose
from issuer.server.app import create_app
from issuer.settings import Settings
from tests.builders import Deployment, FakeClock, initialised

METADATA = "/.well-known/oauth-authorization-server"
METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt"]


def test_the_metadata_names_the_registered_grants_and_endpoints(shared: Deployment):
    """RFC 8414 §2. Those of OpenID Connect are in tests/oauth/test_openid.py."""
    document = shared.http.get(METADATA).json()
    expected = {
        "issuer": "https://id.example",
        "token_endpoint": "https://id.example/oauth2/token",
        "jwks_uri": "https://id.example/.well-known/jwks.json",
        "revocations_uri": "https://id.example/.well-known/revocations",
        "grant_types_supported": [
            "client_credentials",
            "authorization_code",
            "urn:ietf:params:oauth:grant-type:device_code",
            "password",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
        ],
        "authorization_grant_profiles_supported": ["urn:ietf:params:oauth:grant-profile:id-jag"],
        "token_endpoint_auth_methods_supported": [*METHODS, "none"],
        "revocation_endpoint": "https://id.example/oauth2/revoke",
        "revocation_endpoint_auth_methods_supported": [*METHODS, "none"],
        "introspection_endpoint": "https://id.example/oauth2/introspect",
        "introspection_endpoint_auth_methods_supported": METHODS,
        "response_types_supported": ["code"],
        "service_documentation": "https://id.example/docs",
    }
    assert {name: document[name] for name in expected} == expected


def test_openid_connect_discovery_serves_the_metadata_too(shared: Deployment):
    oidc = shared.http.get("/.well-known/openid-configuration")
    assert oidc.json() == shared.http.get(METADATA).json()
    assert oidc.headers["content-type"] == "application/json"
    again = shared.http.get(METADATA, headers={"If-None-Match": oidc.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("more_settings", [{"url": "https://host.example/id/one"}])
def test_all_endpoints_are_under_the_path_of_the_issuer(deployment: Deployment):
    """RFC 8414 §3.1 for the metadata; every endpoint under the path."""
    host = "https://host.example"
    for path in (
        "/.well-known/oauth-authorization-server/id/one",
        "/.well-known/openid-configuration/id/one",
        "/id/one/.well-known/openid-configuration",
    ):
        metadata = deployment.http.get(host + path).json()
        assert metadata["issuer"] == "https://host.example/id/one"
    for endpoint in (metadata["jwks_uri"], "https://host.example/id/one/readyz"):
        assert deployment.http.get(endpoint).status_code == 200
    assert deployment.http.get(host + "/.well-known/jwks.json").status_code == 404
    client = deployment.client()
    answer = deployment.http.post(
        metadata["token_endpoint"],
        data={"grant_type": "client_credentials"},
        auth=(client.client_id, client.client_secret),
    )
    assert answer.status_code == 200


def test_the_description_is_valid_openapi_and_names_every_endpoint(shared: Deployment):
    schema = shared.http.get("/openapi.json").json()
    validate(schema)
    assert schema["openapi"].startswith("3.1")
    for path in ("authorize", "token", "userinfo", "logout", "revoke", "introspect"):
        assert f"/oauth2/{path}" in schema["paths"]
    assert {"/.well-known/jwks.json", METADATA} <= schema["paths"].keys()
    assert shared.http.get("/openapi.json").json() == schema


def test_the_description_is_rendered_once(settings: Settings):
    """Rendering takes longer than issuing a token, and needs no authentication."""
    initialised(settings, FakeClock())
    app = create_app(compose(settings))
    with TestClient(app, base_url=settings.url) as http:
        described = http.get("/openapi.json").content
        app.rest.app().openapi_schema = {"openapi": "none"}
        assert http.get("/openapi.json").content == described


def test_the_documentation_page_loads_nothing_from_other_hosts(shared: Deployment):
    answer = shared.http.get("/docs")
    assert "https://" not in answer.text.replace("https://id.example", "")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in answer.text
    assert shared.http.get("/docs-assets/swagger-ui-bundle.js").status_code == 200


@pytest.mark.parametrize("more_settings", [{"url": "https://host.example/auth"}])
def test_only_metadata_is_outside_the_path_of_the_issuer(deployment: Deployment):
    assert deployment.http.get("/docs").status_code == 200
    assert deployment.http.get("https://host.example/docs").status_code == 404


@pytest.mark.parametrize("more_settings", [{"api_docs": "false"}])
def test_the_documentation_page_can_be_turned_off(http: httpx.Client):
    for path in ("/docs", "/docs-assets/swagger-ui-bundle.js"):
        assert http.get(path).status_code == 404
    assert "service_documentation" not in http.get(METADATA).json()
    assert "/docs" not in http.get("/").text
    assert http.get("/openapi.json").status_code == 200


HSTS = "strict-transport-security"


@pytest.mark.parametrize("more_settings", [{"hsts_max_age": "365d"}])
def test_https_is_required_of_browsers_by_a_setting(http: httpx.Client):
    """RFC 6797: in every answer, also of the token endpoint and in errors."""
    for path in ("/", "/oauth2/token", "/admin/v1/roles", "/.well-known/jwks.json", "/nowhere"):
        assert http.get(path).headers[HSTS] == "max-age=31536000"


def test_https_is_not_required_of_browsers_by_default(shared: Deployment):
    assert HSTS not in shared.http.get("/").headers


@pytest.mark.parametrize(
    "more_settings", [{"hsts_max_age": "365d", "url": "http://127.0.0.1:9000"}]
)
def test_https_is_not_required_where_the_issuer_has_none(http: httpx.Client):
    """RFC 6797 §7.2."""
    assert HSTS not in http.get("/").headers


def test_a_working_server_is_live_and_ready(shared: Deployment):
    assert shared.http.get("/healthz").json() == {"status": "ok"}
    assert shared.http.get("/readyz").json() == {"status": "ready"}


def test_not_ready_with_a_schema_that_needs_a_newer_version(deployment: Deployment):
    with deployment.services.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'future'")
        connection.exec_driver_sql("UPDATE schema_compatibility SET oldest_revision = 'future'")
    answer = deployment.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "not ready"})
    assert deployment.http.get("/healthz").status_code == 200


def test_not_ready_without_the_master_key(deployment: Deployment):
    (deployment.services.settings.data_dir / "master.key").unlink()
    assert deployment.http.get("/readyz").status_code == 503


def test_a_flood_of_probes_is_one_write(deployment: Deployment):
    """So that no caller can load the database; a second later the next probe checks again."""
    writes: list[str] = []

    @event.listens_for(deployment.services.database.engine, "before_cursor_execute")
    def count(_connection, _cursor, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE deployment"):
            writes.append(statement)

    for _ in range(20):
        assert deployment.http.get("/readyz").status_code == 200
    assert len(writes) == 1
    deployment.clock.move(timedelta(seconds=1))
    assert deployment.http.get("/readyz").status_code == 200
    assert len(writes) == 2
