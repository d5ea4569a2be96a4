"""The command line against a server: commands about resources go over the admin API."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO
from unittest import mock

import httpx

from issuer.clock import Clock
from issuer.settings import Settings
from tests.builders import Credentials, Deployment
from tests.cli.driver import Cli, Result
from tests.issuers import Initialized, served

# Commands without a way over the admin API, by their first words; the reference says why.
ON_HOST = {
    *("audit checkpoint", "audit follow", "audit verify", "client pin"),
    *("client trust explain", "key drill", "key export", "key generate-master"),
    *("key rewrap", "review --csv", "user import"),
    *("admin", "backup", "connect", "doctor", "health", "init", "jwks", "login", "logout", "mail"),
    *("migrate", "quickstart", "restore", "scope", "serve", "status"),
}
_OF_THE_HOST = ("ISSUER_URL", "ISSUER_DATA_DIR", "ISSUER_DATABASE_URL")


class ServerCli(Cli):
    """The command line of an operator elsewhere, with the credentials of the admin client."""

    def __init__(self, environment: Mapping[str, str], server: Deployment) -> None:
        super().__init__(environment)
        self.server = server

    def __call__(self, *arguments: str, stdin: str | TextIO = "") -> Result:
        cli = self if is_on_host(arguments) else elsewhere(self)
        return Cli.__call__(cli, *arguments, stdin=stdin)

    def on_terminal(self, columns: int, *arguments: str) -> list[str]:
        cli = self if is_on_host(arguments) else elsewhere(self)
        return Cli.on_terminal(cli, columns, *arguments)

    def with_environment(self, **more: str | None) -> "ServerCli":
        return ServerCli(super().with_environment(**more).environment, self.server)


def elsewhere(cli: ServerCli) -> Cli:
    """The same operator on another machine, after the server has seen every change."""
    cli.server.services.tokens.changes.poll()
    own = {key: each for key, each in cli.environment.items() if key not in _OF_THE_HOST}
    return Cli(
        {
            **own,
            "ISSUER_SERVER": cli.environment["ISSUER_URL"],
            "ISSUER_CLIENT_ID": cli.server.admin.client_id,
            "ISSUER_CLIENT_SECRET": cli.server.admin.client_secret,
        }
    )


def is_on_host(arguments: tuple[str, ...]) -> bool:
    if arguments[0] == "token" and arguments[1:2] != ("revoke",):
        return True
    has_url = arguments[:2] == ("audience", "inspect") and "--url" in arguments
    return has_url or any(" ".join(arguments[:length]) in ON_HOST for length in (1, 2, 3))


@contextmanager
def server_of(cli: Cli) -> Iterator[ServerCli]:
    """A server of the issuer of `cli`, in this process; its URL leads to it here alone."""
    secret = cli.json("client", "secret", "create", "issuer-admin")["client_secret"]
    admin = Credentials("issuer-admin", secret)
    settings = Settings.from_environment(cli.environment)
    with served(Initialized(settings, admin), Clock()) as server:

        def answer(_: object, request: httpx.Request) -> httpx.Response:
            assert str(request.url).startswith(settings.url), f"no request to {request.url}"
            answer = server.http.request(
                request.method,
                str(request.url),
                headers=dict(request.headers),
                content=request.read(),
            )
            headers = [
                (name, value)
                for name, value in answer.headers.multi_items()
                if name not in {"content-encoding", "content-length"}
            ]
            return httpx.Response(answer.status_code, headers=headers, content=answer.content)

        onwards = httpx.AsyncHTTPTransport.handle_async_request

        async def answer_async(self: Any, request: httpx.Request) -> httpx.Response:
            if not str(request.url).startswith(settings.url):  # such as an AgentOS
                return await onwards(self, request)
            return answer(self, request)

        with (
            mock.patch.object(httpx.HTTPTransport, "handle_request", answer),
            mock.patch.object(httpx.AsyncHTTPTransport, "handle_async_request", answer_async),
        ):
            new = ServerCli(cli.environment, server)
            new.done("audience", "list")  # the event of its token is not one of a command
            yield new
