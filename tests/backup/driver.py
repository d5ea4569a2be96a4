"""Driver: backups in memory, and what they restore."""

import io
from pathlib import Path
from uuid import uuid4

from issuer.audit import Actor, Event
from issuer.audit.chain_store import ChainHead, append
from issuer.backup.backing_up import back_up_into
from issuer.backup.encryption import Encryption
from issuer.backup.restoring import ArchiveSource, Restored, restore
from issuer.clock import Clock
from issuer.composition import Composition
from issuer.settings import Settings
from tests.builders import OPERATOR, Deployment, settings_for


def write_events(services: Composition, number: int) -> None:
    """So many audit events, which do not compress well: a large archive."""
    now, key = services.clock(), services.foundation.chain_key
    events = [
        Event(now, Actor("ci-bot"), "token.issued", "ci-bot", details={"jti": uuid4().hex})
        for _ in range(number)
    ]
    with services.database.statements() as connection:
        append(key, connection, uuid4().hex, ChainHead(), events)


def backed_up(services: Composition) -> bytes:
    archive = io.BytesIO()
    back_up_into(archive, services.foundation, OPERATOR, Encryption())
    return archive.getvalue()


def restored(
    archive: bytes, settings: Settings, clock: Clock, feed: bytes | None = None
) -> Restored:
    source = ArchiveSource(io.BytesIO(archive), "the.backup")
    return restore(source, settings, OPERATOR, clock, feed)


def elsewhere(deployment: Deployment, database_url: str, **more: str) -> Settings:
    """The settings of the deployment, but for the database."""
    return settings_for(Path(deployment.services.settings.data_dir), database_url, **more)
