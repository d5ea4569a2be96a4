"""A stock AgentOS accepts our access tokens and enforces their scopes, on running servers."""

import os
from pathlib import Path

import pytest

from tests.agentos.releases import AgnoRelease
from tests.agentos.running import AgentOSServer, AgentOSStartError, running_agent_os
from tests.agentos.tokens import Tokens, unsigned, with_claims
from tests.rows import rows

BEYOND_LEEWAY = 60  # agno has a leeway of 10 s


def test_a_scope_for_one_agent_runs_that_agent_and_no_other(
    agent_os: AgentOSServer, tokens: Tokens
) -> None:
    token = tokens.issue(["agents:web:run"])
    assert agent_os.run(token, "web").status_code == 200
    assert agent_os.run(token, "web").json()["content"] == "pong"
    assert agent_os.run(token, "billing").status_code == 403


def test_the_error_of_a_refused_run_names_the_missing_scope(
    agent_os: AgentOSServer, tokens: Tokens
) -> None:
    answer = agent_os.run(tokens.issue(["agents:web:run"]), "billing")
    assert answer.json()["detail"] == "Insufficient permissions. Required scope(s): agents:run"


def test_an_agent_that_does_not_exist_looks_like_one_that_is_not_permitted(
    agent_os: AgentOSServer, tokens: Tokens
) -> None:
    assert agent_os.run(tokens.issue(["agents:web:run"]), "nobody").status_code == 403
    assert agent_os.run(tokens.issue(["agents:run"]), "nobody").status_code == 404


@pytest.mark.parametrize("scope", ["agents:run", "agents:*:run"])
def test_a_scope_for_all_agents_runs_each(
    agent_os: AgentOSServer, tokens: Tokens, scope: str
) -> None:
    token = tokens.issue([scope])
    assert agent_os.may_run(token, "web")
    assert agent_os.may_run(token, "billing")


def test_a_scope_for_agents_does_not_cover_teams_and_workflows(
    agent_os: AgentOSServer, tokens: Tokens
) -> None:
    token = tokens.issue(["agents:run"])
    assert agent_os.run_team(token, "support").status_code == 403
    assert agent_os.run_workflow(token, "intake").status_code == 403


def test_teams_and_workflows_run_by_their_own_scopes(
    agent_os: AgentOSServer, tokens: Tokens
) -> None:
    token = tokens.issue(["teams:support:run", "workflows:intake:run"])
    assert agent_os.run_team(token, "support").status_code == 200
    assert agent_os.run_workflow(token, "intake").status_code == 200


def test_a_run_scope_does_not_allow_to_read(agent_os: AgentOSServer, tokens: Tokens) -> None:
    token = tokens.issue(["agents:web:run"])
    assert agent_os.get("/agents/web", token).status_code == 403
    assert agent_os.get("/agents", token).status_code == 403


def test_a_read_scope_does_not_allow_to_run(agent_os: AgentOSServer, tokens: Tokens) -> None:
    assert not agent_os.may_run(tokens.issue(["agents:web:read"]), "web")


def test_a_list_shows_the_agents_with_a_read_scope(agent_os: AgentOSServer, tokens: Tokens) -> None:
    assert agent_os.list_agents(tokens.issue(["agents:web:read"])) == {"web"}
    assert agent_os.list_agents(tokens.issue(["agents:web:read", "agents:billing:run"])) == {"web"}
    assert agent_os.list_agents(tokens.issue(["agents:read"])) == {"web", "billing"}


@rows("path", ["/sessions", "/config", "/metrics", "/teams", "/memories"])
def test_a_token_for_one_agent_is_refused_by_other_routes(
    agent_os: AgentOSServer, tokens: Tokens, path: str
) -> None:
    token = tokens.issue(["agents:web:run", "agents:web:read"])
    assert agent_os.get(path, token).status_code == 403


def test_a_token_without_scopes_allows_nothing(agent_os: AgentOSServer, tokens: Tokens) -> None:
    token = tokens.issue([])
    assert agent_os.run(token, "web").status_code == 403
    assert agent_os.get("/agents", token).status_code == 403


def test_the_admin_scope_allows_everything(agent_os: AgentOSServer, tokens: Tokens) -> None:
    token = tokens.issue(["agent_os:admin"])
    assert agent_os.may_run(token, "web")
    assert agent_os.may_run(token, "billing")
    assert agent_os.run_team(token, "support").status_code == 200
    assert agent_os.run_workflow(token, "intake").status_code == 200
    assert agent_os.list_agents(token) == {"web", "billing"}
    for path in ("/sessions", "/config", "/metrics", "/teams", "/workflows", "/memories"):
        assert agent_os.get(path, token).status_code == 200, path


@rows(
    "scope",
    ["agent_os:*:admin", "issuer:admin", "agents:web:extra:run", "agents", "run", "agents:*"],
)
def test_a_text_that_resembles_a_scope_allows_nothing(
    agent_os: AgentOSServer, tokens: Tokens, scope: str
) -> None:
    assert not agent_os.may_run(tokens.issue([scope]), "web")


def test_an_empty_id_means_every_id(agent_os: AgentOSServer, tokens: Tokens) -> None:
    """The issuer therefore refuses scopes with empty parts."""
    assert agent_os.may_run(tokens.issue(["agents::run"]), "web")


def test_system_is_an_alias_of_config(agent_os: AgentOSServer, tokens: Tokens) -> None:
    assert agent_os.get("/config", tokens.issue(["system:read"])).status_code == 200
    assert agent_os.get("/config", tokens.issue(["config:read"])).status_code == 200


def test_the_run_belongs_to_the_subject_of_the_token(
    agent_os: AgentOSServer, tokens: Tokens
) -> None:
    answer = agent_os.run(tokens.issue(["agents:run"], sub="usr_bob"), "web", user_id="usr_eve")
    assert answer.json()["user_id"] == "usr_bob"


def test_the_session_of_the_token_is_the_session_of_the_run(
    agent_os: AgentOSServer, tokens: Tokens
) -> None:
    answer = agent_os.run(tokens.issue(["agents:run"], session_id="ses_1"), "web")
    assert answer.json()["session_id"] == "ses_1"


def test_an_expired_token_is_refused(agent_os: AgentOSServer, tokens: Tokens) -> None:
    answer = agent_os.run(tokens.issue(["agents:web:run"], expires_in=-BEYOND_LEEWAY), "web")
    assert answer.status_code == 401
    assert answer.json()["detail"] == "Token has expired"


def test_a_token_for_another_audience_is_refused(agent_os: AgentOSServer, tokens: Tokens) -> None:
    answer = agent_os.run(tokens.issue(["agents:web:run"], audience="your-os"), "web")
    assert answer.status_code == 401


def test_a_subject_that_agno_reserves_is_refused(agent_os: AgentOSServer, tokens: Tokens) -> None:
    """The issuer therefore issues no such subject."""
    for sub in ("sa:robot", "__oauth__:x", "__scheduler__"):
        assert agent_os.run(tokens.issue(["agents:run"], sub=sub), "web").status_code == 401, sub


def test_an_unsigned_token_is_refused(agent_os: AgentOSServer, tokens: Tokens) -> None:
    """RFC 8725 §3.2."""
    assert agent_os.run(unsigned(tokens.issue(["agent_os:admin"])), "web").status_code == 401


def test_a_signature_over_other_claims_is_refused(agent_os: AgentOSServer, tokens: Tokens) -> None:
    forged = with_claims(tokens.issue(["agents:web:run"]), scopes=["agent_os:admin"])
    assert agent_os.run(forged, "web").status_code == 401


def test_a_token_of_a_foreign_key_is_refused(agent_os: AgentOSServer) -> None:
    assert agent_os.run(Tokens().issue(["agent_os:admin"]), "web").status_code == 401


def test_a_foreign_key_with_our_kid_is_refused(agent_os: AgentOSServer, tokens: Tokens) -> None:
    impostor = Tokens(kid=tokens.kid)
    assert agent_os.run(impostor.issue(["agent_os:admin"]), "web").status_code == 401


def test_a_request_without_a_token_is_refused(agent_os: AgentOSServer) -> None:
    assert agent_os.run(None, "web").status_code == 401
    assert agent_os.run("not-a-token", "web").status_code == 401


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")  # AgentOS knows no Ed25519
@pytest.mark.parametrize("algorithm", ["PS256", "ES256", "EdDSA"])
def test_our_other_signing_algorithms_are_accepted(
    release: AgnoRelease, keys_given_as: str, algorithm: str, tmp_path: Path
) -> None:
    ours, foreign = Tokens(algorithm), Tokens(algorithm)
    keys = ours.given_as(keys_given_as, tmp_path)
    with running_agent_os(release, tmp_path, algorithm=algorithm, **keys) as agent_os:
        assert agent_os.run(ours.issue(["agents:web:run"]), "web").status_code == 200
        assert agent_os.run(ours.issue(["agents:web:run"]), "billing").status_code == 403
        assert agent_os.run(foreign.issue(["agents:web:run"]), "web").status_code == 401


@pytest.mark.slow
def test_no_agno_knows_the_name_ed25519(release: AgnoRelease, tmp_path: Path) -> None:
    """Of RFC 9864, as `docs/reference/access-token.md` says. A `Verifier` does."""
    keys = Tokens("EdDSA").write_jwks(tmp_path)
    keys.write_text(keys.read_text().replace('"EdDSA"', '"Ed25519"'))
    for algorithm in ("EdDSA", "Ed25519"):
        with (
            pytest.raises(AgentOSStartError, match="At least one JWT verification key"),
            running_agent_os(release, tmp_path, algorithm=algorithm, jwks_file=keys),
        ):
            pass


def test_a_failed_start_raises_an_error_with_the_output(
    release: AgnoRelease, tmp_path: Path
) -> None:
    with (
        pytest.raises(AgentOSStartError, match="JWKS file not found"),
        running_agent_os(release, tmp_path, jwks_file=tmp_path / "missing.json"),
    ):
        pass


def test_an_agent_os_stops_cleanly(release: AgnoRelease, tokens: Tokens, tmp_path: Path) -> None:
    with running_agent_os(release, tmp_path, pems=[tokens.pem]) as agent_os:
        pid = agent_os.pid
    with pytest.raises(ProcessLookupError):  # its port may belong to another program by now
        os.kill(pid, 0)


def test_the_error_for_a_missing_release_says_how_to_install_it(tmp_path: Path) -> None:
    nowhere = AgnoRelease("2.9.0", tmp_path / "python", "AGNO_OF_NOBODY_PYTHON")
    with pytest.raises(FileNotFoundError, match="run `make test`"):
        _ = nowhere.python
