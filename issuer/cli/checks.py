"""The checks of `issuer doctor`; each gives findings, good or bad."""

import os
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from issuer.clients.documents import ALL_HOSTS
from issuer.clients.registrations import MAX_CLIENTS
from issuer.clock import Clock
from issuer.composition import KeyParts, UnitOfWork
from issuer.database import Database
from issuer.errors import ConfigurationError
from issuer.keys import KeyPolicy
from issuer.keys.described import described
from issuer.keys.folder import key_files, read_key_file
from issuer.keys.schedule import active, next_key
from issuer.provisioning.setup import ADMIN_CLIENT
from issuer.scopes import ISSUER_ADMIN
from issuer.settings import Settings
from issuer.sign_in.passkeys import why_not_offered
from issuer.vocabulary import SigningAlgorithm

_MAX_DRIFT = timedelta(seconds=2)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Finding(NamedTuple):
    """The result of a check. `verdict` is `ok`, `note`, `warning` or `problem`."""

    check: str
    verdict: str
    message: str


def of_settings(settings: Settings) -> Iterator[Finding]:
    if urlsplit(settings.url).scheme == "http":
        yield Finding("url", "warning", f"{settings.url} is not https://: for tests only.")
    if settings.password_grant:
        message = "Enabled for clients that have it. ISSUER_PASSWORD_GRANT=false disables it."
        if settings.second_factor == "required":
            message = "Refuses everybody, since ISSUER_SECOND_FACTOR=required."
        yield Finding("password grant", "note", message)
    if SigningAlgorithm.RS256 not in settings.signing_algorithms:
        message = (
            "ISSUER_SIGNING_ALGORITHMS lacks RS256, which OpenID Connect Discovery requires: strict"
            " clients may refuse to sign people in."
        )
        yield Finding("id tokens", "note", message)
    if reason := why_not_offered(settings.url):
        yield Finding("passkeys", "note", f"Not offered. {reason}")
    if "JWT_VERIFICATION_KEY" in os.environ:
        message = "An AgentOS with this variable also accepts tokens signed by that key."
        yield Finding("JWT_VERIFICATION_KEY", "warning", message)


def of_files(settings: Settings) -> Iterator[Finding]:
    """The directory has mode 0700, its files 0600."""
    directory = settings.data_dir.absolute()
    if not directory.exists():
        return
    paths = [directory, *sorted(directory.glob("*"))]
    if exposed := [path.name for path in paths if path.stat().st_mode & _OTHERS]:
        message = f"Other users can access {', '.join(exposed)}: chmod -R go= {directory}"
        yield Finding("data directory", "problem", message)
    else:
        yield Finding("data directory", "ok", f"{directory} is private.")


def of_key_folder(folder: Path) -> Iterator[Finding]:
    """The folder exists and other users cannot change it; servers would skip an unusable file."""
    if not folder.is_dir():
        message = f"ISSUER_KEY_FOLDER {folder} does not exist: run `issuer init`, or mount it."
        yield Finding("key folder", "problem", message)
    elif _others_can_remove_from(folder):
        yield Finding("key folder", "problem", f"Other users can change {folder}: chmod go-w it.")
    else:
        yield Finding("key folder", "ok", f"Keys are stored in {folder}.")
    for path in key_files(folder):
        try:
            read_key_file(path)
        except ConfigurationError as error:
            yield Finding("key file", "warning", str(error))


def _others_can_remove_from(folder: Path) -> bool:
    mode = folder.stat().st_mode
    return bool(mode & (stat.S_IWGRP | stat.S_IWOTH)) and not mode & stat.S_ISVTX


def of_database(database: Database) -> Finding:
    message = f"{database.safe_url} has the newest schema and accepts writes."
    return Finding("database", "ok", message)


def of_clocks(database: Database, clock: Clock) -> Finding:
    """This machine's clock and the database's: if they differ, servers sign with different keys."""
    drift = abs(database.now() - clock())
    if drift > _MAX_DRIFT:
        apart = f"{drift.total_seconds():.0f} s"
        return Finding("clock", "warning", f"The database's is {apart} away: synchronise them.")
    return Finding("clock", "ok", "Agrees with the database clock.")


def of_keys(key_parts: KeyParts, settings: Settings, now: datetime) -> Iterator[Finding]:
    key_parts.keyring.reload()
    key_parts.keyring.require_loaded()
    keys = key_parts.keyring.keys
    for alg in settings.signing_algorithms:
        signing, successor = active(keys, alg, now), next_key(keys, alg, now)
        if signing is None:
            yield Finding(f"{alg} keys", "problem", "There is no active key: run `issuer init`.")
        elif successor is None:
            end = signing.activates_at + key_parts.policy.sign_for
            message = f"The active key signs until {end:%Y-%m-%d}, and there is no next key: a"
            yield Finding(f"{alg} keys", "warning", f"{message} running server creates one.")
        else:
            summary = described(keys, signing, now).summary
            yield Finding(f"{alg} keys", "ok", f"The active key {summary}.")


def of_key_policy(policy: KeyPolicy) -> Finding:
    """A revocation activates the next key, which verifiers should have fetched by then."""
    if policy.sign_for < 2 * policy.announced_for:
        message = (
            "When the active key is revoked, verifiers will often not have the next key yet:"
            " increase ISSUER_KEY_SIGN_FOR."
        )
        return Finding("key policy", "warning", message)
    return Finding("key policy", "ok", "Rotation policy is OK.")


def of_client_registration(work: UnitOfWork, settings: Settings) -> Iterator[Finding]:
    """Which clients come without an administrator."""
    count, mode = work.registrations.count(), settings.client_registration
    if count or mode == "open":
        message = f"{count} of at most {MAX_CLIENTS:,} clients have registered themselves."
        if mode == "open":
            message = f"Open to everybody. {message}"
        yield Finding("client registration", "note", message)
    if ALL_HOSTS in settings.client_metadata_hosts:
        message = "Client metadata documents of every host are accepted."
        yield Finding("client metadata hosts", "note", message)


def of_second_factors(work: UnitOfWork, settings: Settings) -> Iterator[Finding]:
    """Whether a stolen password is enough to administer the issuer."""
    count = work.authority.admins_with_password_alone()
    if count and settings.second_factor == "optional":
        message = (
            f"Users with issuer:admin and a password alone: {count}."
            " With ISSUER_SECOND_FACTOR=required, everybody sets up a second factor."
        )
        yield Finding("second factor", "note", message)


def of_administrator(work: UnitOfWork, settings: Settings) -> Finding:
    admin = work.clients.get(ADMIN_CLIENT) if work.clients.exists(ADMIN_CLIENT) else None
    if (
        admin is not None
        and not admin.disabled
        and ISSUER_ADMIN in admin.scopes
        and settings.url in admin.audiences
    ):
        if not work.authority.has_admin():
            message = (
                "Every secret with issuer:admin expires: create one that does not, with"
                f" `issuer client secret create {ADMIN_CLIENT}`."
            )
            return Finding("administrator", "warning", message)
        return Finding("administrator", "ok", f"{ADMIN_CLIENT} has issuer:admin.")
    message = f"{ADMIN_CLIENT} cannot administer {settings.url}: run `issuer admin recover`."
    return Finding("administrator", "warning", message)
