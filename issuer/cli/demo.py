"""A demo audience with a role, a client and a user, and the credentials to try them with."""

import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from issuer.audiences import AudienceFields
from issuer.audit import Actor
from issuer.clients import ClientFields, SecretFields
from issuer.composition import Composition, UnitOfWork
from issuer.errors import InvalidCredentials, NotFound
from issuer.files import write_private
from issuer.roles import Assignment, RoleFields
from issuer.settings import Settings
from issuer.users import NewPassword, UserFields
from issuer.vocabulary import GrantType

AUDIENCE = "my-os"
_ROLE = "demo"
_SCOPES = ["agents:read", "agents:web:run"]
_CLIENT = "demo-service"
_USER = "demo"
_PASSWORD_BYTES = 12  # 16 characters
_LABEL = "quickstart"
_FILE = "quickstart.json"


@dataclass(frozen=True)
class Demo:
    """What it takes to get a token."""

    audience: str
    client_id: str
    client_secret: str = field(repr=False)
    username: str
    password: str = field(repr=False)


def demo_file(settings: Settings) -> Path:
    """Where the credentials are kept, since nothing in the database can tell them again."""
    return settings.data_dir.absolute() / _FILE


def ensure_demo(parts: Composition, actor: Actor) -> Demo:
    """The demo as it was kept, or made where it is missing. What is there stays as it is."""
    kept = _kept(demo_file(parts.settings))
    if kept is not None and _works(parts, kept):
        return kept
    password = parts.sign_in.passwords.prepared(secrets.token_urlsafe(_PASSWORD_BYTES))
    with parts.administration.changing(actor) as rooms:
        demo = _made(rooms, password)
    write_private(demo_file(parts.settings), json.dumps(asdict(demo), indent=2) + "\n")
    return demo


def _kept(path: Path) -> Demo | None:
    with suppress(OSError, ValueError, TypeError):
        return Demo(**json.loads(path.read_text("utf-8")))
    return None


def _works(parts: Composition, demo: Demo) -> bool:
    try:
        client = parts.tokens.client_authentication.from_database(
            demo.client_id, demo.client_secret, parts.clock()
        )
        with parts.administration.reading() as rooms:
            rooms.users.get_by_username(demo.username)
    except (InvalidCredentials, NotFound):
        return False
    return demo.audience in client.record.audiences


def _made(rooms: UnitOfWork, password: NewPassword) -> Demo:
    everything_there = Assignment(role=_ROLE, audience=AUDIENCE)
    if _is_missing(rooms.audiences.get, AUDIENCE):
        rooms.audiences.create(AudienceFields(id=AUDIENCE, name="Demo AgentOS"))
    if _is_missing(rooms.roles.get, _ROLE):
        rooms.roles.create(RoleFields(name=_ROLE, scopes=_SCOPES))
    client_secret = _client_secret(rooms)
    rooms.assignments.give(_CLIENT, everything_there)
    if _is_missing(rooms.users.get_by_username, _USER):
        rooms.users.create(UserFields(username=_USER, name="Demo user"))
    user_id = rooms.users.get_by_username(_USER).id
    rooms.users.set_password(user_id, password)
    rooms.assignments.give(user_id, everything_there)
    return Demo(AUDIENCE, _CLIENT, client_secret, _USER, password.text)


def _client_secret(rooms: UnitOfWork) -> str:
    if not rooms.clients.exists(_CLIENT):
        fields = ClientFields(
            client_id=_CLIENT,
            name="Demo service",
            grant_types=[GrantType.CLIENT_CREDENTIALS, GrantType.PASSWORD],
            audiences=[AUDIENCE],
        )
        return rooms.clients.create(fields)[1]
    audiences = rooms.clients.get(_CLIENT).audiences
    rooms.clients.update(_CLIENT, {"audiences": [*audiences, AUDIENCE], "disabled": False})
    for old in rooms.clients.secrets(_CLIENT):
        if old.label == _LABEL:
            rooms.clients.delete_secret(_CLIENT, old.id)
    return rooms.clients.add_secret(_CLIENT, SecretFields(label=_LABEL))[1]


def _is_missing(get: Callable[[str], object], name: str) -> bool:
    try:
        get(name)
    except NotFound:
        return True
    return False
