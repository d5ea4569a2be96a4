"""The credentials of a client: its secrets, which are shown once, and its public keys."""

import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.responses import Response

from issuer.clients.authentication import scim_token
from issuer.clients.client import CLIENT, Client, ClientSecret, NewSecret, SecretState
from issuer.clients.rotation import parts_of
from issuer.composition import UnitOfWork
from issuer.errors import InvalidField
from issuer.resources import Command
from issuer.scopes import ISSUER_SCIM
from issuer.vocabulary import GrantType
from issuer.web.console.screens import keys_of_others
from issuer.web.console.screens.resource import ResourceScreen
from issuer.web.console.screens.resource_form import read_json
from issuer.web.console.screens.screen import ConsoleScreen

if TYPE_CHECKING:  # few deployments have key sets of others
    from issuer.federation.key_sets import FollowedKeySet


def show_credentials(
    screen: ConsoleScreen,
    client: Client,
    secret: str,
    done: str,
    commands: Sequence[Command],
    then: Sequence[str] = (),
) -> Response:
    """The answer in which the credentials of a client are shown, once.

    `secret` is empty for a public client. `then` says what is to be done next.
    """
    settings = screen.parts.settings
    lines = {"ISSUER_URL": settings.url, "CLIENT_ID": client.client_id}
    lines |= {"CLIENT_SECRET": secret} if secret else {}
    is_scim = secret and ISSUER_SCIM in client.scopes
    is_service = GrantType.CLIENT_CREDENTIALS in client.grant_types and secret
    return screen.answer(
        "credentials",
        done,
        is_scripted=True,
        commands=commands,
        client_id=client.client_id,
        name=client.name,
        secret=secret,
        scim_token=scim_token(client.client_id, secret) if is_scim else "",
        environment="\n".join(f"{name}={value}" for name, value in lines.items()),
        curl=_curl(settings.url, client) if is_service else "",
        then=then,
    )


def show_secret(
    screen: ResourceScreen, created: NewSecret, done: str, command: Command, then: Sequence[str]
) -> Response:
    return show_credentials(screen, screen.resource, created.client_secret, done, [command], then)


def _curl(base_url: str, client: Client) -> str:
    """Id and secret are encoded as RFC 6749 §2.3.1 says; our secrets need it not."""
    audience = f" -d audience={quote(client.audiences[0], safe='')}" if client.audiences else ""
    basic = f'"{quote(client.client_id, safe="")}:$CLIENT_SECRET"'
    url = shlex.quote(f"{base_url}/oauth2/token")
    return f"curl -u {basic} -d grant_type=client_credentials{audience} {url}"


def secrets_in_list(
    work: UnitOfWork, client_id: str, now: datetime
) -> Iterator[tuple[ClientSecret, str, bool]]:
    """Each with what it is in a rotation, `new` or `old`, else empty; and whether it is expired."""
    secrets = work.clients.secrets(client_id)
    parts = parts_of(secrets)
    for each in secrets:
        yield each, parts.get(each.id, ""), each.state_at(now) is SecretState.EXPIRED


def rotation_evidence(work: UnitOfWork, client_id: str) -> dict[str, Any] | None:
    """For the template, which old secrets were used after the new one was made.

    `warnings` say why not to finish. None if no rotation is in progress.
    """
    if (rotation := work.rotations.find(client_id)) is None:
        return None
    began = rotation.new.created_at
    used_since = [s for s in rotation.old if s.last_used_at is not None and s.last_used_at >= began]
    warnings = work.rotations.warnings(rotation)
    return {"new": rotation.new, "old_used_since": used_since, "warnings": warnings}


def keys_of_client(screen: ResourceScreen) -> keys_of_others.KeysOfOthers:
    client: Client = screen.resource
    if client.jwks_uri is None:
        return keys_of_others.given_keys(client.jwks or {"keys": []})
    return keys_of_others.followed_keys(_key_set(screen))


def _key_set(screen: ResourceScreen) -> "FollowedKeySet | None":
    return screen.parts.administration.client_assertions.key_set_of_client(screen.key)


def fetch_keys(screen: ResourceScreen) -> Response:
    return screen.finished(keys_of_others.fetched_in_words(screen.form, _key_set(screen)))


def add_key(screen: ResourceScreen) -> Response:
    """The keys of a JWK Set, or one JWK; `InvalidField` if one is private or weak."""
    typed = read_json("key", screen.form.get("key", ""))
    keys = typed.get("keys", [typed]) if isinstance(typed, dict) else None
    if not (isinstance(keys, list) and keys and all(isinstance(each, dict) for each in keys)):
        raise InvalidField("key", "must be a JWK or a JWK Set with public keys")
    try:
        with screen.operator.work(CLIENT.write) as work:
            for each in keys:
                work.clients.add_key(screen.key, each)
            jwks = work.clients.get(screen.key).jwks
    except InvalidField as error:
        raise InvalidField("key", error.message) from None
    added = "The key is" if len(keys) == 1 else f"{len(keys):,} keys are"
    command = CLIENT.update_command(screen.key, {"jwks": jwks})
    return screen.finished(f"{added} added to {screen.key}.", command)
