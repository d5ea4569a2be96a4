"""People sign in with dex, as docs/how-to/sign-in-with-other-accounts.md has it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from issuer.trusted_issuers import TrustedIssuerFields
from issuer.users import User
from tests.journeys.dex import COMPANY, CompanyDex, running_dex
from tests.journeys.running_issuer import RunningIssuer
from tests.oauth.refreshing import events

pytestmark = pytest.mark.slow
WITH_GROUPS = ["openid", "profile", "email", "groups"]


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path) as issuer:
        issuer.deployment.role("runner", ["agents:run"])
        yield issuer


@pytest.fixture
def alg() -> str:
    """What dex signs with, which is found by discovery."""
    return "RS256"


@pytest.fixture
def dex(issuer: RunningIssuer, tmp_path: Path, alg: str) -> Iterator[CompanyDex]:
    with running_dex(tmp_path, issuer.url, alg) as dex:
        yield dex


def trust(issuer: RunningIssuer, dex: CompanyDex, **sign_in: Any) -> None:
    roles = [{"group": "staff", "role": "runner", "audience": "my-os"}]
    client = {"client_id": "agentos-issuer", "client_secret": dex.client_secret}
    members = {
        "id": COMPANY,
        "issuer": dex.issuer,
        "keys": {"discovery": True},
        "kinds": ["people"],
        "allow_private_addresses": True,
        "sign_in": {
            **client,
            "groups_claim": "groups",
            "roles": roles,
            "provision": True,
            **sign_in,
        },
    }
    with issuer.deployment.changing() as work:
        work.trusted_issuers.create(TrustedIssuerFields.read(members))


def person(issuer: RunningIssuer) -> tuple[User, list[str]]:
    """The user, and the groups that count."""
    with issuer.deployment.services.administration.reading() as work:
        user = work.users.get_by_username("grace")
        (identity,) = work.identities.of_user(user.id)
    return user, identity.groups


def reason(issuer: RunningIssuer) -> object:
    return events(issuer.deployment, "session.began")[-1].details.get("reason")


def test_without_the_scope_groups_the_person_has_no_roles_and_the_audit_log_says_why(
    issuer: RunningIssuer, dex: CompanyDex
):
    trust(issuer, dex)
    dex.sign_in(issuer, ["staff"])
    assert person(issuer)[1] == []
    assert reason(issuer) == "the answer had no claim groups"


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_name_address_and_groups_are_those_of_the_last_sign_in(
    issuer: RunningIssuer, dex: CompanyDex
):
    trust(issuer, dex, scopes=WITH_GROUPS)
    dex.sign_in(issuer, ["staff", "others"])
    user, groups = person(issuer)
    assert (user.name, user.email, user.email_verified) == ("Grace", "grace@company.example", True)
    assert (groups, reason(issuer)) == (["staff"], None)
    dex.sign_in(issuer, ["others"], name="Grace Hopper", email="hopper@company.example")
    changed, groups = person(issuer)
    assert (changed.id, changed.name) == (user.id, "Grace Hopper")
    assert (changed.email, changed.email_verified) == ("hopper@company.example", True)
    assert groups == []
    lost = events(issuer.deployment, "identity.groups_changed")[-1].details
    assert (lost["lost"], lost["access_tokens_revoked"]) == (["staff"], True)
