"""Commands that act on a server elsewhere: which one, as whom, and what it refuses."""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.builders import URL
from tests.cli.driver import Cli, Terminal
from tests.cli.servers import ServerCli, elsewhere
from tests.cli.test_token import unsigned

pytestmark = [
    pytest.mark.parametrize("database_kind", ["sqlite"]),
    pytest.mark.parametrize("way", ["server"]),
]


@pytest.fixture
def laptop(cli: ServerCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A machine without a data directory, whose environment names no server."""
    monkeypatch.chdir(tmp_path)
    cli.done("role", "create", "runner", "--scope", "agents:run", "--scope", "agents:read")
    return elsewhere(cli).with_environment(
        ISSUER_SERVER=None, ISSUER_CLIENT_ID=None, ISSUER_CLIENT_SECRET=None
    )


def sign_in(cli: ServerCli, laptop: Cli, token: str = "", issuer: str = URL) -> None:
    """Store a login, as `issuer login` does."""
    folder = Path(laptop.environment["XDG_STATE_HOME"]) / "agentos-issuer"
    folder.mkdir(0o700, parents=True, exist_ok=True)
    made = cli.server.http.post(
        "/oauth2/token",
        data={"grant_type": "client_credentials", "audience": URL},
        auth=(cli.server.admin.client_id, cli.server.admin.client_secret),
    ).json()
    login = {
        "issuer": issuer,
        "audience": issuer,
        "client_id": "issuer-cli",
        "access_token": token or made["access_token"],
        "refresh_token": "",
        "signed_in_at": time.time(),
    }
    digests = [hashlib.sha256(issuer.encode()).hexdigest()] * 2
    file = folder / f"{'-'.join(digests)}.login"
    file.touch(0o600)
    file.write_text(json.dumps(login))


def test_the_server_of_the_last_login_is_said_on_standard_error(cli: ServerCli, laptop: Cli):
    sign_in(cli, laptop)
    listed = laptop("role", "list", "--json")
    assert (listed.status, listed.err) == (0, f"On {URL}, where you signed in last.\n")
    assert "runner" in [each["name"] for each in listed.items]


def test_a_named_server_is_not_said(cli: ServerCli, laptop: Cli):
    sign_in(cli, laptop)
    assert laptop("--server", URL, "role", "show", "runner").succeeded
    assert laptop("role", "show", "runner", f"--server={URL}").succeeded
    assert laptop.with_environment(ISSUER_SERVER=URL)("role", "show", "runner").succeeded


def test_a_data_directory_comes_before_the_last_login(cli: ServerCli, laptop: Cli):
    sign_in(cli, laptop)
    (Path.cwd() / "issuer-data").mkdir()
    assert laptop("role", "list").status == 1


def test_who_is_not_signed_in_is_told_how(laptop: Cli):
    sentence = laptop("--server", URL, "role", "list").sentence
    assert sentence == (
        f"You are not signed in at {URL}: use `issuer login {URL}`, or set ISSUER_CLIENT_ID and"
        " ISSUER_CLIENT_SECRET."
    )


def test_a_login_that_ended_says_how_to_sign_in(cli: ServerCli, laptop: Cli):
    sign_in(cli, laptop, unsigned(iat=time.time() - 1, exp=time.time() + 900))
    assert laptop("--server", URL, "role", "list").sentence == (
        f"Your login at {URL} has expired or was revoked: use `issuer login {URL}`."
    )


def test_a_missing_scope_is_named(cli: ServerCli, laptop: Cli):
    scopes = ["--scope", "issuer:roles:read", "--audience", URL]
    made = cli.json("client", "create", "reader", *scopes)
    reader = laptop.with_environment(
        ISSUER_SERVER=URL,
        ISSUER_CLIENT_ID="reader",
        ISSUER_CLIENT_SECRET=made["client_secret"],
    )
    cli.server.services.tokens.changes.poll()
    assert reader("role", "show", "runner").succeeded
    assert reader("role", "update", "runner", "--description", "x").sentence == (
        f"This needs the scope issuer:roles:write, which reader lacks at {URL}."
    )


def test_a_secret_is_sent_to_https_only(laptop: Cli):
    sentence = laptop("--server", "http://id.example", "role", "list").sentence
    assert "http://id.example, which is neither https:// nor loopback" in sentence


def test_no_connection_names_the_address_and_the_cause(
    cli: ServerCli, laptop: Cli, monkeypatch: pytest.MonkeyPatch
):
    sign_in(cli, laptop)

    def refuse(*_: object) -> httpx.Response:
        raise httpx.ConnectError("[Errno 111] Connection refused")

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", refuse)
    sentence = laptop("--server", URL, "role", "list").sentence
    assert sentence.startswith(f"{URL} does not answer: Connection refused.")


Transport = Callable[[httpx.Request, Callable[[], httpx.Response]], httpx.Response]


@pytest.fixture
def between(cli: ServerCli, monkeypatch: pytest.MonkeyPatch) -> Callable[[Transport], None]:
    """Puts something between the command line and the server."""
    onwards = httpx.HTTPTransport.handle_request

    def put(transport: Transport) -> None:
        def handle(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
            return transport(request, lambda: onwards(self, request))

        monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)

    return put


def test_a_server_that_refuses_dry_runs_is_asked_for_no_change(
    cli: ServerCli, laptop: Cli, between: Callable[[Transport], None]
):
    """As every version before this one does."""

    def refuse(request: httpx.Request, onwards: Callable[[], httpx.Response]) -> httpx.Response:
        if "dry_run" not in request.url.params:
            assert request.method == "GET"
            return onwards()
        error = {"field": "dry_run", "message": "is not a query parameter of this operation"}
        kind = "urn:agentos-issuer:problem:invalid-fields"
        problem = {"type": kind, "detail": "Invalid fields.", "errors": [error]}
        return httpx.Response(422, json=problem)

    sign_in(cli, laptop)
    between(refuse)
    assert laptop("--server", URL, "role", "delete", "runner").sentence == (
        f"{URL} has an older version of the issuer, which cannot do this: use the command line of"
        " that version. Nothing was changed."
    )


def test_an_answer_that_does_not_say_that_it_is_to_a_dry_run_is_an_error(
    cli: ServerCli, laptop: Cli, between: Callable[[Transport], None]
):
    def without_the_header(
        _: httpx.Request, onwards: Callable[[], httpx.Response]
    ) -> httpx.Response:
        answer = onwards()
        answer.headers.pop("Dry-Run", None)
        return answer

    sign_in(cli, laptop)
    between(without_the_header)
    sentence = laptop("--server", URL, "role", "delete", "runner").sentence
    assert sentence.startswith(f"{URL} may have done this instead of trying it: ")
    assert cli("role", "show", "runner").succeeded


def test_a_redirect_is_not_followed(
    cli: ServerCli, laptop: Cli, between: Callable[[Transport], None]
):
    urls: list[str] = []

    def redirect(request: httpx.Request, _: object) -> httpx.Response:
        urls.append(str(request.url))
        return httpx.Response(307, headers={"Location": "https://thief.example/"})

    sign_in(cli, laptop)
    between(redirect)
    sentence = laptop("--server", URL, "role", "show", "runner").sentence
    assert sentence == f"{URL}/admin/v1/roles/runner answers 307, but not as an issuer."
    assert urls == [f"{URL}/admin/v1/roles/runner"]


def test_an_answer_that_does_not_come_is_no_refusal(
    cli: ServerCli, laptop: Cli, between: Callable[[Transport], None]
):
    def lose(request: httpx.Request, onwards: Callable[[], httpx.Response]) -> httpx.Response:
        answer = onwards()
        if request.method == "DELETE" and "dry_run" not in request.url.params:
            raise httpx.ReadTimeout("timed out")
        return answer

    sign_in(cli, laptop)
    between(lose)
    sentence = laptop("--server", URL, "role", "delete", "runner").sentence
    assert sentence.endswith(" It may have been done: look before you try again.")
    assert cli("role", "show", "runner").status == 1


def test_a_secret_in_the_environment_is_sent_to_its_server_only(cli: ServerCli, laptop: Cli):
    client = {"ISSUER_CLIENT_ID": "ci", "ISSUER_CLIENT_SECRET": "secret"}
    of_another = laptop.with_environment(ISSUER_SERVER="https://other.example", **client)
    assert of_another("--server", URL, "role", "list").sentence.startswith("You are not signed in")
    sign_in(cli, laptop)
    assert of_another("--server", URL, "role", "show", "runner").succeeded
    assert laptop.with_environment(**client)("role", "show", "runner").status == 0


def test_a_password_in_the_url_of_a_server_is_refused_and_not_repeated(laptop: Cli):
    for words in (["role", "list"], ["doctor"]):
        sentence = laptop("--server", "https://alice:hunter2@id.example", *words).sentence
        assert sentence.startswith("A server is named by its URL, without user, password")


def test_an_id_cannot_lead_to_another_path(cli: ServerCli):
    cli.done("user", "create", "alice")
    sentence = cli("user", "session", "end", "alice", "..", "--yes").sentence
    assert sentence == "'..' cannot be an id."
    assert cli("user", "role", "list", "alice").succeeded


@pytest.mark.parametrize("words", ["doctor", "init", "backup f", "audit verify", "key export"])
def test_what_needs_the_host_says_so(laptop: Cli, words: str):
    sentence = laptop("--server", URL, *words.split()).sentence
    assert sentence == (
        f"This command works on the host of the issuer, not over {URL}: run it there, without"
        " --server and ISSUER_SERVER."
    )


def test_what_others_change_while_the_question_waits_is_asked_for_too(
    cli: ServerCli, tmp_path: Path
):
    cli.done("role", "create", "runner", "--scope", "agents:run", "--scope", "agents:read")

    class ChangingTerminal(Terminal):
        """Before each answer, somebody adds a scope, twice."""

        added = 0

        def readline(self, *size: int) -> str:
            if self.added < 2:
                self.added += 1
                cli.done("role", "update", "runner", "--add-scope", f"x{self.added}:y")
            return "y\n"

    result = cli("role", "delete", "runner", stdin=ChangingTerminal())
    questions = result.err + result.out
    assert [f"with {number} scopes" in questions for number in (2, 3, 4)] == [True, True, True]
    assert cli("role", "show", "runner").status == 1


def test_a_client_is_deleted_again_if_its_role_cannot_be_assigned(cli: ServerCli):
    cli.done("audience", "create", "my-os")
    command = ["client", "create", "ci-bot", "--audience", "my-os", "--role"]
    missing = cli(*command, "nothing").sentence
    assert missing == "There is no role 'nothing'. See `issuer role list`."
    assert cli("client", "show", "ci-bot").status == 1


def test_a_kept_token_that_was_revoked_is_replaced(cli: ServerCli):
    cli.done("audience", "create", "my-os")
    (file,) = (Path(cli.environment["XDG_CACHE_HOME"]) / "agentos-issuer").glob("*.token")
    file.write_text(unsigned(iat=time.time() - 1, exp=time.time() + 900))
    cli.done("audience", "show", "my-os")


def test_the_audit_log_is_read_with_the_names_of_people(cli: ServerCli):
    cli.done("user", "create", "bob", "--id", "usr_1")
    cli.done("role", "create", "runner", "--scope", "agents:run")
    cli.done("user", "role", "assign", "bob", "runner", "--everywhere")
    line = cli.done("audit", "list", "--limit", "1")
    assert "issuer-admin assigned the role runner to bob everywhere" in line
    assert cli.json("audit", "list", "--target", "bob")["items"][-1]["action"] == "user.created"
    exported = [json.loads(line) for line in cli.done("audit", "export").splitlines()]
    assert exported == cli.json("audit", "list", "--limit", "10000")["items"]
    assert cli.json("audit", "list", "--until", "2020-01-01")["items"] == []
    unknown = cli("audit", "export", "--actor", "bobo").sentence
    assert unknown == "There is no client or user 'bobo'. Did you mean bob?"


def test_keys_are_rotated_and_revoked(cli: ServerCli):
    host = Cli(cli.environment)
    next_key, active = cli.json("key", "list")["items"]
    assert [next_key, active] == host.json("key", "list")["items"]
    assert cli("key", "rotate").sentence == host("key", "rotate").sentence
    asked = cli("key", "revoke", active["kid"], stdin=Terminal("n\n"))
    assert f"This would destroy the ES256 key {active['kid']}, and refuse every" in asked.err
    assert cli.json("key", "list")["items"][1]["state"] == "active"
    said = cli.done("key", "revoke", active["kid"])
    assert said.startswith(
        f"Revoked {active['kid']}. The issuer refuses its tokens within a second"
    )
    states = {each["kid"]: each["state"] for each in cli.json("key", "list")["items"]}
    assert (states[active["kid"]], states[next_key["kid"]]) == ("destroyed", "active")


def test_verifiers_are_listed(cli: ServerCli):
    assert cli.done("verifier", "list") == "No verifier reported in the last day.\n"
