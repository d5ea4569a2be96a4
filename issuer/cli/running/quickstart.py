"""`issuer quickstart`."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from issuer.cli import output
from issuer.cli.command import new_app, option, wants_json
from issuer.cli.opening import operator, read_settings
from issuer.cli.options import Host
from issuer.cli.running.demo import Demo, demo_file, ensure_demo
from issuer.cli.running.setup import ConsoleAdministrator, ensure_administrator
from issuer.composition import composed
from issuer.errors import ConfigurationError
from issuer.fields.text import escape
from issuer.provisioning.setup import Initialised, initialise, prepare_data_dir
from issuer.server.processes import end_quietly_on_signals
from issuer.server.serving import address, listen, serve
from issuer.settings import Settings
from issuer.vocabulary import SigningAlgorithm

app = new_app()

_HERE = "127.0.0.1"
_PORT = 9000


@app.command()
def quickstart(
    host: Host = _HERE,
    port: int | None = option(
        "PORT",
        "Port to listen on; 0 for a free one. Default: the port of ISSUER_URL.",
        min=0,
        max=65535,
    ),
) -> None:
    """Create a demo configuration, and serve it until Ctrl-C.

    It creates the data directory, a demo audience, a role, a client, a user and an administrator.
    It prints a curl command that gets a token, the lines for an AgentOS, and where the console is.
    Run again, it uses the same data.

    Examples:

      issuer quickstart
      issuer quickstart --port 9100
    """
    end_quietly_on_signals()
    with listen(host, _port(port)) as listener:
        # The server reads them too. Its log would only hide what is printed here.
        os.environ.setdefault("ISSUER_URL", address(listener).replace("[::1]", "localhost"))
        os.environ.setdefault("ISSUER_LOG_LEVEL", "warning")
        demo_server = _prepared(read_settings(), address(listener))

        def announce() -> None:
            if wants_json.get():
                output.print_line(demo_server.as_members())
            else:
                print("\n\n".join(demo_server.in_words()), flush=True)

        serve(demo_server.settings, listener, announce=announce)


def _port(requested: int | None) -> int:
    """The port to listen on; `ConfigurationError` if ISSUER_URL has another one.

    An https URL is that of a proxy in front, which may have a port of its own.
    """
    url = urlsplit(read_settings().url)
    if url.scheme == "https":
        return next((each for each in (requested, url.port) if each is not None), _PORT)
    named = url.port or 80
    if requested in {None, named} or "ISSUER_URL" not in os.environ:
        return named if requested is None else requested
    raise ConfigurationError(
        f"ISSUER_URL is {url.geturl()}, where nothing would listen with --port {requested}: leave"
        " --port out, or unset ISSUER_URL."
    )


@dataclass(frozen=True)
class _DemoServer:
    """The demo and its server, as printed."""

    settings: Settings
    url: str
    initialised: Initialised
    demo: Demo
    administrator: ConsoleAdministrator | None
    signing_alg: SigningAlgorithm

    def as_members(self) -> dict[str, object]:
        administrator = self.administrator and self.administrator.model_dump(mode="json")
        return {
            "deployment": {**asdict(self.initialised), "data_dir": self._data_dir},
            "url": self.url,
            "demo": asdict(self.demo),
            "curl": self.curl(),
            "sign_in": self._endpoint("/"),
            "console": {"url": self._console, "administrator": administrator},
        }

    def curl(self, grant: str = "-d grant_type=client_credentials") -> str:
        """A command that gets a token."""
        client = f"{self.demo.client_id}:{self.demo.client_secret}"
        # Quoted: in an address such as [::1], zsh would look for the names of files.
        url = shlex.quote(self._endpoint("/oauth2/token"))
        return f"curl -sS -u '{client}' {grant} {url}"

    def in_words(self) -> Iterator[str]:
        """Paragraph by paragraph."""
        data_dir = escape(self._data_dir)
        yield (
            f"The issuer {self.initialised.issuer} serves at {self.url},"
            f" with its data in {data_dir}."
        )
        if self.initialised.client_secret is not None:
            yield (
                f"Its administrator is the client {self.initialised.client_id} with the secret"
                f" {self.initialised.client_secret}\nwhich is shown only once. If it is lost,"
                f" run `{program_name()} admin recover`."
            )
        yield "In another terminal, other commands find it with:"
        yield (
            f"  export ISSUER_URL={shlex.quote(self.settings.url)}"
            f" ISSUER_DATA_DIR={shlex.quote(data_dir)}\n  {program_name()} client list"
        )
        yield f"Get a token for the audience {self.demo.audience}, as a service does:"
        yield f"  {self.curl()}"
        if self.settings.users_sign_in_with_password:
            yield f"Or as the user {self.demo.username}, who signs in through that service:"
            credentials = f"-d username={self.demo.username} -d 'password={self.demo.password}'"
            yield f"  {self.curl(f'-d grant_type=password {credentials}')}"
        yield (
            f"Sign in as {self.demo.username} in a browser, with the password"
            f" {self.demo.password}:\n  {self._endpoint('/')}"
        )
        yield self._who_administers()
        yield "Accept it in an AgentOS, with the package that `make wheel` builds for it:"
        yield self._agent_os()
        yield (
            f"The demo credentials are stored in {escape(str(demo_file(self.settings)))},"
            " readable by you alone.\n"
            "Ctrl-C stops the server; the next quickstart uses the same data."
        )

    def _who_administers(self) -> str:
        if self.administrator is None:
            return f"The console is at {self._console}."
        username, invitation = self.administrator.username, self.administrator.invitation
        if invitation is None:
            return f"Sign in as {username} at the console:\n  {self._console}"
        return (
            f"The console is at {self._console}. The user {username} sets a password for it"
            f" with this link, which works once:\n  {invitation.url}"
        )

    @property
    def _data_dir(self) -> str:
        return str(self.settings.data_dir.absolute())

    @property
    def _console(self) -> str:
        return f"{self.settings.url}/console"

    def _agent_os(self) -> str:
        """The verifier fetches the key set, so a rotation needs no change here."""
        name = self.demo.audience
        arguments = f'"{self.initialised.issuer}", audience="{name}"'
        if self.signing_alg is not SigningAlgorithm.RS256:
            arguments += f', algorithms=["{self.signing_alg}"]'
        return f"""\
from agno.os import AgentOS
from issuer.agentos import Verifier

verifier = Verifier({arguments})
app = verifier.attach(AgentOS(id="{name}", agents=[...], **verifier.auth()).get_app())"""

    def _endpoint(self, path: str) -> str:
        return f"{self.url}{self.settings.base_path}{path}"


def program_name() -> str:
    """This program, as a shell calls it."""
    called = sys.argv[0]
    if Path(called).name != "issuer":
        return f"{shlex.quote(sys.executable)} -m issuer"
    return "issuer" if called == shutil.which("issuer") else shlex.quote(called)


def _prepared(settings: Settings, url: str) -> _DemoServer:
    prepare_data_dir(settings.data_dir)  # of the demo credentials, wherever the database is
    initialised = initialise(settings, operator())
    with composed(settings) as parts:
        authentication = parts.tokens.client_authentication
        demo = ensure_demo(parts.administration, authentication, operator())
        with parts.administration.reading() as work:
            signing_alg = work.audiences.get(demo.audience).signing_alg
        with parts.administration.changing(operator()) as work:
            administrator = ensure_administrator(work, settings.url)
    alg = SigningAlgorithm(signing_alg or "RS256")
    return _DemoServer(settings, url, initialised, demo, administrator, alg)
