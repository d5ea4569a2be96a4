"""Commands that end something ask on a terminal, and need no answer from scripts."""

import pytest
from pyotp import TOTP

from issuer.clients.client import ClientFields
from issuer.directory import ActingClient
from issuer.sign_in.consents_store import AllowedAccess
from tests.builders import OPERATOR
from tests.cli.driver import Cli, Result, Terminal
from tests.cli.test_confirming import ASKING, DELETING
from tests.sign_in.authorizing import BROWSER, CALLBACK, GRANTS
from tests.test_reference import commands

# The packages behind it are tested on both databases.
on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])

# Each command, with words of the question, which says what ends. Later ones need nothing that
# earlier ones end.
ENDING = [
    (
        "key revoke -- {key}",
        "This would destroy the ES256 key {key}, and refuse every token that it signed",
    ),
    (
        "user session end alice {session}",
        "Sign alice out of Firefox? The session from 192.0.2.7 ends, and every token that",
    ),
    (
        "user factor remove alice {factor}",
        "Remove “Authenticator app” of alice? It is the last second factor: the recovery codes end"
        " with it. Every session ends",
    ),
    (
        "user identity remove alice {identity}",
        "Unlink the account s-1 of google? alice cannot sign in with it any more. Sessions that",
    ),
    (
        "user delegation end alice agent",
        "Stop agent from acting for alice? The tokens that it got in exchange for those of alice",
    ),
    (
        "user consent withdraw alice app",
        "Withdraw what alice allowed app? At every audience. The tokens that app has for alice",
    ),
    ("user invite alice --cancel", "Withdraw the invitation of alice? The link stops working."),
    (
        "client trust remove pod --issuer google --subject s-2",
        "Remove the trust in s-2 of google? Its tokens no longer authenticate pod",
    ),
    (
        "trusted-issuer role unassign google runner --group staff --everywhere",
        "Unassign runner from the group staff of google, everywhere? People who have the role",
    ),
    (
        "client rotate cancel ci-bot",
        "Cancel the rotation of ci-bot? The new secret {secret} is deleted. It has never been used",
    ),
]
# Commands that ask, and whose tests are elsewhere.
ASKING_ELSEWHERE = {
    "apply",
    "client key delete",
    "client rotate finish",
    "client secret delete",
    "group member remove",
    "group role unassign",
    "user import",
    "user role unassign",
}
# What only reads, makes or adds, as the last word of a command, or all of it.
ENDING_NOTHING = {
    *("add", "assign", "checkpoint", "create", "doctor", "drill", "explain", "export", "follow"),
    *("generate-master", "health", "inspect", "invite", "lint", "list", "migrate", "pin", "plan"),
    *("preview", "pull", "quickstart", "retry", "review", "serve", "show", "start", "status"),
    *("unlock", "verify", "backup", "connect", "init", "restore"),
    *("key rotate", "login", "mail test", "token"),
}
# What ends something, and does not ask, with the reason.
NOT_ASKING = {
    "logout": "the caller's own tokens, and nothing else",
    "token revoke": "a token that the caller has",
    "user password": "the password is typed twice, or comes from a script",
    "admin change-url": "what it ends, a change back brings back",
    "admin recover": "replaces a secret that is lost",
}


@pytest.fixture
def names(cli: Cli) -> dict[str, str]:
    """What can be ended: the ids of alice's session, factor and identity, a key and a secret."""
    cli.done("user", "create", "alice")
    cli.done("audience", "create", "archive")
    cli.done("role", "create", "runner", "--scope", "agents:run")
    cli.done(
        *("trusted-issuer", "create", "google", "--issuer", "https://google.example"),
        *("--sign-in-client-id", "ours", "--kind", "people", "--kind", "workload"),
        *("--map-group", "staff=runner@*"),
    )
    linked = cli.json("user", "identity", "add", "alice", "--issuer", "google", "--subject", "s-1")
    for client in ("ci-bot", "pod", "agent"):
        cli.done("client", "create", client)
    cli.done("client", "trust", "add", "pod", "--issuer", "google", "--oidc", "s-2")
    secret = cli.json("client", "rotate", "start", "ci-bot")["id"]
    cli.done("user", "invite", "alice")
    (key, *_) = cli.json("key", "list")["items"]
    session = _sign_in(cli, cli.json("user", "show", "alice")["id"])
    (factor,) = cli.json("user", "factor", "list", "alice")["items"]
    ids = {"session": session, "factor": factor["id"], "identity": linked["id"]}
    return {**ids, "key": key["kid"], "secret": secret}


def _sign_in(cli: Cli, user_id: str) -> str:
    """The id of a session of the user, who has a factor and allowed two clients something."""
    with cli.composition() as parts:
        with parts.administration.changing(OPERATOR) as work:
            setup = work.factors.begin_totp(user_id)
            code = TOTP(setup.secret).at(parts.clock())
            work.factors.confirm_totp(user_id, setup.sealed, code)
            work.clients.create(
                ClientFields(client_id="app", grant_types=GRANTS, redirect_uris=[CALLBACK])
            )
            acting = frozenset({ActingClient("agent", "archive")})
            allowed = (user_id, "app", None, CALLBACK, frozenset(), frozenset({"openid"}), acting)
            work.consents.grant(AllowedAccess(*allowed))
        user = parts.tokens.directory.load_user(user_id)
        session, _ = parts.people.sessions.begin(user, ("pwd", "otp"), BROWSER, "Firefox/1")
    return session.id


@on_sqlite
def test_on_a_terminal_it_says_what_ends_and_does_it_only_after_yes(
    cli: Cli, names: dict[str, str]
):
    for command, loss in ENDING:
        words, before = command.format(**names).split(), events(cli)
        declined = typed(cli, "n", *words)
        assert (declined.status, declined.out.strip()) == (1, "")
        assert loss.format(**names) in declined.err
        assert "Nothing was changed." in declined.err
        assert events(cli) == before
        confirmed = typed(cli, "y", *words)
        assert (confirmed.status, confirmed.err.count("Continue?")) == (0, 1)
        assert events(cli) > before


@on_sqlite
def test_with_yes_nothing_is_asked_on_a_terminal_and_scripts_are_not_asked(
    cli: Cli, names: dict[str, str]
):
    for number, (command, _) in enumerate(ENDING):
        words = command.format(**names).split()
        ended = typed(cli, "", *words, "--yes") if number % 2 else cli(*words)
        assert (ended.status, ended.err) == (0, "")


def test_every_command_that_ends_something_asks():
    """A new command ends nothing, has a test that it asks, or a reason why it does not."""
    rows = [command for command, *_ in (*ENDING, *ASKING, *DELETING)]
    unknown, untested = [], []
    for command, options in commands():
        if command in NOT_ASKING:
            assert "--yes" not in options
        elif "--yes" in options:
            verb = command.split()[-1]
            is_tested = any(row.startswith(f"{command} ") or row == command for row in rows)
            if not (is_tested or command in ASKING_ELSEWHERE or verb == "update"):
                untested.append(command)
        elif not ENDING_NOTHING.intersection({command, command.split()[-1]}):
            unknown.append(command)
    assert (unknown, untested) == ([], [])


def typed(cli: Cli, answer: str, *command: str) -> Result:
    return cli(*command, stdin=Terminal(f"{answer}\n"))


def events(cli: Cli) -> int:
    return len(cli.json("audit", "list")["items"])
