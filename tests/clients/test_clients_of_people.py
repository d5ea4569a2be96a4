"""Clients through which people sign in: redirect URIs, and clients without a secret."""

import pytest

from issuer.clients.client import SecretFields
from issuer.errors import AlreadyExists, Forbidden, InvalidField, NotAllowed
from tests.builders import OPERATOR, URL, Credentials, Deployment
from tests.drivers import TokenDriver
from tests.rows import rows

CALLBACK = "https://app.example/callback"
FOR_PEOPLE = ["authorization_code", "refresh_token"]


def test_the_authorization_code_grant_needs_a_redirect_uri(deployment: Deployment):
    with pytest.raises(InvalidField, match="redirect_uris"):
        deployment.client(grant_types=["authorization_code"])
    deployment.client(grant_types=["authorization_code"], redirect_uris=[CALLBACK])


def test_a_public_client_has_no_secret(deployment: Deployment):
    app = deployment.client(
        token_endpoint_auth_method="none", grant_types=FOR_PEOPLE, redirect_uris=[CALLBACK]
    )
    assert app.client_secret == ""
    with deployment.changing() as work:
        assert work.clients.secrets(app.client_id) == []
    with pytest.raises(NotAllowed, match="without a secret"), deployment.changing() as work:
        work.clients.add_secret(app.client_id, SecretFields())


@rows("grant", ["client_credentials", "password"])
def test_a_public_client_acts_only_for_people_who_signed_in_at_the_issuer(
    deployment: Deployment, grant: str
):
    """RFC 6749 §4.4: the client credentials grant is for confidential clients only."""
    with pytest.raises(InvalidField, match="token_endpoint_auth_method"):
        deployment.client(
            token_endpoint_auth_method="none",
            grant_types=[*FOR_PEOPLE, grant],
            redirect_uris=[CALLBACK],
        )


def test_a_client_that_becomes_public_loses_its_secrets_for_good(
    deployment: Deployment, token_endpoint: TokenDriver
):
    app = deployment.client("app", redirect_uris=[CALLBACK])
    public = {"token_endpoint_auth_method": "none", "grant_types": FOR_PEOPLE}
    confidential = {
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["client_credentials"],
    }
    with deployment.changing() as work:
        work.clients.update("app", public)
        work.clients.update("app", confidential)
    deployment.services.tokens.changes.poll()
    assert token_endpoint.client_credentials(app).error == "invalid_client"


@rows("member", ["redirect_uris", "post_logout_redirect_uris"])
@rows("uri", ["javascript:alert(1)", "http://app.example/", CALLBACK + "#x"])
def test_a_redirect_uri_that_could_leak_a_code_is_refused(
    deployment: Deployment, member: str, uri: str
):
    with pytest.raises(InvalidField, match=member):
        deployment.client(**{member: [CALLBACK, uri]})


def test_no_client_has_the_id_of_an_audience(deployment: Deployment):
    """An ID token names its client as `aud`: it must not pass for an access token."""
    deployment.audience("https://os.example/mcp")
    deployment.client("app")
    for taken in ("my-os", "https://os.example/mcp", URL):
        with pytest.raises(AlreadyExists):
            deployment.client(taken)
    with pytest.raises(AlreadyExists):
        deployment.audience("app")


def test_the_record_of_a_client_has_what_a_sign_in_needs(deployment: Deployment):
    deployment.client(
        "app",
        grant_types=["authorization_code"],
        redirect_uris=[CALLBACK],
        post_logout_redirect_uris=["https://app.example/"],
        first_party=True,
        user_rights="all",
        name="App",
    )
    record = deployment.services.tokens.directory.load_client("app")
    assert record is not None
    assert (record.redirect_uris, record.post_logout_redirect_uris) == (
        (CALLBACK,),
        ("https://app.example/",),
    )
    assert (record.name, record.first_party, record.user_rights) == ("App", True, "all")
    assert (record.registered_by, record.is_self_registered) == ("admin", False)


def test_a_user_who_signs_in_by_a_code_can_be_the_last_admin(deployment: Deployment):
    deployment.role("administrator", ["issuer:admin"])
    deployment.user("alice", roles=["administrator"])
    deployment.client(
        "console",
        audiences=[URL],
        token_endpoint_auth_method="none",
        grant_types=FOR_PEOPLE,
        redirect_uris=[CALLBACK],
        user_rights="all",
    )
    with deployment.changing() as work:
        work.clients.delete(deployment.admin.client_id)
    for patch in ({"disabled": True}, {"user_rights": "own"}, {"audiences": []}):
        with pytest.raises(NotAllowed, match="last holder"), deployment.changing() as work:
            work.clients.update("console", patch)


PUBLIC = {
    "token_endpoint_auth_method": "none",
    "grant_types": FOR_PEOPLE,
    "redirect_uris": [CALLBACK],
}


@pytest.fixture
def console(deployment: Deployment) -> Credentials:
    return deployment.client("console", audiences=[URL], **PUBLIC)


@rows(
    "patch",
    [
        {"redirect_uris": ["https://evil.example/"]},
        {"first_party": True},
        {"user_rights": "all"},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"name": "Console"},
    ],
)
def test_only_admins_change_a_client_through_which_people_reach_the_issuer(
    deployment: Deployment, console: Credentials, patch: dict[str, object]
):
    """A redirect URI of one's own would receive the codes of admins."""
    editor = deployment.client(audiences=["my-os"], **PUBLIC).client_id
    administration = deployment.services.administration
    held = ["issuer:clients:write"]
    with administration.changing(OPERATOR, held) as work:
        work.clients.update(editor, patch)
    with pytest.raises(Forbidden), administration.changing(OPERATOR, held) as work:
        work.clients.update(console.client_id, patch)
    with pytest.raises(Forbidden), administration.changing(OPERATOR, held) as work:
        work.clients.update(editor, {"audiences": [URL]})
    with pytest.raises(Forbidden), administration.changing(OPERATOR, held) as work:
        work.clients.delete(console.client_id)
