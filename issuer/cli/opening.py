"""The house as a command opens it: settings from the environment, one transaction a command."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager

from issuer import logs
from issuer.audit import Actor
from issuer.composition import Composition, UnitOfWork, compose
from issuer.settings import Settings


def read_settings() -> Settings:
    """The settings, and logs as quiet as a terminal wants them."""
    settings = Settings.from_environment()
    logs.configure("debug" if settings.log_level == "debug" else "warning")
    return settings


@contextmanager
def opened(settings: Settings | None = None) -> Iterator[Composition]:
    """The services without their threads, on an initialised database."""
    parts = compose(settings or read_settings())
    try:
        yield parts
    finally:
        parts.database.dispose()


@contextmanager
def changing() -> Iterator[UnitOfWork]:
    """The rooms in the one transaction of a command that changes something."""
    with opened() as parts, parts.administration.changing(operator()) as work:
        yield work


@contextmanager
def reading() -> Iterator[UnitOfWork]:
    """The rooms in the one transaction of a command that only looks."""
    with opened() as parts, parts.administration.reading() as work:
        yield work


def operator() -> Actor:
    """Who runs the command, as the audit wants to know it. `USER` could say anything."""
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # in a container nobody may have this number
        name = str(uid)
    return Actor(f"cli:{name}")
