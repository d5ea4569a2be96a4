"""Settings from the environment, and one transaction per command."""

import os
import pwd
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import typer

from issuer.audit import Actor
from issuer.cli.subjects import suggesting
from issuer.composition import Administration, AuditParts, UnitOfWork, composed
from issuer.fields.text import escaped
from issuer.settings import Settings
from issuer.telemetry import logs


def read_settings() -> Settings:
    """The settings. Configures logging: only warnings and errors, unless the level is debug."""
    settings = Settings.from_environment()
    logs.configure("debug" if settings.log_level == "debug" else "warning")
    return settings


@contextmanager
def administering() -> Iterator[Administration]:
    """The administration, for a command with more than one transaction."""
    with composed(read_settings()) as parts:
        yield parts.administration


@contextmanager
def administering_with_keys() -> Iterator[Administration]:
    """Composed with the signing keys loaded, so that tokens can be read."""
    with administering() as administration:
        administration.keyring.reload()
        yield administration


@contextmanager
def auditing() -> Iterator[AuditParts]:
    """The audit log, with the signing keys loaded."""
    with composed(read_settings()) as parts:
        parts.keys.keyring.reload()
        yield parts.audit


@contextmanager
def changing(keep_credentials: Iterable[str] | None = None) -> Iterator[UnitOfWork]:
    """The transaction of a command that writes. Its warnings are printed after the commit."""
    with administering() as administration, administration.changing(operator()) as work:
        work.new_privileges.keep(credential_ids(keep_credentials))
        with suggesting(work):
            yield work
    for warning in work.new_privileges.warnings:
        typer.echo(escaped(f"Warning: {warning}"), err=True)


def credential_ids(keep_credentials: Iterable[str] | None) -> list[str]:
    """The ids of `--keep-credentials`, which may have commas between them."""
    return [each for text in keep_credentials or () for each in text.split(",")]


@contextmanager
def reading() -> Iterator[UnitOfWork]:
    """The transaction of a command that only reads."""
    with administering() as administration, administration.reading() as work, suggesting(work):
        yield work


def operator() -> Actor:
    """The system user that runs the command, for the audit log. `USER` could be anything."""
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # in a container, the user id may have no name
        name = str(uid)
    return Actor(f"cli:{name}", is_local=True)
