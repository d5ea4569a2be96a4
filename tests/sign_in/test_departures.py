"""How this issuer would notice that somebody left, in each interface."""

import httpx
import pytest

from tests.builders import Deployment
from tests.drivers import AdminApi, TokenDriver
from tests.sign_in.fake_provider import FakeProvider
from tests.sign_in.signals import VERIFICATION, Signaller
from tests.web.browsing import Browser
from tests.web.console.conftest import person


@pytest.fixture
def sender(deployment: Deployment) -> Signaller:
    return Signaller(FakeProvider.trusted(deployment))


@pytest.fixture
def alice_id(deployment: Deployment, sender: Signaller) -> str:
    user_id = deployment.user("alice")
    sender.provider.link(user_id)
    return user_id


@pytest.fixture
def api(deployment: Deployment, token_endpoint: TokenDriver) -> AdminApi:
    answer = token_endpoint.client_credentials(deployment.admin)
    return AdminApi(deployment.http, answer.token)


@pytest.fixture
def admin(deployment: Deployment) -> Browser:
    return person(deployment, "ada", ["issuer:admin"])


def noticed_by(api: AdminApi, user_id: str) -> list[dict[str, str | None]]:
    found: list[dict[str, str | None]] = api("GET", f"/users/{user_id}/state").json()["noticed_by"]
    return found


def test_it_is_not_noticed_before_the_provider_has_sent_anything(
    api: AdminApi, admin: Browser, alice_id: str
):
    assert noticed_by(api, alice_id) == []
    page = admin.get(f"/console/users/{alice_id}")
    assert "no other system has said so far that anybody left" in page.text
    assert (
        "Nothing has come from there so far" in admin.get("/console/trusted-issuers/company").text
    )


def test_what_the_provider_sent_about_anybody_shows_that_it_would_be_noticed(
    api: AdminApi, admin: Browser, sender: Signaller, alice_id: str
):
    sender.sends(sender.security_event(VERIFICATION))
    sender.logs_out(sender.logout_token(sub="somebody"))
    assert noticed_by(api, alice_id) == [
        {"way": "back-channel", "trusted_issuer": "company", "last": "2026-11-25"},
        {"way": "security-events", "trusted_issuer": "company", "last": "2026-11-25"},
    ]
    page = admin.get(f"/console/users/{alice_id}")
    assert "back channel of company, last on 2026-11-25" in page.text
    assert "Security events, last on" in admin.get("/console/trusted-issuers/company").text


def test_a_forged_signal_shows_nothing(api: AdminApi, sender: Signaller, alice_id: str):
    sender.frames(iss=sender.provider.other.issuer, sid="guessed")
    sender.sends(sender.security_event(aud="other"))
    assert noticed_by(api, alice_id) == []


def test_scim_notices_whom_it_provisioned(api: AdminApi, deployment: Deployment, alice_id: str):
    with deployment.changing() as work:
        known = work.provisioned_users.get(alice_id)
        work.provisioned_users.provision(alice_id, known.model_copy(update={"scim": {}}))
    assert noticed_by(api, alice_id)[0]["way"] == "scim"


def test_the_api_says_what_to_enter_at_a_provider_of_people_alone(
    api: AdminApi, deployment: Deployment, sender: Signaller
):
    assert api("GET", "/trusted-issuers/company/registration").json() == {
        "redirect_uri": "https://id.example/sign-in/callback/company",
        "post_logout_redirect_uri": "https://id.example/sign-out",
        "backchannel_logout_uri": "https://id.example/oauth2/backchannel-logout",
        "frontchannel_logout_uri": "https://id.example/oauth2/frontchannel-logout",
        "security_events_uri": "https://id.example/oauth2/security-events",
        "global_token_revocation_uri": "https://id.example/oauth2/global-token-revocation",
        "last_signals": {},
    }
    sender.sends(sender.security_event(VERIFICATION))
    now = api("GET", "/trusted-issuers/company/registration").json()
    assert now["last_signals"] == {"security-events": "2026-11-25"}
    assert api("GET", "/trusted-issuers/nobody/registration").status_code == httpx.codes.NOT_FOUND
