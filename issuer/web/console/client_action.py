"""What a form on the page of a client asks for; and to end its tokens, or the client."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from issuer.clients import CLIENT, Client
from issuer.web.console.credentials import credentials_page
from issuer.web.console.endpoint import ConsoleEndpoint, Operator
from issuer.web.console.views import Command
from issuer.web.visit import Visit


@dataclass(frozen=True)
class ClientAction:
    """`form` was sent by `operator`, on the page of `client`."""

    endpoint: ConsoleEndpoint
    operator: Operator
    visit: Visit
    client: Client
    form: Mapping[str, str]

    @property
    def key(self) -> str:
        return self.client.client_id

    @property
    def is_confirmed(self) -> bool:
        return self.form.get("confirmed") == "yes"

    def command(
        self,
        cli: Sequence[str],
        method: str,
        *path: str,
        body: Mapping[str, object] | None = None,
        query: str = "",
    ) -> Command:
        """`cli` after `issuer client`; `path` below that of the client."""
        whole = ("clients", self.key, *path)
        return self.endpoint.commands.command(("client", *cli), method, whole, body, query)

    def ask(
        self,
        what: str,
        why: str,
        button: str,
        command: Command,
        fields: Mapping[str, str] | None = None,
        *,
        typed: str = "",
        is_dangerous: bool = True,
    ) -> Response:
        """The page that asks; with `typed` again if something else was typed."""
        is_wrong = self.is_confirmed and bool(typed)
        return self.endpoint.ask(
            self.operator,
            self.visit,
            what,
            why,
            button,
            {"do": self.form["do"], **(fields or {})},
            commands=(command,),
            typed=typed,
            error=f"This is not {typed}." if is_wrong else "",
            is_dangerous=is_dangerous,
        )

    def finished(self, sentence: str, command: Command) -> Response:
        return self.endpoint.finished(self.endpoint.path(self.visit), sentence, command)

    def show_secret(
        self, secret: str, done: str, command: Command, then: Sequence[str] = ()
    ) -> Response:
        page = credentials_page(
            self.endpoint,
            self.operator,
            self.visit,
            self.client,
            secret,
            done=done,
            commands=(command,),
            then=then,
        )
        return self.endpoint.site.pages.answer(page)


def disable(action: ClientAction) -> Response:
    body = {"disabled": True}
    command = action.command(("update", action.key, "--disabled"), "PATCH", body=body)
    if not action.is_confirmed:
        return action.ask(
            f"Disable {action.key}?",
            "It gets no token any more, and its tokens are revoked, those of people who signed in"
            " through it included: within seconds they are refused everywhere. It can be enabled"
            " again; the revoked tokens stay revoked.",
            "Disable client",
            command,
        )
    with action.operator.work(CLIENT.write) as work:
        work.clients.update(action.key, body)
    return action.finished(f"The client {action.key} is disabled, its tokens are revoked.", command)


def enable(action: ClientAction) -> Response:
    body = {"disabled": False}
    with action.operator.work(CLIENT.write) as work:
        work.clients.update(action.key, body)
    command = action.command(("update", action.key, "--enabled"), "PATCH", body=body)
    return action.finished(f"The client {action.key} is enabled.", command)


def revoke_tokens(action: ClientAction) -> Response:
    command = action.command(("revoke-tokens", action.key), "POST", "revoke-tokens")
    if not action.is_confirmed:
        return action.ask(
            f"Revoke all tokens of {action.key}?",
            "Every token issued to it so far is refused everywhere within seconds, those of people"
            " who signed in through it included. It may get new ones. This cannot be undone.",
            "Revoke tokens",
            command,
        )
    with action.operator.work(CLIENT.write) as work:
        work.clients.revoke_tokens(action.key)
    return action.finished(f"All tokens of {action.key} are revoked.", command)


def delete(action: ClientAction) -> Response:
    command = action.command(("delete", action.key), "DELETE")
    if not action.is_confirmed or action.form.get("typed", "").strip() != action.key:
        return action.ask(
            f"Delete {action.key}?",
            "Its secrets and role assignments are deleted, and its tokens revoked, those of people"
            " who signed in through it included. This cannot be undone.",
            "Delete client",
            command,
            typed=action.key,
        )
    with action.operator.work(CLIENT.write) as work:
        work.clients.delete(action.key)
    return action.endpoint.finished("/console/clients", f"{action.key} is deleted.", command)
