"""Which audiences and trusted issuers only admins may change, by who uses them."""

from collections.abc import Callable

import pytest

from issuer.audit import Actor
from issuer.errors import Forbidden
from issuer.roles import Assignment
from issuer.scopes import ISSUER_ADMIN, ISSUER_SCOPES
from tests.builders import URL, Deployment
from tests.trusting import OtherIssuer, trust, trusted

ALL_BUT_ADMIN = ISSUER_SCOPES - {ISSUER_ADMIN}
Check = Callable[[str], bool]


@pytest.fixture
def may_change(deployment: Deployment) -> Check:
    """Whether somebody with all scopes but that of an admin may change the used `name`."""
    deployment.audience("used")
    for issuer_id in ("used", "unused"):
        trusted(deployment, OtherIssuer.new(alg="ES256"), id=issuer_id)
    deployment.role("key-readers", ["issuer:keys:read"])

    def check(name: str) -> bool:
        administration = deployment.services.administration
        with administration.reading(Actor("deputy"), ALL_BUT_ADMIN) as work:
            authorize = {
                "audience": lambda: work.audiences.authorize_release("used"),
                "issuer": lambda: work.trusted_issuers.authorize_change("used"),
                "unused": lambda: work.trusted_issuers.authorize_change("unused"),
            }
            try:
                authorize[name]()
            except Forbidden:
                return False
        return True

    return check


@pytest.mark.parametrize(
    ("fields", "is_allowed"),
    [
        ({}, True),
        ({"scopes": ["issuer:keys:read"]}, False),
        ({"audiences": ["used", URL]}, False),
        ({"roles": ["key-readers"], "client_id": "Mixed-Case"}, False),
    ],
)
def test_a_client_with_rights_at_the_issuer_protects_what_it_uses(
    deployment: Deployment, may_change: Check, fields: dict[str, object], is_allowed: bool
):
    """And nothing that only has the same name somewhere in its trusts."""
    trusts = [trust(issuer="used", subject="unused")]
    deployment.client(**{"client_id": "pod", "audiences": ["used"], "trusts": trusts, **fields})
    assert (may_change("audience"), may_change("issuer")) == (is_allowed, is_allowed)
    assert may_change("unused")


@pytest.mark.parametrize(("audience", "protects_issuer"), [("used", False), (URL, True)])
def test_a_role_with_such_rights_counts_where_it_is_assigned(
    deployment: Deployment, may_change: Check, audience: str, protects_issuer: bool
):
    """At an AgentOS it gives no right at the issuer, but the assignment is one of an admin's."""
    deployment.client("pod", audiences=["used"], trusts=[trust(issuer="used")])
    with deployment.changing() as work:
        work.assignments.assign("pod", Assignment(role="key-readers", audience=audience))
    assert not may_change("audience")
    assert may_change("issuer") is not protects_issuer


def test_the_first_clients_that_trust_an_issuer_are_named(
    deployment: Deployment, may_change: Check
):
    for client_id in ("c", "a", "b"):
        deployment.client(client_id, trusts=[trust(issuer="used", subject="unused")])
    with deployment.services.administration.reading() as work:
        assert work.trusted_issuers.clients_of("used", 2) == ["a", "b"]
        assert work.trusted_issuers.clients_of("unused", 2) == []
