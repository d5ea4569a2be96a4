"""The answer in which the credentials of a client are shown, once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.responses import Response

from issuer.clients import Client
from issuer.vocabulary import GrantType
from issuer.web.console.screens.action import ResourceAction
from issuer.web.console.screens.endpoint import ConsoleEndpoint
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.views import Command, ConsolePage
from issuer.web.visit import Visit


@dataclass(frozen=True, kw_only=True)
class CredentialsPage(ConsolePage):
    """`secret` is empty for a public client. `then` says what is to be done next."""

    TEMPLATE = "console/credentials.html"
    client_id: str
    name: str
    done: str
    secret: str = field(repr=False)
    environment: str = field(repr=False)
    curl: str
    then: Sequence[str] = ()

    @property
    def title(self) -> str:
        return self.done


def credentials_page(
    endpoint: ConsoleEndpoint,
    operator: Operator,
    visit: Visit,
    client: Client,
    secret: str,
    *,
    done: str,
    commands: Sequence[Command],
    then: Sequence[str] = (),
) -> CredentialsPage:
    url = endpoint.parts.settings.url
    lines = {"ISSUER_URL": url, "CLIENT_ID": client.client_id}
    lines |= {"CLIENT_SECRET": secret} if secret else {}
    is_service = GrantType.CLIENT_CREDENTIALS in client.grant_types and secret
    return CredentialsPage(
        frame=endpoint.frame(operator, visit),
        commands=commands,
        client_id=client.client_id,
        name=client.name,
        done=done,
        secret=secret,
        environment="\n".join(f"{name}={value}" for name, value in lines.items()),
        curl=_curl(endpoint.parts.settings.base_url, client) if is_service else "",
        then=then,
    )


def show_secret(
    action: ResourceAction, secret: str, done: str, command: Command, then: Sequence[str] = ()
) -> Response:
    """Of the client that the action is about."""
    page = credentials_page(
        action.endpoint,
        action.operator,
        action.visit,
        action.resource,
        secret,
        done=done,
        commands=(command,),
        then=then,
    )
    return action.endpoint.site.pages.answer(page)


def _curl(base_url: str, client: Client) -> str:
    """Id and secret are encoded as RFC 6749 §2.3.1 says; our secrets need it not."""
    audience = f" -d audience={quote(client.audiences[0], safe='')}" if client.audiences else ""
    basic = f'"{quote(client.client_id, safe="")}:$CLIENT_SECRET"'
    return f"curl -u {basic} -d grant_type=client_credentials{audience} {base_url}/oauth2/token"
