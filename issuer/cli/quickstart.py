"""`issuer quickstart`."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated
from urllib.parse import urlsplit

import typer

from issuer.cli import output
from issuer.cli.agentos_demo import demonstrate
from issuer.cli.command import new_app
from issuer.cli.demo import Demo, demo_file, ensure_demo
from issuer.cli.opening import opened, operator, read_settings
from issuer.cli.options import AsJson, Host
from issuer.cli.processes import end_quietly_on_signals
from issuer.cli.serving import address, listen, serve
from issuer.errors import ConfigurationError
from issuer.settings import Settings
from issuer.setup import Initialised, initialise
from issuer.vocabulary import SigningAlgorithm

app = new_app()

_HERE = "127.0.0.1"
_PORT = 9000


@app.command()
def quickstart(
    host: Host = _HERE,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            metavar="PORT",
            help="Port to listen on; 0 for a free one. That of ISSUER_URL unless given.",
        ),
    ] = None,
    agentos: Annotated[
        bool, typer.Option("--agentos", help="Demonstrate with a real AgentOS, on data of its own.")
    ] = False,
    agentos_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of that AgentOS; 0 for a free one.")
    ] = 7777,
    as_json: AsJson = False,
) -> None:
    """Make everything for a first look, then serve until Ctrl-C.

    It creates the data directory, a demo audience, a role, a client and a user, and prints a
    curl command that works and the lines for an AgentOS. Run again, it uses the same data.

    With --agentos it also starts a real AgentOS (agno must be installed) and shows a call that
    is allowed, one that is refused, and that the AgentOS refuses a revoked key. This demo reads
    no settings from the environment and deletes its data at the end.

    Examples:

      issuer quickstart
      issuer quickstart --port 9100
      issuer quickstart --agentos
    """
    end_quietly_on_signals()
    if agentos:
        if host != _HERE:
            raise typer.BadParameter("--agentos serves this machine only: it goes with no --host")
        demonstrate(_PORT if port is None else port, agentos_port, as_json=as_json)
        return
    with listen(host, _port(port)) as listener:
        # The server reads them too. Its log would only hide what is printed here.
        os.environ.setdefault("ISSUER_URL", address(listener).replace("[::1]", "localhost"))
        os.environ.setdefault("ISSUER_LOG_LEVEL", "warning")
        first_look = _prepared(read_settings(), address(listener))

        def announce() -> None:
            if as_json:
                output.print_line(first_look.as_members())
            else:
                print("\n\n".join(first_look.in_words()), flush=True)

        serve(first_look.settings, listener, announce=announce)


def _port(wanted: int | None) -> int:
    """The port to listen on; `ConfigurationError` if ISSUER_URL leads to another one.

    An https URL is that of a proxy in front, which may have a port of its own.
    """
    url = urlsplit(read_settings().url)
    if url.scheme == "https":
        return next((each for each in (wanted, url.port) if each is not None), _PORT)
    named = url.port or 80
    if wanted in {None, named} or "ISSUER_URL" not in os.environ:
        return named if wanted is None else wanted
    raise ConfigurationError(
        f"ISSUER_URL is {url.geturl()}, where nothing would listen with --port {wanted}: leave"
        " --port out, or unset ISSUER_URL."
    )


@dataclass(frozen=True)
class _FirstLook:
    """What there is to try, and where."""

    settings: Settings
    url: str
    deployment: Initialised
    demo: Demo
    signing_alg: SigningAlgorithm

    def as_members(self) -> dict[str, object]:
        deployment = {**asdict(self.deployment), "data_dir": str(self.deployment.data_dir)}
        return {
            "house": deployment,
            "url": self.url,
            "demo": asdict(self.demo),
            "curl": self.curl(),
        }

    def curl(self, grant: str = "-d grant_type=client_credentials") -> str:
        """A command that gets a token."""
        client = f"{self.demo.client_id}:{self.demo.client_secret}"
        return f"curl -s -u '{client}' {grant} {self._endpoint('/oauth2/token')}"

    def in_words(self) -> Iterator[str]:
        """Paragraph by paragraph."""
        yield (
            f"The issuer {self.deployment.issuer} serves at {self.url},"
            f" with its data in {self.deployment.data_dir}."
        )
        if self.deployment.client_secret is not None:
            yield (
                f"Its administrator is the client {self.deployment.client_id} with the secret"
                f" {self.deployment.client_secret}\nwhich is shown only now; if it is lost,"
                " `issuer admin recover` makes another."
            )
        yield f"Get a token for the audience {self.demo.audience}, as a service does:"
        yield f"  {self.curl()}"
        if self.settings.password_grant:
            yield f"Or as the user {self.demo.username}, who signs in through that service:"
            yield f"  {self.curl(self._password_grant())}"
        yield "Let an AgentOS accept it (pip install agentos-issuer-verifier 'agno[os]'):"
        yield self._agent_os()
        yield (
            f"The demo credentials are kept in {demo_file(self.settings)}, for you alone.\n"
            "Ctrl-C stops the server; the next quickstart goes on with the same data."
        )

    def _password_grant(self) -> str:
        return (
            f"-d grant_type=password -d username={self.demo.username}"
            f" -d 'password={self.demo.password}'"
        )

    def _agent_os(self) -> str:
        """It follows the key set: no rotation outruns it."""
        name = self.demo.audience
        arguments = f'"{self.deployment.issuer}", audience="{name}"'
        if self.signing_alg is not SigningAlgorithm.RS256:
            arguments += f', algorithms=["{self.signing_alg}"]'
        return f"""\
from agno.os import AgentOS
from issuer.agentos import Verifier

verifier = Verifier({arguments})
app = verifier.attach(AgentOS(id="{name}", agents=[...], **verifier.auth()).get_app())"""

    def _endpoint(self, path: str) -> str:
        return f"{self.url}{self.settings.base_path}{path}"


def _prepared(settings: Settings, url: str) -> _FirstLook:
    deployment = initialise(settings, operator())
    with opened(settings) as parts:
        demo = ensure_demo(parts, operator())
        with parts.administration.reading() as work:
            signing_alg = work.audiences.get(demo.audience).signing_alg
    return _FirstLook(settings, url, deployment, demo, SigningAlgorithm(signing_alg or "RS256"))
