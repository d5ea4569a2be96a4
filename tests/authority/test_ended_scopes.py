"""A client's own scope at the issuer protects it until it is deleted, also after its end."""

from datetime import timedelta

import pytest

from issuer.audit import Actor
from issuer.clients.client import SecretFields
from issuer.errors import Forbidden
from issuer.scopes import ISSUER_ADMIN, ISSUER_SCOPES
from tests.builders import URL, Deployment

HELPDESK, MINUTE = Actor("helpdesk"), timedelta(minutes=1)


@pytest.fixture
def ended(deployment: Deployment) -> str:
    """It held a right at the issuer for a minute, which has ended a moment ago."""
    at = deployment.clock() + MINUTE
    deployment.client(
        "ci", scopes=["issuer:keys:read"], scopes_expire_at={"issuer:keys:read": at.isoformat()}
    )
    deployment.clock.move(MINUTE)
    return "ci"


def test_others_cannot_give_it_a_secret_before_the_ended_right_is_deleted(
    deployment: Deployment, ended: str
):
    """Whoever gives the right back in between would not be told of the secret."""
    administration = deployment.services.administration
    held = ISSUER_SCOPES - {ISSUER_ADMIN}
    with pytest.raises(Forbidden), administration.changing(HELPDESK, held=held) as work:
        work.clients.add_secret(ended, SecretFields())
    with pytest.raises(Forbidden), administration.changing(HELPDESK, held=held) as work:
        work.clients.update(ended, {"name": "mine"})
    administration.delete_expired_rights()
    with administration.changing(HELPDESK, held=held) as work:
        work.clients.add_secret(ended, SecretFields())


def test_an_administrator_changes_it_in_between(deployment: Deployment, ended: str):
    with deployment.changing() as work:
        client = work.clients.update(ended, {"audiences": ["my-os", URL]})
    assert client.scopes == []
