"""A demo audience with a role, a client and a user, and the credentials to try them with."""

import json
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from issuer.audiences import AudienceFields
from issuer.audit import Actor
from issuer.clients.authentication import AuthenticatedClient, ClientAuthentication
from issuer.clients.client import ClientFields, NewClient, SecretFields
from issuer.composition import Administration, UnitOfWork
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
    """The credentials to get a token with."""

    audience: str
    client_id: str
    client_secret: str = field(repr=False)
    username: str
    password: str = field(repr=False)


def demo_file(settings: Settings) -> Path:
    """Where the credentials are stored: the database has only hashes."""
    return settings.data_dir.absolute() / _FILE


def ensure_demo(
    administration: Administration, authentication: ClientAuthentication, actor: Actor
) -> Demo:
    """The stored demo, or a new one. Resources that exist stay as they are."""
    path = demo_file(administration.settings)
    stored = _stored(path)
    if stored is not None and _works(administration, authentication, stored):
        return stored
    password = administration.passwords.prepared(secrets.token_urlsafe(_PASSWORD_BYTES))
    with administration.changing(actor) as work:
        demo = _create(work, password)
    write_private(path, json.dumps(asdict(demo), indent=2) + "\n")
    return demo


def _stored(path: Path) -> Demo | None:
    with suppress(OSError, ValueError, TypeError):
        return Demo(**json.loads(path.read_text("utf-8")))
    return None


def _works(
    administration: Administration, authentication: ClientAuthentication, demo: Demo
) -> bool:
    try:
        client = authentication.from_database(
            demo.client_id, demo.client_secret, administration.clock(), is_last=True
        )
        with administration.reading() as work:
            work.users.get_by_username(demo.username)
    except (InvalidCredentials, NotFound):
        return False
    return isinstance(client, AuthenticatedClient) and demo.audience in client.record.audiences


def _create(work: UnitOfWork, password: NewPassword) -> Demo:
    assignment = Assignment(role=_ROLE, audience=AUDIENCE)
    if not work.audiences.exists(AUDIENCE):
        work.audiences.create(AudienceFields(id=AUDIENCE, name="Demo AgentOS"))
    if not work.roles.exists(_ROLE):
        work.roles.create(RoleFields(name=_ROLE, scopes=_SCOPES))
    client_secret = _client_secret(work)
    work.assignments.assign(_CLIENT, assignment)
    try:
        user = work.users.get_by_username(_USER)
    except NotFound:
        user = work.users.create(UserFields(username=_USER, name="Demo user"))
    work.users.set_password(user.id, password)
    work.assignments.assign(user.id, assignment)
    return Demo(AUDIENCE, _CLIENT, client_secret, _USER, password.text)


def _client_secret(work: UnitOfWork) -> str:
    if not work.clients.exists(_CLIENT):
        fields = ClientFields(
            client_id=_CLIENT,
            name="Demo service",
            grant_types=[GrantType.CLIENT_CREDENTIALS, GrantType.PASSWORD],
            audiences=[AUDIENCE],
        )
        created = work.clients.create(fields)
        assert isinstance(created, NewClient)
        return created.client_secret
    audiences = work.clients.get(_CLIENT).audiences
    work.clients.update(_CLIENT, {"audiences": [*audiences, AUDIENCE], "disabled": False})
    for old in work.clients.secrets(_CLIENT):
        if old.label == _LABEL:
            work.clients.delete_secret(_CLIENT, old.id)
    return work.clients.add_secret(_CLIENT, SecretFields(label=_LABEL))[1]
