"""An AgentOS with the adapter while its issuer is down, hangs, or is asked for unknown keys."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.agentos.adapter.adapted import Apps
from tests.agentos.adapter.surfaces import REST, SURFACES, Reaction, Surface, everywhere
from tests.agentos.running import bearer
from tests.agentos.tokens import with_header
from tests.journeys.running_issuer import wait_until

AT_ONCE = 20


def test_without_a_key_set_our_tokens_are_unavailable_and_others_refused(apps: Apps) -> None:
    app = apps["of_many_issuers"]
    token = app.others["down"].issue(["agents:run"])
    answer = app.os.run(token, "web")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert app.os.run(None, "web").status_code == 401
    assert app.os.get("/health", token).status_code == 200
    assert app.os.may_run(app.issuer.issue(["agents:run"]), "web")


@everywhere
def test_a_key_set_on_disk_is_used_while_the_issuer_is_down(apps: Apps, surface: Surface) -> None:
    app = apps["of_many_issuers"]
    cached = app.others["cached"]
    assert surface.attempt(app.url, cached.issue([surface.scope])) is Reaction.ACCEPTED
    foreign = cached.new_key(cached.newest.kid)
    assert surface.attempt(app.url, foreign.issue([surface.scope])) is Reaction.REFUSED


def test_tokens_of_an_issuer_that_starts_later_are_accepted_within_seconds(apps: Apps) -> None:
    """Unavailable or refused before, then accepted on every interface."""
    app = apps["of_many_issuers"]
    down = app.others["down"]
    for surface in SURFACES:
        outcome = surface.attempt(app.url, down.issue([surface.scope]))
        assert outcome in {Reaction.UNAVAILABLE, Reaction.REFUSED}, surface
    down.start()
    token = down.issue(["agents:run"])
    wait_until(lambda: app.os.run(token, "web").status_code == 200, 60, "the token is accepted")
    for surface in SURFACES:
        assert surface.attempt(app.url, down.issue([surface.scope])) is Reaction.ACCEPTED, surface


def test_a_hanging_issuer_does_not_delay_other_requests(apps: Apps) -> None:
    """While one request waits for an unknown key, others are answered."""
    app = apps["of_many_issuers"]
    silent = app.others["hanging"]
    silent.answering.clear()
    with ThreadPoolExecutor(1) as pool:
        unknown = silent.new_key().issue(["agents:run"])
        waiting = pool.submit(REST.attempt, app.url, unknown)
        known = silent.issue(["agents:run"])
        for _ in range(5):  # take far less time than that request waits
            assert app.os.get("/health", None).status_code == 200
        for token in (known, app.issuer.issue(["agents:run"])):
            assert app.os.may_run(token, "web")
        assert not waiting.done()
        assert waiting.result() is Reaction.REFUSED
    silent.answering.set()


def test_a_flood_of_unknown_keys_causes_one_fetch_in_5_seconds(apps: Apps) -> None:
    app = apps["of_many_issuers"]
    flooded = app.others["flooded"]
    forged = flooded.new_key().issue(["agents:run"])
    fetches, started = flooded.fetches, time.monotonic()
    with httpx.Client(base_url=app.url, timeout=30, trust_env=False) as http:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = pool.map(lambda kid: refused_token(http, forged, kid), range(500))
            good = [app.os.may_run(flooded.issue(["agents:run"]), "web") for _ in range(20)]
        assert set(answers) == {401}
    assert all(good)
    assert 1 <= flooded.fetches - fetches <= 1 + (time.monotonic() - started) // 5


def refused_token(http: httpx.Client, forged: str, kid: int) -> int:
    token = with_header(forged, kid=f"unknown-{kid}")
    return http.get("/agents", headers=bearer(token)).status_code
