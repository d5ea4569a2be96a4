"""`issuer token` against a running server."""

import base64
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from issuer.agentos.dpop import read_proof
from issuer.cli.api_client import not_answering
from issuer.cli.running.token_cache import token_from_cache
from issuer.errors import IssuerError
from tests.builders import PASSWORD
from tests.cli.driver import Cli, running
from tests.federation.tls_server import answer, tls_server
from tests.journeys.running_issuer import reserved_port
from tests.owners import give_to_another_user
from tests.rows import rows


@dataclass(frozen=True)
class Served:
    """The command line beside a running server, and the secret of a client."""

    cli: Cli
    secret: str


@pytest.fixture(scope="module", params=["", pytest.param("/auth", marks=pytest.mark.slow)])
def served(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Served]:
    """At the root of its host, and under a path."""
    folder = tmp_path_factory.mktemp("served")
    with reserved_port() as port:
        cli = Cli(
            {
                "ISSUER_URL": f"http://127.0.0.1:{port}{request.param}",
                "ISSUER_DATA_DIR": str(folder / "data"),
                "ISSUER_SIGNING_ALGORITHMS": "ES256",
                "ISSUER_PASSWORD_HASH": "owasp",
            }
        )
        cli.done("init")
        cli.done("audience", "create", "my-os")
        client = ["client", "create", "ci:bot", "--audience", "my-os", "--scope", "agents:run"]
        secret = cli.json(*client, "--scope", "teams:run")["client_secret"]
        grants = ["--grant-type", "client_credentials", "--grant-type", "password"]
        cli.done("client", "update", "ci:bot", *grants)
        cli.done("role", "create", "runner", "--scope", "agents:run")
        cli.done("user", "create", "alice", "--id", "alice")
        cli.done("user", "password", "alice", "--password-stdin", stdin=PASSWORD)
        cli.done("user", "role", "assign", "alice", "runner", "--everywhere")
        with running(folder, cli.environment, "serve", "--port", str(port), "--json") as server:
            server.listening()
            yield Served(cli.with_environment(CLIENT_SECRET=secret), secret)


def test_the_bare_token_and_nothing_else(served: Served):
    token = served.cli.done("token", "--client-id", "ci:bot")
    assert token.count(".") == 2
    assert token.count("\n") == 1


def test_the_whole_answer(served: Served):
    answer = served.cli.json("token", "--client-id", "ci:bot", "--audience", "my-os")
    assert (answer["token_type"], answer["scope"]) == ("Bearer", "agents:run teams:run")


def test_show_prints_header_and_claims(served: Served):
    asked = ["--client-id", "ci:bot", "--scope", "agents:web:run", "--scope", "teams:run"]
    shown = served.cli.json("token", *asked, "--show")
    assert shown["header"]["typ"] == "at+jwt"
    assert shown["claims"]["sub"] == "ci:bot"
    assert shown["claims"]["scopes"] == ["agents:web:run", "teams:run"]


def test_a_user_signs_in_with_secret_and_password_from_standard_input(served: Served):
    cli = served.cli.with_environment(CLIENT_SECRET=None)
    signing_in = ["--username", "alice", "--client-secret-stdin", "--password-stdin", "--show"]
    stdin = f"{served.secret}\n{PASSWORD}\n"
    claims = cli.json("token", "--client-id", "ci:bot", *signing_in, stdin=stdin)["claims"]
    assert (claims["sub"], claims["scopes"]) == ("alice", ["agents:run"])


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (["--scope", "agents:read"], "invalid_scope (Not permitted at this audience: agents:read)"),
        (["--audience", "nowhere"], "invalid_target (The client may not have tokens for this"),
    ],
)
def test_a_refusal_is_one_sentence(served: Served, asked: list[str], sentence: str):
    printed = served.cli("token", "--client-id", "ci:bot", *asked).sentence
    assert printed.startswith(f"The server refuses: {sentence}")


def test_no_token_is_asked_for_without_any_scope(served: Served):
    """RFC 6749 §3.1: it would be a token with all scopes."""
    printed = served.cli("token", "--client-id", "ci:bot", "--scope", "").wrong_usage
    assert "cannot ask for no scope" in printed


def test_a_wrong_secret_is_one_sentence_without_it(served: Served):
    printed = served.cli.with_environment(CLIENT_SECRET="wr0ng")("token", "--client-id", "ci:bot")
    assert printed.sentence.startswith(
        "The server refuses: invalid_client (Client authentication failed). Check id and secret: "
    )
    assert "wr0ng" not in printed.err


def test_metadata_of_another_issuer_is_refused(served: Served):
    """RFC 8414 §3.3: a secret is sent only to the endpoint of the named issuer."""
    url = served.cli.environment["ISSUER_URL"]
    printed = served.cli("token", "--client-id", "ci:bot", "--url", f"{url}/").sentence
    assert f"has the issuer URL {url}" in printed


@pytest.mark.parametrize("url", ["http://id.example", "ftp://127.0.0.1", "127.0.0.1:9000", ""])
def test_a_secret_is_not_sent_in_the_clear(new_cli: Cli, url: str):
    cli = new_cli.with_environment(CLIENT_SECRET="s3cret", ISSUER_URL=None)
    printed = cli("token", "--client-id", "ci-bot", "--url", url).sentence
    assert "neither https:// nor loopback" in printed


def test_an_unreachable_server_is_one_sentence(new_cli: Cli):
    cli = new_cli.with_environment(CLIENT_SECRET="s3cret")
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}"
        printed = cli("token", "--client-id", "ci-bot", "--url", url).sentence
        alive = cli("health", "--url", url).sentence
    cause = (
        " does not answer: Connection refused. Start the server with `issuer serve`, or correct its"
        " URL, which ISSUER_URL or an option names."
    )
    assert printed == f"{url}/.well-known/oauth-authorization-server{cause}"
    assert alive == f"{url}/healthz{cause}"


@pytest.mark.parametrize(
    ("cause", "printed"),
    [
        ("[Errno -2] Name or service not known", "Name or service not known. Check DNS, or"),
        ("[Errno -3] Temporary failure in name resolution", "Temporary failure in name resolution"),
        ("timed out", "timed out. Check the network, or correct"),
        ("[Errno 104] Connection reset by peer", "Connection reset by peer."),
        ("", "ConnectError."),
    ],
)
def test_the_cause_is_in_the_words_of_the_system(cause: str, printed: str):
    error = str(not_answering("https://id.example/x", httpx.ConnectError(cause)))
    assert error.startswith(f"https://id.example/x does not answer: {printed}")


def test_without_a_terminal_a_secret_is_not_waited_for(new_cli: Cli):
    assert new_cli("token", "--client-id", "ci-bot").status == 2


@pytest.fixture
def cached(served: Served, tmp_path: Path) -> Served:
    """With a cache of its own."""
    return replace(served, cli=served.cli.with_environment(XDG_CACHE_HOME=str(tmp_path)))


ASKED = ["token", "--client-id", "ci:bot", "--cache"]


def test_a_cached_token_is_used_again_without_the_secret(cached: Served):
    token = cached.cli.done(*ASKED)
    assert cached.cli.with_environment(CLIENT_SECRET=None).done(*ASKED) == token


def test_another_request_has_a_cache_entry_of_its_own(cached: Served):
    asked = [[], ["--audience", "my-os"], ["--scope", "agents:run"]]
    tokens = {cached.cli.done(*ASKED, *more) for more in asked}
    assert len(tokens) == 3
    claims = cached.cli.json(*ASKED, *asked[-1], "--show")["claims"]
    assert claims["scopes"] == ["agents:run"]


def test_a_cached_answer_says_how_long_the_token_is_valid(cached: Served):
    for _ in range(2):
        answer = cached.cli.json(*ASKED)
        assert 880 < answer["expires_in"] <= 900
        assert (answer["token_type"], answer["scope"]) == ("Bearer", "agents:run teams:run")


def test_the_cache_is_for_this_user_alone(cached: Served, tmp_path: Path):
    cached.cli.done(*ASKED)
    (file,) = (tmp_path / "agentos-issuer").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    file.chmod(0o644)
    assert "can be read by others" in cached.cli(*ASKED).sentence


def test_a_cache_folder_that_others_may_use_is_refused(
    cached: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "agentos-issuer"
    folder.mkdir(mode=0o700)
    folder.chmod(0o710)
    assert "is open to others: chmod 700 it." in cached.cli(*ASKED).sentence
    folder.chmod(0o700)
    give_to_another_user(folder, monkeypatch)
    assert "belongs to another user" in cached.cli(*ASKED).sentence


def test_a_command_waits_a_bounded_time_for_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "agentos-issuer"
    folder.mkdir(mode=0o700)
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(IssuerError, match="Another command has held"):
        token_from_cache("https://id.example", "ci", None, None, lambda: "secret", patience=0)
    os.close(descriptor)


UNUSABLE = ["", "no token", "a.b.c", "expires soon", "expired, issued in the future", "\N{SNOWMAN}"]


@rows("content", [*UNUSABLE])
def test_a_cached_token_that_cannot_be_used_is_replaced(
    cached: Served, tmp_path: Path, content: str
):
    token = cached.cli.done(*ASKED)
    (file,) = (tmp_path / "agentos-issuer").iterdir()
    now = time.time()
    claims = {
        "expires soon": {"iat": now - 800, "exp": now + 100},
        "expired, issued in the future": {"iat": now + 10_000, "exp": now - 1},
    }
    unusable = unsigned(**claims[content]) if content in claims else content
    file.write_text(unusable)
    replaced = cached.cli.done(*ASKED)
    assert replaced.count(".") == 2
    assert replaced.strip() not in {token.strip(), unusable}
    assert cached.cli.done(*ASKED) == replaced


def test_many_commands_at_once_request_one_token(cached: Served, tmp_path: Path):
    with ExitStack() as stack:
        programs = [
            stack.enter_context(running(tmp_path / str(number), cached.cli.environment, *ASKED))
            for number in range(4)
        ]
        results = [program.ended().succeeded.out for program in programs]
    assert len(set(results)) == 1


def test_a_refusal_is_not_cached(cached: Served):
    refused = cached.cli.with_environment(CLIENT_SECRET="wr0ng")(*ASKED).sentence
    assert refused.startswith("The issuer refuses a token: invalid_client")
    assert "wr0ng" not in refused
    assert cached.cli.done(*ASKED)


def test_tokens_of_users_are_not_cached(cached: Served):
    assert cached.cli(*ASKED, "--username", "alice").status == 2


def unsigned(**claims: float) -> str:
    """A token that only says when it expires."""
    header, payload = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "none"}, claims)
    )
    return f"{header}.{payload}."


def test_a_private_authority_is_trusted_if_ssl_cert_file_names_it(tmp_path: Path):
    with tls_server(tmp_path, name="localhost") as server:
        path = "/.well-known/oauth-authorization-server"
        server.at(path, answer(b'{"issuer": "https://another.example"}'))
        url = f"https://localhost:{server.server_port}"
        asking = ["token", "--client-id", "ci-bot", "--url", url]
        cli = Cli({"CLIENT_SECRET": "secret"})
        refused = cli(*asking).sentence
        trusting = cli.with_environment(SSL_CERT_FILE=str(tmp_path / "certificate.pem"))
        accepted = trusting(*asking).sentence
    assert "certificate verify failed" in refused
    assert refused.endswith("set SSL_CERT_FILE to the file with its certificate.")
    assert accepted == f"The server at {url} has the issuer URL https://another.example: use that."


def test_a_token_is_bound_to_a_key_in_a_file_and_presented_with_a_proof(
    served: Served, tmp_path: Path
):
    """RFC 9449. The key is made once; other users cannot read it."""
    key = tmp_path / "key.pem"
    bound = ("token", "--client-id", "ci:bot", "--dpop", str(key))
    claims = [served.cli.json(*bound, "--show")["claims"] for _ in range(2)]
    assert claims[0]["cnf"] == claims[1]["cnf"]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    url = "https://os.example/agents"
    shown = served.cli.done(*bound, "--request", f"GET {url}").splitlines()
    headers = dict(line.split(": ", 1) for line in shown)
    token = headers["Authorization"].removeprefix("DPoP ")
    proof = read_proof(headers["DPoP"].encode(), "GET", url, time.time())
    assert proof.is_for(token)
    assert {"jkt": proof.jkt} == claims[0]["cnf"]
    assert served.cli.json(*bound)["token_type"] == "DPoP"


@rows(
    ("arguments", "problem"),
    [
        (("--request", "GET https://os.example"), "--request needs --dpop"),
        (("--dpop", "key.pem", "--cache"), "--dpop needs --client-id, without --cache"),
        (("--dpop", "key.pem", "--request", "/agents"), "a method and a URL"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    served: Served, arguments: tuple[str, ...], problem: str
):
    result = served.cli("token", "--client-id", "ci:bot", *arguments)
    assert result.status == 2
    assert problem in " ".join(result.err.split())
