"""The credentials of a client: what is shown once when it is new, and its public keys."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.responses import Response

from issuer.clients import CLIENT, Client
from issuer.errors import InvalidField
from issuer.vocabulary import GrantType
from issuer.web.console.screens.action import ConfirmationText, ResourceAction
from issuer.web.console.screens.endpoint import ConsoleEndpoint
from issuer.web.console.screens.keys_of_others import (
    KeysOfOthers,
    fetched_in_words,
    followed_keys,
    given_keys,
)
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.resource_form import read_json
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


def show_credentials(
    endpoint: ConsoleEndpoint,
    operator: Operator,
    visit: Visit,
    client: Client,
    secret: str,
    *,
    done: str,
    commands: Sequence[Command],
    then: Sequence[str] = (),
) -> Response:
    """The answer in which the credentials of a client are shown, once."""
    url = endpoint.parts.settings.url
    lines = {"ISSUER_URL": url, "CLIENT_ID": client.client_id}
    lines |= {"CLIENT_SECRET": secret} if secret else {}
    is_service = GrantType.CLIENT_CREDENTIALS in client.grant_types and secret
    page = CredentialsPage(
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
    return endpoint.site.pages.answer(page)


def show_secret(
    action: ResourceAction, secret: str, done: str, command: Command, then: Sequence[str] = ()
) -> Response:
    """The answer with a new secret of the client that the action is about."""
    return show_credentials(
        action.endpoint,
        action.operator,
        action.visit,
        action.resource,
        secret,
        done=done,
        commands=(command,),
        then=then,
    )


def _curl(base_url: str, client: Client) -> str:
    """Id and secret are encoded as RFC 6749 §2.3.1 says; our secrets need it not."""
    audience = f" -d audience={quote(client.audiences[0], safe='')}" if client.audiences else ""
    basic = f'"{quote(client.client_id, safe="")}:$CLIENT_SECRET"'
    return f"curl -u {basic} -d grant_type=client_credentials{audience} {base_url}/oauth2/token"


def keys_of_client(endpoint: ConsoleEndpoint, client: Client) -> KeysOfOthers:
    if client.jwks_uri is None:
        return given_keys(client.jwks or {"keys": []})
    assertions = endpoint.parts.administration.client_assertions
    return followed_keys(assertions.key_set_of_client(client.client_id))


def add_key(action: ResourceAction) -> Response:
    """The keys of a JWK Set, or one JWK; `InvalidField` if one is private or weak."""
    typed = read_json("key", action.form.get("key", ""))
    keys = typed.get("keys", [typed]) if isinstance(typed, dict) else None
    if not (isinstance(keys, list) and keys and all(isinstance(each, dict) for each in keys)):
        raise InvalidField("key", "must be a JWK or a JWK Set with public keys")
    try:
        with action.operator.work(CLIENT.write) as work:
            for each in keys:
                work.clients.add_key(action.key, each)
            jwks = work.clients.get(action.key).jwks
    except InvalidField as error:
        raise InvalidField("key", error.message) from None
    cli = ("update", action.key, "--jwks", json.dumps(jwks))
    command = action.command(cli, "PATCH", body={"jwks": jwks})
    added = "The key is" if len(keys) == 1 else f"{len(keys):,} keys are"
    return action.finished(f"{added} added to {action.key}.", command)


def delete_key(action: ResourceAction) -> Response:
    key, kid = action.key, action.form.get("kid", "")
    cli = ("key", "delete", key, *(["--"] if kid.startswith("-") else []), kid)
    left = [each for each in (action.resource.jwks or {"keys": []})["keys"] if each["kid"] != kid]
    body = {"jwks": {"keys": left} if left else None}
    command = action.command(cli, "PATCH", body=body)
    return action.confirmed(
        ConfirmationText(
            f"Delete the key {kid} of {key}?",
            "Assertions that it signs are refused within a second; tokens that it gave stay valid"
            f" until they expire. {_left(action.resource, bool(left))}This cannot be undone.",
            "Delete key",
        ),
        command,
        lambda work: work.clients.delete_key(key, kid),
        f"The key {kid} is deleted.",
        {"kid": kid},
    )


def fetch_keys(action: ResourceAction) -> Response:
    """Waits for them outside the worker threads."""
    assertions = action.endpoint.parts.administration.client_assertions
    key_set = assertions.key_set_of_client(action.key)
    return action.finished(fetched_in_words(action.form, key_set))


def _left(client: Client, has_others: bool) -> str:
    if has_others or client.trusts or client.token_endpoint_auth_method.has_secret:
        return ""
    return "It is the last way in which the client can authenticate. "
