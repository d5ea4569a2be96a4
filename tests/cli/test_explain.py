"""`issuer explain` and `issuer preview`."""

import re
import shlex
from dataclasses import replace
from types import SimpleNamespace

import pytest

from issuer.tokens.authorization import Authorization
from tests.builders import URL
from tests.cli.arranged import ArrangeCli
from tests.cli.driver import Cli
from tests.inspection.inspected import inspected
from tests.oauth.exchanging import EXCHANGE
from tests.rows import rows

# The packages behind it are tested on both databases.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

RUN = ["POST", "/agents/web/runs"]


def arrange(cli: Cli) -> None:
    """ci-bot may run web at my-os by a role; alice may run every agent, through console or web."""
    cli.done("audience", "create", "my-os")
    cli.done("audience", "create", "other-os")
    cli.done("role", "create", "web-runner", "--scope", "agents:web:run")
    cli.done("role", "create", "runner", "--scope", "agents:run")
    cli.done("client", "create", "ci-bot", "--audience", "my-os", "--audience", "other-os")
    cli.done("client", "role", "assign", "ci-bot", "web-runner", "--audience", "my-os")
    cli.done("user", "create", "alice", "--id", "usr_alice")
    cli.done("user", "role", "assign", "alice", "runner", "--everywhere")
    cli.done("client", "create", "console", "--audience", "my-os", "--scope", "agents:web:run")


@pytest.fixture
def arrange_cli() -> ArrangeCli:
    return arrange


@pytest.fixture
def deployment(cli: Cli) -> Cli:
    return cli


def test_an_allowed_request_names_the_scope_the_role_and_the_assignment(deployment: Cli):
    assert deployment.done("explain", "ci-bot", *RUN, "--audience", "my-os").splitlines() == [
        "Allowed: agents:web:run is held.",
        "ci-bot has agents:web:run through the role web-runner, assigned at my-os.",
    ]


def test_an_agent_that_the_last_inspection_did_not_find_is_named(deployment: Cli):
    """The verdict stays: it is about rights."""
    asked = ("explain", "alice", "POST", "/agents/webb/runs", "--client", "console")
    assert "There is no" not in deployment.done(*asked)
    with deployment.composition() as parts:
        inspected(SimpleNamespace(services=parts), agents={"web": "Web"}, teams={"webb": "W"})
    verdict, *lines = deployment.done(*asked).splitlines()
    assert verdict.startswith("Refused")
    (missing,) = (each for each in lines if each.startswith("There is no agent 'webb' at my-os"))
    assert missing.endswith(" UTC. Did you mean web?")
    assert "There is no" not in deployment.done("explain", "ci-bot", *RUN, "--audience", "my-os")


def test_a_refused_request_names_the_smallest_addition(deployment: Cli):
    result = deployment("explain", "ci-bot", *RUN, "--audience", "other-os")
    assert (result.status, result.err) == (0, "")
    verdict, addition, held, *_ = result.out.splitlines()
    assert verdict.startswith("Refused: AgentOS requires agents:web:run here")
    assert addition == "The smallest addition that would allow it: agents:web:run."
    assert held == "Scopes held: nothing."


@pytest.mark.parametrize(
    ("question", "commands"),
    [
        # The role gives these scopes and no others.
        (
            ["ci-bot", *RUN, "--audience", "other-os"],
            ["issuer client role assign ci-bot web-runner --audience other-os"],
        ),
        # Its own scopes would apply at both of its audiences.
        (
            ["ci-bot", "POST", "/agents/x/runs", "--audience", "other-os"],
            [
                "issuer role create agents-x-run --scope agents:x:run",
                "issuer client role assign ci-bot agents-x-run --audience other-os",
            ],
        ),
        (
            ["console", "POST", "/teams/x/runs"],
            ["issuer client update console --add-scope teams:x:run"],
        ),
        (
            ["alice", "POST", "/teams/x/runs", "--audience", "my-os"],
            [
                "issuer role create teams-x-run-2 --scope teams:x:run",
                "issuer user role assign alice teams-x-run-2 --audience my-os",
            ],
        ),
        (
            ["alice", "POST", "/teams/x/runs", "--audience", "my-os", "--client", "console"],
            [
                "issuer role create teams-x-run-2 --scope teams:x:run",
                "issuer user role assign alice teams-x-run-2 --audience my-os",
                "issuer client role assign console teams-x-run-2 --audience my-os",
            ],
        ),
        (["locked", *RUN], ["issuer client update locked --enabled"]),
    ],
)
def test_the_smallest_change_is_printed_as_commands_that_allow_the_request(
    deployment: Cli, question: list[str], commands: list[str]
):
    deployment.done("role", "create", "teams-x-run", "--scope", "teams:run")
    locked = ["client", "create", "locked", "--audience", "my-os", "--scope", "agents:web:run"]
    deployment.done(*locked)
    deployment.done("client", "update", "locked", "--disabled")
    printed = deployment.done("explain", *question)
    assert re.findall(r"^  (issuer .+)$", printed, re.MULTILINE) == commands
    for command in commands:
        deployment.done(*shlex.split(command)[1:])
    allowed = deployment.done("explain", *question)
    assert allowed.startswith("Allowed")
    assert "This allows it" not in allowed


def test_what_a_list_shows(deployment: Cli):
    deployment.done("client", "update", "console", "--scope", "agents:web:read")
    assert "The list shows only what is held: web." in (
        deployment.done("explain", "console", "GET", "/agents")
    )
    deployment.done("client", "update", "console", "--scope", "agents:read")
    assert "The list shows everything." in deployment.done("explain", "console", "GET", "/agents")
    assert "console has agents:read directly." in deployment.done(
        "explain", "console", "GET", "/agents"
    )


@rows("name", ["alice", "usr_alice"])
def test_a_user_is_named_by_id_or_name_alone_or_through_a_client(deployment: Cli, name: str):
    other = ["POST", "/agents/other/runs", "--audience", "my-os"]
    alone = deployment.done("explain", name, *other)
    assert alone.startswith("Allowed")
    assert "alice has agents:run through the role runner, assigned everywhere." in alone
    assert "use --client to name one" in alone
    through = deployment.done("explain", name, *other, "--client", "console")
    assert through.startswith("Refused")
    assert "--client" not in through


def test_json_is_that_of_the_admin_api(deployment: Cli):
    answer = deployment.json("explain", "ci-bot", *RUN, "--audience", "my-os", "--agno", "3.1")
    assert answer == {
        "allowed": True,
        "reason": "agents:web:run is held.",
        "scope": "agents:web:run",
        "via": [
            {
                "scope": "agents:web:run",
                "holder": "ci-bot",
                "role": "web-runner",
                "audience": "my-os",
                "through": None,
                "expires_at": None,
            }
        ],
        "required": ["agents:web:run"],
        "listing": None,
        "smallest_addition": [],
        "held": ["agents:web:run"],
    }


def test_a_token_is_explained_from_standard_input(deployment: Cli):
    with deployment.composition() as composition:
        composition.keys.keyring.reload()
        client = composition.tokens.directory.load_client("console")
        assert client is not None
        authorization = Authorization.of_client(client, client.audiences["my-os"])
        token = composition.tokens.issuer.issue(authorization, composition.clock()).token
        acting = replace(authorization, act={"sub": "b", "act": {"sub": "a"}})
        exchanged = composition.tokens.issuer.issue(acting, composition.clock()).token
        bound = replace(authorization, jkt="0ZcOCORZNYy")
        bound_token = composition.tokens.issuer.issue(bound, composition.clock()).token
    assert deployment.done("explain", "--token-stdin", *RUN, stdin=f"{token}\n").startswith(
        "Allowed"
    )
    explained = deployment.done("explain", "--token-stdin", *RUN, stdin=exchanged)
    assert "The token is one with which b acts for its subject, through a.\n" in explained
    explained = deployment.done("explain", "--token-stdin", *RUN, stdin=bound_token)
    assert "It opens nothing without a proof by the key 0ZcOCORZNYy (DPoP).\n" in explained
    refused = deployment("explain", "--token-stdin", *RUN, stdin="not-a-token\n")
    assert refused.sentence.startswith("token: ")
    assert deployment("explain", "--token-stdin", "console", *RUN, stdin=token).status == 2
    assert (
        deployment("explain", "--token-stdin", *RUN, "--client", "console", stdin=token).status == 2
    )


def test_the_audience_of_the_issuer_means_its_admin_api(deployment: Cli):
    deployment.done("role", "create", "role-keeper", "--scope", "issuer:roles:write")
    deployment.done("client", "create", "deployer", "--audience", URL)
    deployment.done("client", "role", "assign", "deployer", "role-keeper", "--audience", URL)
    asked = ["explain", "deployer", "--audience", URL]
    assert deployment.done(*asked, "POST", "/admin/v1/roles").splitlines() == [
        "Allowed: issuer:roles:write is held. A change to what holds or grants rights at the issuer"
        " itself requires issuer:admin.",
        f"deployer has issuer:roles:write through the role role-keeper, assigned at {URL}.",
    ]
    assert deployment.done(*asked, "GET", "/admin/v1/keys").splitlines() == [
        "Refused: The issuer requires issuer:keys:read here, and no scope covers it.",
        "The smallest addition that would allow it: issuer:keys:read.",
        "Scopes held: issuer:roles:write.",
        "This allows it:",
        "  issuer client update deployer --add-scope issuer:keys:read",
    ]
    deployment.done("client", "update", "deployer", "--disabled")
    assert "is disabled" in deployment.done(*asked, "GET", "/admin/v1/scopes")
    assert deployment.done(*asked, "GET", "/.well-known/jwks.json") == (
        "Allowed: This requires no scope and no access token.\n"
    )


def test_a_question_that_cannot_be_asked_is_one_sentence(deployment: Cli):
    assert deployment("explain", "unknown", *RUN).sentence == (
        "There is no client or user 'unknown'. See `issuer client list` or `issuer user list`."
    )
    assert deployment("explain", "ci-bot", *RUN).sentence == "audience: name the audience."
    assert deployment("explain", "ci-bot", *RUN, "--audience", URL).sentence == (
        "audience: the client may not have tokens for it."
    )
    assert "is not a known version of agno" in (
        deployment("explain", "console", *RUN, "--agno", "1.0").sentence
    )
    assert deployment("explain", "console", *RUN, "--client", "console").sentence == (
        "There is no user 'console'. See `issuer user list`."
    )
    assert deployment("explain", "ci-bot", "GET").status == 2


def test_a_preview_shows_the_claims_and_the_size(deployment: Cli):
    previewed = deployment.json("preview", "ci-bot", "--audience", "my-os")
    assert previewed["claims"]["sub"] == "ci-bot"
    assert previewed["claims"]["scopes"] == ["agents:web:run"]
    assert previewed["bytes"] > 200
    printed = deployment.done("preview", "ci-bot", "--audience", "my-os")
    assert '"sub": "ci-bot"' in printed
    assert printed.endswith(f"The token would have {previewed['bytes']} bytes.\n")


def test_a_preview_of_a_user_through_a_client(deployment: Cli):
    claims = deployment.json("preview", "console", "--user", "alice")["claims"]
    assert (claims["sub"], claims["client_id"]) == ("usr_alice", "console")
    assert claims["scopes"] == ["agents:web:run"]


def test_a_client_may_let_users_have_all_their_rights(deployment: Cli):
    """A client with `user_rights: all` holds none itself."""
    deployment.done(
        *("client", "create", "web", "--audience", "my-os", "--user-rights", "all"),
        *("--grant-type", "authorization_code", "--redirect-uri", "https://app.example/callback"),
    )
    claims = deployment.json("preview", "web", "--user", "alice")["claims"]
    assert claims["scopes"] == ["agents:run"]
    assert deployment.done("explain", "alice", *RUN, "--client", "web").splitlines() == [
        "Allowed: AgentOS requires agents:web:run here, and agents:run covers it.",
        "alice has agents:run through the role runner, assigned everywhere.",
    ]
    assert deployment.done("explain", "web", *RUN).startswith("Refused")


def test_a_preview_is_refused_as_the_token_would_be(deployment: Cli):
    assert deployment("preview", "console", "--scope", "teams:run").sentence == (
        "The scope teams:run is not held."
    )
    assert deployment("preview", "unknown").sentence == (
        "There is no client 'unknown'. See `issuer client list`."
    )
    assert deployment("preview", "console", "--user", "bob").sentence == (
        "There is no user 'bob'. See `issuer user list`."
    )


@pytest.fixture
def acting(deployment: Cli) -> Cli:
    """agents may act at archive for people from my-os, and hold agents:web:run there."""
    deployment.done("audience", "create", "archive")
    agents = ["agents", "--audience", "archive", "--scope", "agents:web:run"]
    deployment.done(
        "client", "create", *agents, "--may-act", "my-os=archive", "--grant-type", EXCHANGE
    )
    return deployment


ON_BEHALF = ["--audience", "archive", "--on-behalf-of", "alice", "--from", "my-os"]


def test_what_a_client_may_do_on_behalf_of_a_user_is_explained(acting: Cli):
    assert acting.done("explain", "agents", *RUN, *ON_BEHALF).splitlines() == [
        "Allowed: agents:web:run is held.",
        "alice has agents:web:run through the role runner, assigned everywhere.",
        "agents has agents:web:run directly.",
        "With --client APPLICATION, it is checked whether alice allowed this there.",
    ]


def test_a_client_that_may_not_act_there_is_told_the_command(acting: Cli):
    acting.done("client", "update", "agents", "--may-act", "", "--yes")
    refused = acting.done("explain", "agents", *RUN, *ON_BEHALF).splitlines()
    assert refused[0] == "Refused: agents may not act at archive for people from my-os."
    assert refused[-1] == "  issuer client update agents --add-may-act my-os=archive"
    acting.done(*shlex.split(refused[-1])[1:])
    assert acting.done("explain", "agents", *RUN, *ON_BEHALF).startswith("Allowed")


def test_a_client_without_the_grant_type_is_told_the_command(acting: Cli):
    acting.done("client", "update", "agents", "--grant-type", "client_credentials")
    refused = acting.done("explain", "agents", *RUN, *ON_BEHALF).splitlines()
    assert refused[0] == "Refused: agents does not have the grant type token-exchange."
    assert refused[-1] == f"  issuer client update agents --add-grant-type {EXCHANGE}"
    acting.done(*shlex.split(refused[-1])[1:])
    assert acting.done("explain", "agents", *RUN, *ON_BEHALF).startswith("Allowed")


def test_rights_may_be_lacking_at_either_end(acting: Cli):
    through = [*ON_BEHALF, "--client", "console"]
    acting.done("client", "update", "console", "--scope", "", "--yes")
    refused = acting.done("explain", "agents", *RUN, *through).splitlines()
    assert refused[0] == (
        "Refused: alice has not allowed agents to act at archive: console must ask again."
    )
    acting.done("client", "update", "console", "--grant-type", "password")
    refused = acting.done("explain", "agents", *RUN, *through).splitlines()
    assert refused[0].startswith("Refused: AgentOS requires agents:web:run here")
    assert refused[-1] == "  issuer client role assign console web-runner --audience my-os"


def test_the_token_for_a_user_is_previewed(acting: Cli):
    claims = acting.json("preview", "agents", *ON_BEHALF)["claims"]
    assert (claims["sub"], claims["aud"], claims["client_id"]) == ("usr_alice", "archive", "agents")
    assert claims["scopes"] == ["agents:web:run"]
    assert claims["act"] == {"sub": "agents"}
    refused = acting("preview", "agents", *ON_BEHALF, "--client", "console")
    assert "alice has not allowed agents to act at archive" in refused.sentence
    acting.done("client", "update", "agents", "--may-act", "", "--yes")
    assert "may not act at archive" in acting("preview", "agents", *ON_BEHALF).sentence


@pytest.mark.parametrize(
    "wrong",
    [
        ["--on-behalf-of", "alice"],
        ["--from", "my-os"],
        [*ON_BEHALF, "--token-stdin"],
    ],
)
def test_a_question_on_behalf_of_a_user_is_whole(acting: Cli, wrong: list[str]):
    assert acting("explain", "agents", *RUN, *wrong).status == 2
