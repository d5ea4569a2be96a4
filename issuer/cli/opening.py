"""Settings from the environment, and one transaction per command."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager

from issuer import logs
from issuer.audit import Actor
from issuer.composition import Composition, UnitOfWork, compose
from issuer.settings import Settings


def read_settings() -> Settings:
    """The settings. Configures logging: only warnings and errors, unless the level is debug."""
    settings = Settings.from_environment()
    logs.configure("debug" if settings.log_level == "debug" else "warning")
    return settings


@contextmanager
def opened(settings: Settings | None = None) -> Iterator[Composition]:
    """The composition without its threads, on an initialised database."""
    parts = compose(settings or read_settings())
    try:
        yield parts
    finally:
        parts.database.dispose()


@contextmanager
def changing() -> Iterator[UnitOfWork]:
    """The transaction of a command that writes."""
    with opened() as parts, parts.administration.changing(operator()) as work:
        yield work


@contextmanager
def reading() -> Iterator[UnitOfWork]:
    """The transaction of a command that only reads."""
    with opened() as parts, parts.administration.reading() as work:
        yield work


def operator() -> Actor:
    """The system user that runs the command, for the audit log. `USER` could be anything."""
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # in a container, the user id may have no name
        name = str(uid)
    return Actor(f"cli:{name}")
