"""A right that an exchange of tokens may have needed is not called unused, nor taken away."""

import pytest

from issuer.errors import NotAllowed
from issuer.review.evidence import ReviewedScope
from issuer.review.proposals import propose
from issuer.review.reviewing import access_review
from issuer.vocabulary import GrantType
from tests.builders import Deployment
from tests.review.test_review import DAY
from tests.usage.reporting import used

RUN, READ = "agents:run", "sessions:read"


@pytest.fixture
def alice(deployment: Deployment) -> str:
    """She signs in to `app` at my-os, whose agents act for her at archive, and from there at vault.

    Her session data is read at vault alone, by the last of them.
    """
    for audience in ("archive", "vault"):
        deployment.audience(audience)
    deployment.role("wide", [RUN, READ])
    alice = deployment.user("alice", roles=["wide"], id="alice")
    deployment.client("app", scopes=[RUN, READ])
    acts("agents", deployment, "my-os", "archive")
    acts("archivist", deployment, "archive", "vault")
    return alice


def acts(client_id: str, deployment: Deployment, start: str, end: str) -> None:
    """A client that exchanges tokens of people, and decides nothing by its own rights."""
    deployment.client(
        client_id,
        grant_types=[GrantType.TOKEN_EXCHANGE],
        audiences=[end],
        user_rights="all",
        may_act=[{"from": start, "to": end}],
    )


def days(deployment: Deployment, number: int, *, reporting: tuple[str, ...]) -> None:
    counts = {
        "my-os": {("alice", RUN): (1, 0)},
        "archive": {("alice", RUN): (1, 0)},
        "vault": {("alice", READ): (1, 0)},
    }
    through = {"my-os": "app", "archive": "agents", "vault": "archivist"}
    for _ in range(number):
        for audience in reporting:
            used(deployment, counts[audience], audience=audience, client_id=through[audience])
        deployment.clock.move(DAY)


def verdicts(deployment: Deployment, name: str) -> dict[tuple[str, str], str]:
    with deployment.services.administration.reading() as work:
        rows: list[ReviewedScope] = [*access_review(work, deployment.clock())]
    return {(e.audience, e.scope): e.verdict for e in rows if e.principal.id == name}


def test_what_an_exchange_may_have_needed_is_unknown(deployment: Deployment, alice: str):
    days(deployment, 31, reporting=("my-os", "archive", "vault"))
    found = verdicts(deployment, alice)
    assert found["vault", READ] == "used"
    assert (found["archive", READ], found["my-os", READ]) == ("unknown", "unknown")
    assert verdicts(deployment, "app") == {("my-os", RUN): "used", ("my-os", READ): "unknown"}


def test_a_proposal_keeps_what_an_exchange_may_have_needed(deployment: Deployment, alice: str):
    days(deployment, 31, reporting=("my-os", "archive", "vault"))
    with deployment.services.administration.reading() as work:
        of_alice, of_app = (propose(work, each, deployment.clock()) for each in (alice, "app"))
    assert of_alice.after == {
        "my-os": {RUN, READ},
        "archive": {RUN, READ},
        "vault": {READ},
    }
    assert of_app.after == {"my-os": {RUN, READ}}


def test_use_where_no_exchange_leads_says_nothing(deployment: Deployment, alice: str):
    """At vault she is somebody's user as well, but nothing leads from there."""
    with deployment.changing() as work:
        work.clients.update("archivist", {"may_act": []})
    days(deployment, 31, reporting=("my-os", "archive", "vault"))
    assert verdicts(deployment, alice)["my-os", READ] == "unused"
    assert verdicts(deployment, "app")["my-os", READ] == "unused"


def test_where_the_other_agentos_does_not_report_nothing_is_known(
    deployment: Deployment, alice: str
):
    days(deployment, 31, reporting=("my-os", "archive"))
    assert verdicts(deployment, alice)["my-os", READ] == "unknown"
    with (
        deployment.services.administration.reading() as work,
        pytest.raises(NotAllowed, match="may be exchanged for tokens for vault, and no verifier"),
    ):
        propose(work, "app", deployment.clock())
