"""Key rotation, with an AgentOS that has the adapter."""

from tests.agentos.adapter.adapted import Apps
from tests.agentos.adapter.surfaces import (
    MCP,
    REST,
    SURFACES,
    WEBSOCKET,
    Reaction,
    Surface,
    everywhere,
)
from tests.journeys.running_issuer import wait_until
from tests.rows import rows


@rows("surface", [REST, WEBSOCKET, MCP])
def test_the_first_request_after_a_rotation_is_accepted(apps: Apps, surface: Surface) -> None:
    """The next poll would be after 300 s; an unknown key is fetched at most once in 5 s."""
    app = apps["of_many_issuers"]
    issuer = app.others[f"asked over {surface}"]
    assert surface.attempt(app.url, issuer.issue([surface.scope])) is Reaction.ACCEPTED
    issuer.rotate()
    fetches = issuer.fetches
    assert surface.attempt(app.url, issuer.issue([surface.scope])) is Reaction.ACCEPTED
    assert issuer.fetches == fetches + 1


@everywhere
def test_a_key_verifies_tokens_of_its_own_issuer_only(apps: Apps, surface: Surface) -> None:
    """RFC 8725 §3.8."""
    app = apps["of_many_issuers"]
    ours, theirs = app.issuer, app.others["polled"]
    for issuer, another in ((ours, theirs), (theirs, ours)):
        assert surface.attempt(app.url, issuer.issue([surface.scope])) is Reaction.ACCEPTED
        pretended = issuer.issue(["agent_os:admin"], iss=another.url)
        assert surface.attempt(app.url, pretended) is Reaction.REFUSED


def test_a_removed_key_is_refused_within_one_poll(apps: Apps) -> None:
    """Also for tokens that were verified before."""
    app = apps["of_many_issuers"]
    issuer = app.others["polled"]
    old = {surface: issuer.issue([surface.scope]) for surface in SURFACES}
    for surface, token in old.items():
        assert surface.attempt(app.url, token) is Reaction.ACCEPTED, surface
    issuer.rotate()
    issuer.wait_for_fetches(2)
    for surface, token in old.items():
        assert surface.attempt(app.url, token) is Reaction.ACCEPTED, surface
    issuer.keys = [issuer.newest]
    issuer.wait_for_fetches(2)  # the second begins when the first has been read
    for surface, token in old.items():
        assert surface.attempt(app.url, token) is Reaction.REFUSED, surface
        good = issuer.issue([surface.scope])
        assert surface.attempt(app.url, good) is Reaction.ACCEPTED, surface


def test_a_key_set_without_a_usable_key_changes_nothing(apps: Apps) -> None:
    app = apps["of_many_issuers"]
    issuer = app.others["polled"]
    keys = issuer.keys
    issuer.keys = []
    issuer.wait_for_fetches(2)
    assert app.os.may_run(keys[-1].issue(["agents:run"]), "web")
    issuer.keys = keys


def test_a_shorter_max_age_applies_as_soon_as_it_is_seen(apps: Apps) -> None:
    """Not only after the earlier, longer one has passed."""
    app = apps["of_many_issuers"]
    app.issuer.rotate()
    app.issuer.max_age = 1
    token = app.issuer.issue(["agents:run"])
    # Unknown keys are fetched every 5 s at most, and an earlier test may just have done so.
    wait_until(lambda: app.os.may_run(token, "web"), 60, "the new key was fetched")
    app.issuer.wait_for_fetches(1)
