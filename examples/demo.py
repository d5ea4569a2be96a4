"""An issuer and an AgentOS that accepts its tokens: calls that are allowed and calls that are not.

    make demo
    make demo ARGS='--port 9100 --agentos-port 7778'

It uses temporary data, the command line, and HTTP, as any operator and any service can.
"""

import argparse
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import httpx
import jwt

ISSUER = [sys.executable, "-P", "-m", "issuer"]
# As a shell finds it: beside this interpreter, or installed.
BESIDE = Path(sys.executable).with_name("issuer")
PROGRAM = shlex.quote(str(BESIDE)) if BESIDE.exists() else "issuer"
AGENTOS = [sys.executable, str(Path(__file__).with_name("demo_agentos.py"))]
HERE = "127.0.0.1"
SECONDS = 60
Started = dict[str, Any]
# Runs a command that ends with this program, also if this program is killed: then `read` returns.
UNTIL_STDIN_ENDS = """trap '' INT; "$@" & exec >&- 2>&-; read -r _; kill $!; wait $!"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, add_help=True)
    arguments.add_argument("--port", type=int, default=9000, help="of the issuer; 0 for a free one")
    arguments.add_argument("--agentos-port", type=int, default=7777)
    options = arguments.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    with (
        TemporaryDirectory(prefix="issuer-demo-", ignore_cleanup_errors=True) as folder,
        listening(options.agentos_port) as agentos_socket,
        issuer(options.port, folder) as (environment, started),
        agentos(agentos_socket, started) as agentos_url,
    ):
        for paragraph in Walkthrough(environment, started, agentos_url).paragraphs():
            print(paragraph, end="\n\n", flush=True)
        while True:
            signal.pause()


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    try:
        listener = socket.create_server((HERE, port))
    except OSError as error:
        sys.exit(f"The AgentOS cannot listen on port {port}: {error.strerror}.")
    with listener:
        yield listener


@contextmanager
def issuer(port: int, folder: str) -> Iterator[tuple[Mapping[str, str], Started]]:
    """Its environment, and what `issuer quickstart` printed."""
    # The demo revokes a key: no setting may point it at another deployment.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ISSUER_")}
    environment = {
        **kept,
        "ISSUER_DATA_DIR": f"{folder}/data",
        "ISSUER_CLIENT_REGISTRATION": "open",  # of MCP clients on this machine
    }
    quickstart = [*ISSUER, "quickstart", "--port", str(port), "--json"]
    with running(quickstart, environment) as printed:
        if not (line := printed.readline()):
            sys.exit("The issuer did not start.")
        started = json.loads(line)
        yield {**environment, "ISSUER_URL": started["url"]}, started


@contextmanager
def agentos(listener: socket.socket, started: Started) -> Iterator[str]:
    """The URL of the AgentOS, once it answers."""
    descriptor = listener.fileno()
    command = [*AGENTOS, str(descriptor), str(started["url"]), started["demo"]["audience"]]
    with running(command, os.environ, [descriptor]) as printed:
        listener.close()  # the AgentOS has it: if that ends, connections are refused
        url = next((line.strip() for line in printed if line.startswith("http://")), None)
        if url is None:
            sys.exit("The AgentOS did not start. Is agno installed? Run make demo.")
        yield url


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int] = ()
) -> Iterator[IO[str]]:
    """The standard output of a command that runs until the end of the block."""
    process = subprocess.Popen(
        ["sh", "-c", UNTIL_STDIN_ENDS, "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        pass_fds=descriptors,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        yield process.stdout


@dataclass(frozen=True)
class DemoToken:
    """An access token, and the id of the key that signed it."""

    text: str
    kid: str
    scope: str


class Walkthrough:
    """A call that is allowed and one that is refused, before and after a key is revoked."""

    def __init__(self, environment: Mapping[str, str], started: Started, agentos_url: str) -> None:
        self.environment = environment
        self.url = environment["ISSUER_URL"]
        self.client = started["demo"]
        self.console = started["console"]
        self.curl = started["curl"]
        self.agentos_url = agentos_url
        self.http = httpx.Client(timeout=SECONDS, trust_env=False)

    def paragraphs(self) -> Iterator[str]:
        """Each after its step; the program ends if a step has another result."""
        audience = self.client["audience"]
        yield f"""\
The issuer runs at {self.url}.
An AgentOS (agno {version("agno")}) with the agents web and billing runs at {self.agentos_url}
and accepts its tokens:"""
        yield f"""\
  verifier = Verifier("{self.url}", audience="{audience}")
  app = verifier.attach(AgentOS(id="{audience}", agents=[...], **verifier.auth()).get_app())"""
        old = self.token()
        yield f"""\
The client {self.client["client_id"]} has a token with the scopes {old.scope},
signed by the key {old.kid}:"""
        yield self.two_runs(old)
        self.issuer("key", "revoke", "--", old.kid)
        new = self.token_of_another_key(old)
        yield f"""\
That key is revoked, and the next key signs, {new.kid}.
With a new token:"""
        yield self.two_runs(new)
        wait_until("the AgentOS refuses the revoked key", lambda: self.run(old, "web")[0] == 401)
        yield "With the token of the revoked key, which was accepted before:"
        yield self.shown(old, "web", 401)
        yield f"Try it:\n\n{self.commands()}"
        yield f"""\
Connect an MCP client, and sign in as {self.client["username"]} with the password
{self.client["password"]}:\n\n  {self.connected()}"""
        yield self.who_administers()
        yield """\
The AgentOS reads the revocation feed of the issuer every 5 seconds.
Ctrl-C stops both servers and deletes the data of this demo."""

    def who_administers(self) -> str:
        """The link works once, and there is no other: the data of the demo is new."""
        administrator = self.console["administrator"]
        return f"""\
The console of the issuer is at {self.console["url"]}.
Its administrator is the user {administrator["username"]}, who sets a password with this link, once:

  {administrator["invitation"]["url"]}"""

    def token(self) -> DemoToken:
        answer = self.http.post(
            f"{self.url}/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(self.client["client_id"], self.client["client_secret"]),
        ).json()
        text = answer["access_token"]
        return DemoToken(text, jwt.get_unverified_header(text)["kid"], answer["scope"])

    def token_of_another_key(self, old: DemoToken) -> DemoToken:
        """A server loads changed keys within a second."""
        wait_until("the next key signs", lambda: self.token().kid != old.kid)
        return self.token()

    def two_runs(self, token: DemoToken) -> str:
        return f"{self.shown(token, 'web', 200)}\n{self.shown(token, 'billing', 403)}"

    def shown(self, token: DemoToken, agent: str, expected: int) -> str:
        """The call and its answer, as a line."""
        status, text = self.run(token, agent)
        line = f"  POST {f'/agents/{agent}/runs':<22} {status}  {text}"
        return line if status == expected else sys.exit(f"Expected status {expected}, got:\n{line}")

    def run(self, token: DemoToken, agent: str) -> tuple[int, str]:
        answer = self.http.post(
            f"{self.agentos_url}/agents/{agent}/runs",
            data={"message": "hello", "stream": "false"},
            headers={"Authorization": f"Bearer {token.text}"},
        )
        members = answer.json()
        return answer.status_code, str(members.get("content") or members.get("detail") or "")

    def connected(self) -> str:
        """The command of Claude Code. Others: `issuer connect --help`."""
        mcp = f"{self.agentos_url}/mcp"
        update = ["audience", "update", self.client["audience"]]
        self.issuer(*update, "--resource", self.agentos_url, "--resource", mcp)
        return self.issuer("connect", "claude-code", mcp, "--name", "demo").strip()

    def issuer(self, *arguments: str) -> str:
        """What the command prints; the program ends if it fails."""
        command = [*ISSUER, *arguments]
        done = subprocess.run(
            command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    def commands(self) -> str:
        run = 'curl -s -H "Authorization: Bearer $TOKEN" -F message=hello -F stream=false'
        data_dir = shlex.quote(self.environment["ISSUER_DATA_DIR"])
        return f"""\
  TOKEN=$({self.curl} | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')
  {run} {self.agentos_url}/agents/web/runs
  {run} {self.agentos_url}/agents/billing/runs
  export ISSUER_URL={self.url} ISSUER_DATA_DIR={data_dir}
  {PROGRAM} key list"""


def wait_until(what: str, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            sys.exit(f"Timed out after {SECONDS} s, waiting until {what}.")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
