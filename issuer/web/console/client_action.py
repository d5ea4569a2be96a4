"""What a form on the page of a client asks for; and to end its tokens, or the client."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from issuer.clients import CLIENT, Client
from issuer.web.console.credentials import credentials_page
from issuer.web.console.resource_action import ResourceAction
from issuer.web.console.views import Command


@dataclass(frozen=True)
class ClientAction(ResourceAction):
    TYPE = CLIENT
    client: Client

    @property
    def key(self) -> str:
        return self.client.client_id

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
    command = action.deletion()
    if not action.has_typed(action.key):
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
