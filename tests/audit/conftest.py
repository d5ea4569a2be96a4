"""Fixtures for the audit log: an issuer without a server, and its audit events."""

import asyncio
from collections.abc import Iterator
from random import Random

import pytest

from issuer.audit import Actor, AuditWriter, ChainKey, Event
from issuer.audit.verification import Verification
from issuer.composition import Composition, compose
from issuer.database import Database
from issuer.roles import RoleFields
from issuer.settings import Settings
from tests.builders import OPERATOR, FakeClock, initialised

CHAIN_KEY = ChainKey(bytes(32))


class Recorded:
    """An issuer and its audit events."""

    def __init__(self, services: Composition) -> None:
        self.services = services
        self.writers = Random(1)

    def change(self, *names: str) -> None:
        """Create roles, as any process does."""
        for name in names:
            with self.services.administration.changing(OPERATOR) as work:
                work.roles.create(RoleFields.read({"name": name}))

    def server(self, *targets: str) -> None:
        """Run a server until it has written an event for each target, one after another."""
        writer = self.new_writer(self.writers)
        writer.start()

        async def record() -> None:
            for target in targets:
                details = {"jti": target, "scope": "agents:run", "é": "\u2028"}
                at = self.services.clock()
                await writer.record(
                    Event(at, Actor("ci-bot"), "token.issued", target, details=details)
                )

        asyncio.run(record())
        writer.stop()

    def new_writer(self, random: Random) -> AuditWriter:
        foundation, refusals = self.services.foundation, self.services.audit.refusals
        return AuditWriter(foundation.database, foundation.chain_key, random, refusals)

    def verify(self, *kept: str) -> Verification:
        return self.services.audit.verify(kept)


@pytest.fixture
def database(migrated_database_url: str) -> Iterator[Database]:
    """A database without an issuer."""
    database = Database(migrated_database_url)
    yield database
    database.dispose()


@pytest.fixture
def recorded(settings: Settings, clock: FakeClock) -> Iterator[Recorded]:
    initialised(settings, clock)
    services = compose(settings, clock)
    services.keys.keyring.reload()
    yield Recorded(services)
    services.database.dispose()
