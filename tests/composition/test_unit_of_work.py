"""Parts of a transaction are built when they are first used."""

from issuer.composition.unit_of_work import UnitOfWork
from issuer.roles import RoleFields
from tests.builders import Deployment

ALWAYS = {"clock", "authority", "revocations"}


def test_a_transaction_builds_only_what_it_uses(deployment: Deployment):
    deployment.role("reader", ["agents:read"])
    with deployment.services.administration.reading() as work:
        assert built(work) == ALWAYS
        assert work.roles.get("reader").name == "reader"
        assert built(work) == {*ALWAYS, "roles"}
        assert work.roles is work.roles


def test_a_change_builds_no_parts_to_check_its_invariants(deployment: Deployment):
    with deployment.changing() as work:
        work.roles.create(RoleFields.read({"name": "reader", "scopes": ["agents:read"]}))
    assert built(work) == {*ALWAYS, "roles"}


def built(work: UnitOfWork) -> set[str]:
    return {name for name in vars(work) if not name.startswith("_")}
