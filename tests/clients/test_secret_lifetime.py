"""The lifetime of client secrets that the settings say."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from issuer.clients.client import SecretFields
from issuer.clients.clients import LASTING
from issuer.errors import ConfigurationError, NotAllowed
from issuer.provisioning.setup import recover_admin
from issuer.vocabulary import ADMIN_CLIENT
from tests.builders import OPERATOR, Deployment, settings_for
from tests.drivers import TokenDriver

NINETY_DAYS = [{"client_secret_ttl": "90d"}]
END = datetime.fromisoformat("2027-02-23T12:00:00Z")


def ends(deployment: Deployment, client_id: str) -> list[datetime | None]:
    with deployment.services.administration.reading() as work:
        return [each.expires_at for each in work.clients.secrets(client_id)]


@pytest.mark.parametrize("more_settings", NINETY_DAYS)
def test_a_secret_without_an_end_gets_one_from_the_setting(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client("ci")
    deployment.secret(client)
    deployment.secret(client, expires_at="2026-12-01T00:00:00Z")
    deployment.secret(client, expires_at=None)
    one_day = datetime.fromisoformat("2026-12-01T00:00:00Z")
    assert sorted(ends(deployment, "ci"), key=str) == [one_day, END, END, None]
    with deployment.changing() as work:
        work.rotations.start("ci")
    assert ends(deployment, "ci").count(END) == 3
    deployment.wait(timedelta(days=90))
    assert token_endpoint.client_credentials(client).error == "invalid_client"


@pytest.mark.parametrize("more_settings", NINETY_DAYS)
def test_the_issuer_can_always_be_administered(deployment: Deployment):
    """By the secret of `init`, and by that of `admin recover`."""
    assert ends(deployment, ADMIN_CLIENT) == [None]
    with (
        pytest.raises(NotAllowed, match="a secret that does not expire"),
        deployment.changing() as w,
    ):
        w.clients.add_secret(ADMIN_CLIENT, SecretFields())
        (first,) = (e for e in w.clients.secrets(ADMIN_CLIENT) if e.expires_at is None)
        w.clients.delete_secret(ADMIN_CLIENT, first.id)
    recover_admin(deployment.services.settings, OPERATOR)
    assert ends(deployment, ADMIN_CLIENT) == [None]


@pytest.mark.parametrize(
    "more_settings", [{"client_secret_ttl": "90d", "client_registration": "open"}]
)
def test_clients_that_register_themselves_keep_their_secret(deployment: Deployment):
    """They cannot get another, and are deleted when they are not used."""
    body = {"redirect_uris": ["https://app.example/cb"]}
    made = deployment.http.post("/oauth2/register", json=body).json()
    assert made["client_secret_expires_at"] == 0
    assert ends(deployment, made["client_id"]) == [None]


def test_without_the_setting_secrets_do_not_expire(deployment: Deployment):
    deployment.secret(deployment.client("ci"))
    assert ends(deployment, "ci") == [None, None]
    assert LASTING.expires_at is None


def test_the_setting_is_an_hour_at_least_or_off(tmp_path: Path):
    assert settings_for(tmp_path, client_secret_ttl="off").client_secret_ttl is None
    assert settings_for(tmp_path, client_secret_ttl="1h").client_secret_ttl == timedelta(hours=1)
    for wrong in ("59m", "never", "0"):
        with pytest.raises(ConfigurationError, match="ISSUER_CLIENT_SECRET_TTL"):
            settings_for(tmp_path, client_secret_ttl=wrong)
