"""`issuer login`, `issuer logout`, and the commands that use what they store."""

import io
import json
import re
import shlex
import signal
import stat
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
import segno

from issuer.cli.running.login import sign_in
from issuer.cli.running.stored_login import Login
from issuer.errors import IssuerError
from tests.builders import PASSWORD
from tests.cli.driver import Cli, Result, running
from tests.cli.test_token import unsigned
from tests.journeys.running_issuer import reserved_port
from tests.owners import give_to_another_user
from tests.rows import rows
from tests.web.browsing import Browser

CODE = re.compile(r"enter the code ([A-Z-]+)\.")


@dataclass(frozen=True)
class TerminalUser:
    """Alice, who is signed in with her browser, beside a command line of her own."""

    cli: Cli
    url: str
    folder: Path
    browser: Browser
    patch: pytest.MonkeyPatch

    def sign_in(self, *options: str, decision: str = "allow") -> str:
        """What `issuer login` prints while she decides in the browser."""
        return self.login(*options, decision=decision).succeeded.out

    def login(self, *options: str, decision: str = "allow") -> Result:
        """She decides instead of the wait for the first poll: the code is printed then."""

        def decide(_: float) -> None:
            printed = sys.stdout.getvalue() + sys.stderr.getvalue()  # type: ignore[attr-defined]
            page = self.browser.get("/device", user_code=CODE.search(printed)[1])
            consent = self.browser.follow(self.browser.submit(page, "/device"))
            self.browser.submit(consent, "/consent", decision=decision)

        with self.patch.context() as patch:
            patch.setattr(time, "sleep", decide)
            return self.cli("login", *options)

    def stale(self) -> dict[str, str]:
        """What is stored, with an access token that expires soon in place of the one it had."""
        (file,) = self.files
        login = json.loads(file.read_text())
        login["access_token"] = unsigned(iat=time.time() - 800, exp=time.time() + 100)
        file.write_text(json.dumps(login))
        return login

    @property
    def files(self) -> list[Path]:
        return list(self.folder.glob("*.login"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The command line of an operator, and a server."""
    folder = tmp_path_factory.mktemp("served")
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}"
        cli = Cli(
            {
                "ISSUER_URL": url,
                "ISSUER_DATA_DIR": str(folder / "data"),
                "ISSUER_SIGNING_ALGORITHMS": "ES256",
                "ISSUER_PASSWORD_HASH": "owasp",
            }
        )
        cli.done("init")
        cli.done("audience", "create", "my-os")
        cli.done("audience", "create", "other-os")
        cli.done("role", "create", "runner", "--scope", "agents:run", "--scope", "teams:run")
        cli.done("role", "create", "watcher", "--scope", "issuer:status:read")
        cli.done("user", "create", "alice", "--id", "user-1")
        cli.done("user", "password", "alice", "--password-stdin", stdin=PASSWORD)
        cli.done("user", "role", "assign", "alice", "runner", "--everywhere")
        cli.done("user", "role", "assign", "alice", "watcher", "--audience", url)
        audiences = ["--audience", "my-os", "--audience", "other-os", "--audience", url]
        public = ["client", "create", "issuer-cli", "--public", "--device", *audiences]
        cli.done(*public, "--user-rights", "all")
        with running(folder, cli.environment, "serve", "--port", str(port), "--json") as server:
            server.listening()
            yield cli


@pytest.fixture(scope="module")
def browser(served: Cli) -> Iterator[Browser]:
    url = served.environment["ISSUER_URL"]
    with httpx.Client(base_url=url, trust_env=False) as http:
        browser = Browser(http, url)
        browser.sign_in()
        yield browser


@pytest.fixture
def alice(
    served: Cli, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> TerminalUser:
    """Nothing is stored yet."""
    url = served.environment["ISSUER_URL"]
    cli = Cli({"ISSUER_URL": url, "XDG_STATE_HOME": str(tmp_path)})
    return TerminalUser(cli, url, tmp_path / "agentos-issuer", browser, monkeypatch)


def test_a_login_prints_where_to_enter_the_code_and_who_signed_in(alice: TerminalUser):
    lines = alice.sign_in("--audience", "my-os").splitlines()
    assert lines[0].startswith(f"Open {alice.url}/device and enter the code ")
    assert lines[1].startswith(f"Or open {alice.url}/device?user_code=")
    assert lines[2].startswith(f"Signed in at {alice.url} as alice. The token for my-os expires at")
    assert len(lines) == 3


@dataclass(frozen=True)
class LoginScreen:
    """What a person on a terminal sees of a login that they allow, and what a browser opens."""

    lines: list[str]
    opened: list[str]

    @property
    def address(self) -> str:
        (complete,) = (line.split()[2] for line in self.lines if line.startswith("Or open "))
        return complete


def on_terminal(alice: TerminalUser, *options: str, **environment: str) -> LoginScreen:
    opened: list[str] = []
    cli = alice.cli.with_environment(**environment)

    def decide(_: float) -> None:
        printed = sys.stdout.getvalue()  # type: ignore[attr-defined]
        page = alice.browser.get("/device", user_code=CODE.search(printed)[1])
        consent = alice.browser.follow(alice.browser.submit(page, "/device"))
        alice.browser.submit(consent, "/consent", decision="allow")

    with alice.patch.context() as patch:
        patch.setattr(time, "sleep", decide)
        patch.setattr(webbrowser, "open", opened.append)
        return LoginScreen(cli.on_terminal(80, "login", *options), opened)


def test_on_a_terminal_a_phone_can_scan_the_address(alice: TerminalUser):
    screen = on_terminal(alice)
    expected = io.StringIO()
    segno.make(screen.address, error="l", micro=False).terminal(expected, border=2, compact=True)
    code = [line.rstrip() for line in expected.getvalue().splitlines()]
    assert screen.lines[2 : 2 + len(code)] == code
    assert max(map(len, code)) <= 80
    assert screen.lines[-1].startswith(f"Signed in at {alice.url} as alice.")


@rows(
    ("options", "environment", "opens"),
    [
        ([], {}, False),
        ([], {"DISPLAY": ":0"}, True),
        ([], {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ([], {"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"}, False),
        ([], {"BROWSER": "my-browser"}, True),
        (["--no-browser"], {"DISPLAY": ":0"}, False),
    ],
)
def test_a_browser_opens_where_this_machine_has_one(
    alice: TerminalUser, options: list[str], environment: dict[str, str], opens: bool
):
    screen = on_terminal(alice, *options, **environment)
    assert screen.opened == ([screen.address] if opens else [])


def test_without_a_terminal_no_browser_opens(alice: TerminalUser, monkeypatch: pytest.MonkeyPatch):
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    cli = replace(alice, cli=alice.cli.with_environment(DISPLAY=":0"))
    assert "█" not in cli.sign_in()
    assert opened == []


def test_with_json_the_code_is_on_standard_error(alice: TerminalUser):
    result = alice.login("--json")
    assert f"Open {alice.url}/device" in result.err
    assert (result.json["username"], result.json["audience"]) == ("alice", alice.url)
    assert {"issuer:status:read", "offline_access"} < set(result.json["scope"].split())


def test_a_token_is_that_of_the_login(alice: TerminalUser):
    alice.sign_in("--audience", "my-os")
    token = alice.cli.done("token")
    assert token == alice.cli.done("token", "--audience", "my-os")
    claims = alice.cli.json("token", "--show")["claims"]
    assert (claims["sub"], claims["aud"], claims["client_id"]) == ("user-1", "my-os", "issuer-cli")
    assert claims["scopes"] == ["agents:run", "teams:run"]
    answer = alice.cli.json("token")
    assert (answer["access_token"], answer["token_type"]) == (token.strip(), "Bearer")
    assert 0 < answer["expires_in"] <= 900


def test_the_tokens_are_for_this_user_alone(alice: TerminalUser):
    alice.sign_in()
    (file,) = alice.files
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(alice.folder.stat().st_mode) == 0o700
    assert list(alice.folder.iterdir()) == [file]
    file.chmod(0o640)
    assert "can be read by others: chmod 600 it." in alice.cli("token").sentence
    file.chmod(0o600)
    alice.folder.chmod(0o750)
    assert "is open to others: chmod 700 it." in alice.cli("token").sentence
    alice.folder.chmod(0o700)
    give_to_another_user(alice.folder, alice.patch)
    assert "belongs to another user: set XDG_STATE_HOME" in alice.cli("token").sentence


def test_nobody_signs_in_for_a_folder_that_others_may_use(new_cli: Cli, tmp_path: Path):
    (tmp_path / "state" / "agentos-issuer").mkdir(parents=True, mode=0o755)
    assert "is open to others: chmod 700 it." in new_cli("login").sentence


def test_a_token_that_expires_soon_is_renewed(alice: TerminalUser):
    alice.sign_in("--audience", "my-os")
    before = alice.stale()
    token = alice.cli.done("token").strip()
    (file,) = alice.files
    after = json.loads(file.read_text())
    assert after["access_token"] == token != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert alice.cli.done("token").strip() == token


def test_many_commands_at_once_renew_once(alice: TerminalUser, tmp_path: Path):
    """Two uses of one refresh token would end the login (RFC 9700 §4.14.2)."""
    alice.sign_in()
    alice.stale()
    with ExitStack() as stack:
        programs = [
            stack.enter_context(running(tmp_path / str(number), alice.cli.environment, "token"))
            for number in range(4)
        ]
        results = [program.ended().succeeded.out for program in programs]
    assert len(set(results)) == 1
    alice.stale()
    assert alice.cli.done("token") not in results


def test_scopes_narrow_one_token_and_not_the_login(alice: TerminalUser):
    """RFC 6749 §6."""
    alice.sign_in("--audience", "my-os")
    narrow = alice.cli.json("token", "--scope", "agents:web:run", "--show")["claims"]
    assert narrow["scopes"] == ["agents:web:run"]
    alice.stale()
    assert alice.cli.json("token")["scope"] == "agents:run teams:run"
    refused = alice.cli("token", "--scope", "agents:delete").sentence
    assert refused.startswith("The server refuses: invalid_scope")
    assert alice.cli.done("token")


def test_a_login_can_ask_for_less(alice: TerminalUser):
    alice.sign_in("--audience", "my-os", "--scope", "teams:run")
    assert alice.cli.json("token")["scope"] == "teams:run"


def test_of_several_audiences_one_is_named(alice: TerminalUser):
    alice.sign_in("--audience", "my-os")
    alice.sign_in("--audience", "other-os")
    assert alice.cli("token").sentence.endswith("choose one with --audience: my-os, other-os.")
    claims = alice.cli.json("token", "--audience", "other-os", "--show")["claims"]
    assert claims["aud"] == "other-os"
    missing = alice.cli("token", "--audience", "third").wrong_usage
    assert f"sign in with `issuer login {alice.url} --audience third`, or name" in missing


def test_another_login_revokes_the_one_that_it_replaces(alice: TerminalUser):
    alice.sign_in()
    first = alice.stale()
    alice.sign_in()
    assert refreshed(alice, first).json()["error"] == "invalid_grant"
    alice.stale()
    assert alice.cli.done("token")


def refreshed(alice: TerminalUser, login: dict[str, str]) -> httpx.Response:
    form = {name: login[name] for name in ("refresh_token", "client_id")}
    form["grant_type"] = "refresh_token"
    return httpx.post(f"{alice.url}/oauth2/token", data=form, trust_env=False)


def test_a_revoked_login_names_the_command_that_signs_in_again(alice: TerminalUser):
    alice.sign_in("--audience", "my-os")
    form = {name: alice.stale()[name] for name in ("refresh_token", "client_id")}
    form["token"] = form.pop("refresh_token")
    assert httpx.post(f"{alice.url}/oauth2/revoke", data=form, trust_env=False).is_success
    assert alice.cli("token").sentence == (
        f"Your login at {alice.url} for my-os has expired or was revoked: sign in with"
        f" `issuer login {alice.url} --audience my-os`."
    )


def test_status_uses_the_login_for_the_issuer(alice: TerminalUser):
    without = alice.cli("status")
    assert without.status == 2
    assert "there is no terminal to ask for the client secret" in without.err
    assert not alice.folder.exists()
    alice.sign_in("--audience", "my-os")
    assert alice.cli("status").status == 2
    alice.cli.done("logout")
    alice.sign_in()
    assert alice.cli.json("status")["can_issue"]
    alice.stale()
    assert alice.cli.json("status", "--at", alice.url)["can_issue"]
    with_secret = alice.cli.with_environment(CLIENT_SECRET="wr0ng")
    assert "invalid_client" in with_secret("status").sentence
    assert alice.cli("status", "--client-id", "issuer-admin").status == 2


def test_a_logout_revokes_and_deletes(alice: TerminalUser):
    alice.sign_in("--audience", "my-os")
    stored = alice.stale()
    assert alice.cli.done("logout") == f"Signed out at {alice.url} for my-os.\n"
    assert alice.files == []
    assert refreshed(alice, stored).json()["error"] == "invalid_grant"
    assert alice.cli("logout").sentence == f"You are not signed in at {alice.url}."


def test_a_logout_may_be_for_one_audience(alice: TerminalUser):
    alice.sign_in("--audience", "my-os")
    alice.sign_in("--audience", "other-os")
    assert alice.cli.json("logout", "--audience", "my-os")["audiences"] == ["my-os"]
    assert alice.cli("logout", "--audience", "my-os").sentence.endswith(f"{alice.url} for my-os.")
    assert alice.cli.json("token", "--show")["claims"]["aud"] == "other-os"
    alice.sign_in()
    assert alice.cli.json("logout")["audiences"] == [alice.url, "other-os"]


def test_without_the_server_a_logout_says_what_is_left_to_do(
    new_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}"
        Login(url, "my-os", "issuer-cli", unsigned(iat=0, exp=1), "airt_x").store()
        cli = new_cli.with_environment(XDG_STATE_HOME=str(tmp_path), ISSUER_URL=url)
        assert "does not answer" in cli("token").sentence
        sentence = cli("logout").sentence
    assert sentence.startswith(
        "The tokens are deleted from this machine, but not revoked: end the access at"
        f" {url}/account. "
    )
    assert "does not answer" in sentence
    assert list(tmp_path.rglob("*.login")) == []


def test_a_denied_sign_in_is_one_sentence(alice: TerminalUser):
    result = alice.login(decision="deny")
    assert (result.status, result.err) == (1, "The sign-in was denied in the browser.\n")
    assert alice.files == []


def test_an_unknown_client_is_refused_with_the_command_that_creates_it(
    served: Cli, alice: TerminalUser
):
    options = ["--client-id", "my-cli", "--audience", "my-os"]
    refused = alice.cli("login", *options).sentence
    command = re.search("`issuer (client create .*)`", refused)[1]
    served.done(*shlex.split(command))
    alice.sign_in(*options)
    (file,) = alice.files
    assert json.loads(file.read_text())["client_id"] == "my-cli"
    alice.stale()
    assert alice.cli.done("token")


def test_a_client_without_the_grant_is_refused_with_the_command(served: Cli, alice: TerminalUser):
    served.done("client", "create", "web", "--public", "--redirect-uri", "https://app.example/cb")
    refused = alice.cli("login", "--client-id", "web").sentence
    assert "unauthorized_client" in refused
    assert f"issuer client create web --public --device --audience {alice.url} --user" in refused


def test_ctrl_c_ends_a_login_and_stores_nothing(alice: TerminalUser, tmp_path: Path):
    with running(tmp_path / "login", alice.cli.environment, "login") as program:
        program.output_with("enter the code")
        result = program.stopped(signal.SIGINT)
    assert (result.status, result.err) == (130, "")
    assert alice.files == []


def test_without_a_login_both_ways_are_named(new_cli: Cli):
    for options in ([], ["--show"]):
        sentence = new_cli("token", *options).wrong_usage
        assert "sign in with `issuer login " in sentence
        assert "or name the client with --client-id" in sentence


@rows("options", [["--cache"], ["--username", "alice"], ["--client-secret-stdin"]])
def test_options_of_a_client_need_one(new_cli: Cli, options: list[str]):
    assert "name the client with --client-id" in new_cli("token", *options).wrong_usage


def test_a_damaged_file_is_no_login(alice: TerminalUser):
    alice.sign_in()
    (file,) = alice.files
    for content in ("", "[]", "{}", "\N{SNOWMAN}"):
        file.write_text(content)
        assert "sign in with" in alice.cli("token").wrong_usage
    alice.sign_in()
    assert alice.cli.done("token")


def test_a_logout_deletes_damaged_files_too(alice: TerminalUser):
    alice.sign_in("--audience", "my-os")
    alice.sign_in("--audience", "other-os")
    alice.files[0].write_text("{}")
    alice.cli.done("logout")
    assert not alice.files


def test_a_login_without_a_refresh_token_is_used_until_it_expires(alice: TerminalUser):
    alice.sign_in("--audience", "my-os")
    login = alice.stale() | {"refresh_token": ""}
    (file,) = alice.files
    file.write_text(json.dumps(login))
    assert alice.cli.done("token").strip() == login["access_token"]
    assert "may not refresh tokens" in alice.cli("token", "--scope", "teams:run").sentence
    login["access_token"] = unsigned(iat=time.time() - 900, exp=time.time() - 1)
    file.write_text(json.dumps(login))
    assert "has expired" in alice.cli("token").sentence


class ScriptedServer(HTTPServer):
    """Its token endpoint answers with a status and a body, one after another."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        super().__init__(("127.0.0.1", 0), ScriptedHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answers = list(answers)
        self.forms: list[dict[str, str]] = []
        self.metadata: dict[str, Any] = {
            "issuer": self.url,
            "device_authorization_endpoint": f"{self.url}/device_authorization",
            "token_endpoint": f"{self.url}/token",
        }


class ScriptedHandler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def do_GET(self) -> None:
        self.answer(200, self.server.metadata)

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.forms.append(dict(parse_qsl(form)))
        if self.path == "/token":
            self.answer(*self.server.answers.pop(0))
        else:
            self.answer(200, DEVICE)

    def answer(self, status: int, body: Any) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


DEVICE = {
    "device_code": "d",
    "user_code": "BCDF-GHJK",
    "verification_uri": "https://id.example/device",
    "expires_in": 100,
    "interval": 3,
}
TOKENS = (200, {"access_token": "a", "refresh_token": "r", "token_type": "Bearer"})
PENDING, SLOW_DOWN = ((400, {"error": each}) for each in ("authorization_pending", "slow_down"))
AWAY = (502, b"<html>")


@contextmanager
def scripted(*answers: tuple[int, Any]) -> Iterator[ScriptedServer]:
    server = ScriptedServer(*answers)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def signed_in(
    server: ScriptedServer, wait: Callable[[float], None], scopes: list[str] | None = None
) -> Login:
    return sign_in(server.url, "issuer-cli", "my-os", scopes, lambda _: None, wait)


@rows(
    ("answers", "pauses"),
    {
        "at once": ([TOKENS], [3]),
        "every 3 seconds": ([PENDING, PENDING, TOKENS], [3, 3, 3]),
        "slower from then on": ([SLOW_DOWN, PENDING, SLOW_DOWN, TOKENS], [3, 8, 8, 13]),
        "away for a while": ([AWAY, AWAY, PENDING, TOKENS], [3, 6, 12, 3]),
        "away for long": ([AWAY, AWAY, AWAY, AWAY, TOKENS], [3, 6, 12, 24, 48]),
        "busy": ([(503, {"error": "temporarily_unavailable"}), TOKENS], [3, 6]),
        "too many": ([(429, {"error": "temporarily_unavailable"}), TOKENS], [3, 8]),
    },
)
def test_polling_keeps_the_interval_of_the_server(answers: list[Any], pauses: list[int]):
    """RFC 8628 §3.5."""
    waited: list[float] = []
    with scripted(*answers) as server:
        login = signed_in(server, waited.append)
    assert waited == pauses
    assert (login.access_token, login.refresh_token) == ("a", "r")


@rows(
    ("answers", "sentence"),
    {
        "denied": ([PENDING, (400, {"error": "access_denied"})], "was denied in the browser"),
        "expired": ([(400, {"error": "expired_token"})], "The code has expired: run `issuer login"),
        "nobody came": ([PENDING] * 34, "The code has expired: run `issuer login` again"),
        "away to the end": ([AWAY] * 6, "The code has expired: run `issuer login` again"),
        "anything else": ([(400, {"error": "invalid_grant"})], "The server refuses: invalid_grant"),
    },
)
def test_polling_ends_with_one_sentence(answers: list[Any], sentence: str):
    with scripted(*answers) as server:
        with pytest.raises(IssuerError, match=sentence):
            signed_in(server, lambda _: None)
        assert server.answers == []


def test_a_server_that_cannot_be_reached_is_asked_again_ever_more_seldom():
    waited: list[float] = []
    with scripted() as server, reserved_port() as port:
        server.metadata["token_endpoint"] = f"http://127.0.0.1:{port}/token"
        with pytest.raises(IssuerError, match="The code has expired"):
            signed_in(server, waited.append)
    assert waited == [3, 6, 12, 24, 48, 60]


def test_what_a_login_asks_for():
    with scripted(TOKENS) as server:
        signed_in(server, lambda _: None, ["agents:run", ""])
    assert server.forms == [
        {
            "client_id": "issuer-cli",
            "audience": "my-os",
            "scope": "openid profile offline_access agents:run",
        },
        {
            "client_id": "issuer-cli",
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": "d",
        },
    ]


def test_metadata_of_another_issuer_is_refused():
    """RFC 8414 §3.3."""
    with scripted() as server:
        server.metadata["issuer"] = "https://id.example"
        with pytest.raises(IssuerError, match=r"has the issuer URL https://id\.example"):
            signed_in(server, lambda _: None)
    assert server.forms == []


def test_a_server_without_the_grant_is_one_sentence():
    with scripted() as server:
        del server.metadata["device_authorization_endpoint"]
        with pytest.raises(IssuerError, match="no device_authorization_endpoint") as raised:
            signed_in(server, lambda _: None)
    assert "`issuer client create issuer-cli --public --device --audience my-os" in str(
        raised.value
    )


def test_a_code_is_not_asked_for_in_the_clear(new_cli: Cli):
    printed = new_cli("login", "--url", "http://id.example").sentence
    assert "neither https:// nor loopback" in printed
