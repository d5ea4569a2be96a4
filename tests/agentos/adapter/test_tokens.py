"""Which tokens an AgentOS with the adapter accepts, on each of its interfaces."""

import time
from collections.abc import Callable

from tests.agentos.adapter.adapted import AdaptedApp
from tests.agentos.adapter.fake_issuer import FakeIssuer
from tests.agentos.adapter.surfaces import MCP, Reaction, Surface, everywhere, refused_over_mcp
from tests.agentos.tokens import Tokens, signed_with_the_public_key, unsigned, with_claims
from tests.rows import rows

ADMIN = ["agent_os:admin"]
BEYOND_LEEWAY = 60

FAULTY: dict[str, Callable[[FakeIssuer], str]] = {
    "another audience": lambda ours: ours.issue(ADMIN, audience="your-os"),
    "another audience of many": lambda ours: ours.issue(ADMIN, aud=["your-os", "their-os"]),
    "no audience": lambda ours: ours.issue(ADMIN, aud=None),
    "another issuer": lambda ours: ours.issue(ADMIN, iss="https://eve.example"),
    "the issuer with a slash": lambda ours: ours.issue(ADMIN, iss=f"{ours.url}/"),
    "no issuer": lambda ours: ours.issue(ADMIN, iss=None),
    "expired": lambda ours: ours.issue(ADMIN, expires_in=-BEYOND_LEEWAY),
    "not valid yet": lambda ours: ours.issue(ADMIN, nbf=int(time.time()) + BEYOND_LEEWAY),
    "no exp": lambda ours: ours.issue(ADMIN, exp=None),
    "no sub": lambda ours: ours.issue(ADMIN, sub=None),
    "an empty sub": lambda ours: ours.issue(ADMIN, sub=""),
    "a service account's sub": lambda ours: ours.issue(ADMIN, sub="sa:x"),
    "an OAuth client's sub": lambda ours: ours.issue(ADMIN, sub="__oauth__:x"),
    "the scheduler's sub": lambda ours: ours.issue(ADMIN, sub="__scheduler__"),
    "no typ": lambda ours: ours.issue(ADMIN, typ=None),
    "the typ of an id token": lambda ours: ours.issue(ADMIN, typ="JWT"),
    "alg none": lambda ours: unsigned(ours.issue(ADMIN)),
    "HS256 with the public key": lambda ours: signed_with_the_public_key(
        ours.issue(ADMIN), ours.newest.pem
    ),
    "other claims": lambda ours: with_claims(ours.issue(), scopes=ADMIN),
    "a foreign key under our kid": lambda ours: ours.new_key(ours.newest.kid).issue(ADMIN),
    "a foreign key": lambda ours: ours.new_key().issue(ADMIN),
    "no JWT": lambda _: "not-a-token",
}


@everywhere
def test_a_valid_token_is_accepted(app: AdaptedApp, surface: Surface) -> None:
    assert surface.attempt(app.url, app.issuer.issue([surface.scope])) is Reaction.ACCEPTED


@everywhere
def test_a_token_for_many_audiences_is_accepted_by_each(app: AdaptedApp, surface: Surface) -> None:
    token = app.issuer.issue([surface.scope], aud=["your-os", "my-os"])
    assert surface.attempt(app.url, token) is Reaction.ACCEPTED


@everywhere
def test_a_scope_for_another_resource_is_forbidden(app: AdaptedApp, surface: Surface) -> None:
    assert surface.attempt(app.url, app.issuer.issue([surface.narrower])) is Reaction.FORBIDDEN


def test_a_refusal_names_the_scope_of_the_agent(app: AdaptedApp) -> None:
    """Over MCP its text is all that a client learns. Nobody needs the right to run every agent."""
    token = app.issuer.issue([MCP.narrower])
    assert "agents:web:run" in refused_over_mcp(app.url, token)
    assert app.os.run(token, "web").json()["detail"].endswith("agents:web:run")
    assert app.os.get("/sessions", token).json()["detail"].endswith("sessions:read")


@everywhere
def test_a_request_without_a_token_is_refused(app: AdaptedApp, surface: Surface) -> None:
    assert surface.attempt(app.url, None) is Reaction.REFUSED


@everywhere
@rows("faulty", FAULTY)
def test_a_faulty_token_is_refused_everywhere(
    app: AdaptedApp, surface: Surface, faulty: Callable[[FakeIssuer], str]
) -> None:
    """RFC 9068 §4, RFC 8725 §3: also with administrator scopes."""
    assert surface.attempt(app.url, faulty(app.issuer)) is Reaction.REFUSED


def test_a_list_shows_the_agents_with_a_read_scope(app: AdaptedApp) -> None:
    read = app.issuer.issue
    assert app.os.list_agents(read(["agents:web:read"])) == {"web"}
    assert app.os.list_agents(read(["agents:web:read", "agents:billing:run"])) == {"web"}
    assert app.os.list_agents(read(["agents:read"])) == {"web", "billing"}


def test_the_run_belongs_to_the_subject_of_the_token(app: AdaptedApp) -> None:
    token = app.issuer.issue(["agents:run"], sub="usr_bob", session_id="ses_1")
    run = app.os.run(token, "web", user_id="usr_eve").json()
    assert (run["user_id"], run["session_id"]) == ("usr_bob", "ses_1")


@everywhere
def test_a_token_of_an_unknown_issuer_is_refused(app: AdaptedApp, surface: Surface) -> None:
    assert surface.attempt(app.url, Tokens().issue(ADMIN)) is Reaction.REFUSED
