"""Forms of the console that waited for another change, which ended what they were allowed by."""

from collections.abc import Callable

import httpx
import pytest

from issuer.composition import UnitOfWork
from issuer.scopes import ISSUER_ADMIN
from tests.builders import Deployment
from tests.interleaving import right_after
from tests.web.console.conftest import forged, person, stored

PAGE_READ = "users.given_as \nFROM users"  # after the session and the rights
ENABLE = {"do": "enable"}
EVERYWHERE = {"do": "assign-role", "everywhere": "yes", "confirmed": "yes"}
OWN_ROLE, ANOTHER = ({**EVERYWHERE, "role": each} for each in ("operator-role", "boss-role"))


def disable(work: UnitOfWork, user_id: str) -> None:
    work.users.update(user_id, {"disabled": True})


def unassign(work: UnitOfWork, user_id: str) -> None:
    (held,) = work.assignments.of(user_id)
    work.assignments.unassign(user_id, held)


def sign_out(work: UnitOfWork, user_id: str) -> None:
    work.users.revoke_tokens(user_id)


@pytest.mark.parametrize(
    ("end", "form", "status"),
    [
        (disable, ENABLE, httpx.codes.FORBIDDEN),
        (unassign, OWN_ROLE, httpx.codes.FORBIDDEN),
        (sign_out, ANOTHER, httpx.codes.BAD_REQUEST),
    ],
)
def test_an_admin_takes_nothing_back_that_ended_while_the_form_waited(
    deployment: Deployment,
    end: Callable[[UnitOfWork, str], None],
    form: dict[str, str],
    status: int,
):
    """As somebody who sends such forms without end, so that one always waits."""
    deployment.user("boss", [deployment.role("boss-role", [ISSUER_ADMIN])])
    operator = person(deployment, "operator", [ISSUER_ADMIN])
    with deployment.services.administration.reading() as work:
        user_id = work.users.get_by_username("operator").id
    path = f"/console/users/{user_id}"
    after: list[dict[str, list[str]]] = []

    def change() -> None:
        with deployment.changing() as work:
            end(work, user_id)
        after.append(stored(deployment))

    with right_after(deployment, PAGE_READ, change):
        refused = forged(deployment, operator, path, **form)
    assert refused.status == status, refused.text
    assert [stored(deployment)] == after
