"""Builders: an issuer on any database and its resources, with defaults for most fields."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import httpx

from issuer.audiences import AudienceFields
from issuer.audit import Actor
from issuer.clients.client import ClientFields, SecretFields
from issuer.clock import Clock
from issuer.composition import Composition, UnitOfWork
from issuer.groups import GroupFields
from issuer.provisioning.setup import initialise
from issuer.roles import Assignment, RoleFields
from issuer.settings import Settings
from issuer.users import UserFields, passwords
from issuer.users.passwords import NewPassword, Passwords

URL = "https://id.example"
OPERATOR = Actor("test:operator", request_id="made-by-a-test", is_local=True)
PASSWORD = "correct horse battery staple"


class FakeClock(Clock):
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 25, 12, 0, 0, 500_000, tzinfo=UTC)
        self.elapsed = 1_000.0
        self.ahead = timedelta(0)
        self.while_asleep: Callable[[], None] | None = None

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.elapsed

    def ahead_of(self, shown: datetime, asked_at: datetime) -> timedelta:
        return self.ahead

    def move(self, duration: timedelta) -> None:
        self.now += duration
        self.elapsed += duration.total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.move(timedelta(seconds=seconds))
        if self.while_asleep is not None:
            await asyncio.to_thread(self.while_asleep)


class ClockBehind(Clock):
    """A clock that is behind the machine's."""

    def __init__(self, behind: timedelta) -> None:
        self._behind = behind

    def __call__(self) -> datetime:
        return super().__call__() - self._behind

    def ahead_of(self, shown: datetime, asked_at: datetime) -> timedelta:
        """The database counts as behind by as much."""
        return super().ahead_of(shown - self._behind, asked_at)


@dataclass(frozen=True)
class Credentials:
    """The credentials of a client."""

    client_id: str
    client_secret: str = field(repr=False)


def settings_for(data_dir: Path, database_url: str | None = None, **more: str) -> Settings:
    """Settings quick enough for tests; `more` as in the environment, in lower case."""
    environment = {
        "ISSUER_URL": URL,
        "ISSUER_DATA_DIR": str(data_dir),
        "ISSUER_SIGNING_ALGORITHMS": "ES256",
        "ISSUER_PASSWORD_HASH": "owasp",
        **({"ISSUER_DATABASE_URL": database_url} if database_url else {}),
        **{f"ISSUER_{name.upper()}": value for name, value in more.items()},
    }
    return Settings.from_environment(environment)


class Deployment:
    """An initialised issuer. Resources are created through the domain packages, as by operators."""

    def __init__(
        self,
        services: Composition,
        admin: Credentials,
        http: httpx.Client | None = None,
        operator: Actor = OPERATOR,
        ids_taken: int = 0,
    ) -> None:
        self._operator = operator
        self.services = services
        self.admin = admin
        self._http = http
        self.ids_taken = ids_taken

    @contextmanager
    def changing(self) -> Iterator[UnitOfWork]:
        with self.services.administration.changing(self._operator) as work:
            yield work

    @property
    def http(self) -> httpx.Client:
        assert self._http is not None, "no server runs"
        return self._http

    def next_id(self, kind: str) -> str:
        """An id that nothing has yet."""
        self.ids_taken += 1
        return f"{kind}-{self.ids_taken}"

    @property
    def clock(self) -> FakeClock:
        """The clock that tests move; a server in another process uses the machine's."""
        assert isinstance(self.services.clock, FakeClock)
        return self.services.clock

    def wait(self, duration: timedelta) -> None:
        """Move the clock, then run what the background threads do."""
        self.clock.move(duration)
        self.services.tokens.changes.poll()
        self.services.keys.rotator.poll()

    def break_keys(self) -> None:
        """Make every signature fail, as an example of an unexpected error."""
        for key in (keys := self.services.keys.keyring.backends[0]._ready):
            keys[key] = "no key"

    def audience(self, audience_id: str = "my-os", **fields: Any) -> str:
        with self.changing() as work:
            return work.audiences.create(AudienceFields.read({"id": audience_id, **fields})).id

    def role(self, name: str, scopes: list[str]) -> str:
        with self.changing() as work:
            work.allow_unknown_scopes()
            return work.roles.create(RoleFields.read({"name": name, "scopes": scopes})).name

    def group(
        self,
        name: str,
        members: list[str] | None = None,
        roles: list[str] | None = None,
        **fields: Any,
    ) -> str:
        """A group of these users with `roles` everywhere; the id."""
        with self.changing() as work:
            group = work.groups.create(GroupFields.read({"name": name, **fields}))
            work.groups.add_members(group.id, members or [])
            for role in roles or []:
                work.assignments.assign(group.id, Assignment(role=role))
        return group.id

    def client(
        self, client_id: str | None = None, roles: list[str] | None = None, **fields: Any
    ) -> Credentials:
        """A client with `roles` everywhere, by default for the audience my-os."""
        members = {
            "client_id": client_id or self.next_id("client"),
            "audiences": ["my-os"],
            **fields,
        }
        with self.changing() as work:
            work.allow_unknown_scopes()
            client = work.clients.create(ClientFields.read(members))
            for role in roles or []:
                work.assignments.assign(client.client_id, Assignment(role=role))
        return Credentials(client.client_id, getattr(client, "client_secret", ""))

    def secret(self, client: Credentials, **fields: Any) -> Credentials:
        """One more secret for the client."""
        with self.changing() as work:
            _, secret = work.clients.add_secret(client.client_id, SecretFields.read(fields))
        return Credentials(client.client_id, secret)

    def hashed(self, password: str) -> NewPassword:
        """The hash as its server makes it."""
        return hashed(password, self.services.settings.password_hash)

    def user(
        self,
        username: str = "alice",
        roles: list[str] | None = None,
        password: str | None = PASSWORD,
        **fields: Any,
    ) -> str:
        """A user with `roles` everywhere; the id."""
        prepared = None if password is None else self.hashed(password)
        with self.changing() as work:
            user = work.users.create(UserFields.read({"username": username, **fields}))
            if prepared:
                work.users.set_password(user.id, prepared)
            for role in roles or []:
                work.assignments.assign(user.id, Assignment(role=role))
        return user.id


def hashed(password: str, parameters: Literal["rfc9106", "owasp"]) -> NewPassword:
    """A hash that users share."""
    return _hashed(password, parameters, passwords.OWASP.memory_cost)


@cache
def _hashed(
    password: str, parameters: Literal["rfc9106", "owasp"], _memory_cost: int
) -> NewPassword:
    hashing = Passwords(parameters)
    try:
        return hashing.prepared(password)
    finally:
        hashing.stop()


def initialised(settings: Settings, clock: Clock) -> Credentials:
    """`issuer init`: the admin client of the initialised issuer."""
    made = initialise(settings, OPERATOR, clock)
    assert made.client_secret is not None
    return Credentials(made.client_id, made.client_secret)
