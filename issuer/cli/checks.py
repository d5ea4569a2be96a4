"""What `issuer doctor` looks at: each check finds something to say, good or bad."""

import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from issuer.composition import Composition, UnitOfWork
from issuer.database import Database
from issuer.errors import ConfigurationError
from issuer.keys import KeyPolicy
from issuer.keys.backends.folder import key_files, read_key_file
from issuer.keys.described import described
from issuer.keys.schedule import active, next_key
from issuer.scopes import ISSUER_ADMIN
from issuer.settings import Settings
from issuer.setup import ADMIN_CLIENT

_MAX_DRIFT = timedelta(seconds=2)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Finding(NamedTuple):
    """What came of one check: `ok`, `note`, `warning` or `problem`."""

    check: str
    verdict: str
    message: str


def of_settings(settings: Settings) -> Iterator[Finding]:
    if urlsplit(settings.url).scheme == "http":
        yield Finding("url", "warning", f"{settings.url} is not https://: good for trying it out.")
    if settings.password_grant:
        message = "On, for clients that have it; ISSUER_PASSWORD_GRANT=false removes it."
        yield Finding("password grant", "note", message)
    if "JWT_VERIFICATION_KEY" in os.environ:
        message = "An AgentOS that has it trusts the tokens of that key too, whoever made them."
        yield Finding("JWT_VERIFICATION_KEY", "warning", message)


def of_files(settings: Settings) -> Iterator[Finding]:
    """The directory has mode 0700, its files 0600 (CONTRACT §8)."""
    directory = settings.data_dir.absolute()
    if not directory.exists():
        return
    paths = [directory, *sorted(directory.glob("*"))]
    if seen := [path.name for path in paths if path.stat().st_mode & _OTHERS]:
        message = f"Others can get at {', '.join(seen)}: chmod -R go= {directory}"
        yield Finding("data directory", "problem", message)
    else:
        yield Finding("data directory", "ok", f"{directory} is private.")


def of_key_folder(folder: Path) -> Iterator[Finding]:
    """Keys are there, safe from others; a file that is not fit would be passed over in silence."""
    if not folder.is_dir():
        message = f"ISSUER_KEY_FOLDER {folder} is not there: `issuer init` makes it, or mount it."
        yield Finding("key folder", "problem", message)
    elif _others_can_remove_from(folder):
        yield Finding("key folder", "problem", f"Others can change {folder}: chmod go-w it.")
    else:
        yield Finding("key folder", "ok", f"{folder} is where keys are kept.")
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


def of_clocks(parts: Composition) -> Finding:
    """Ours against the database's: processes that disagree sign with different keys."""
    drift = abs(parts.database.now() - parts.clock())
    if drift > _MAX_DRIFT:
        apart = f"{drift.total_seconds():.0f} s"
        return Finding("clock", "warning", f"The database's is {apart} away: synchronise them.")
    return Finding("clock", "ok", "It agrees with the database's.")


def of_keys(parts: Composition) -> Iterator[Finding]:
    parts.keys.keyring.reload()
    parts.keys.keyring.require_loaded()
    keys, now = parts.keys.keyring.keys, parts.clock()
    for alg in parts.settings.signing_algorithms:
        signing, following = active(keys, alg, now), next_key(keys, alg, now)
        if signing is None:
            yield Finding(f"{alg} keys", "problem", "None signs: `issuer init` makes them.")
        elif following is None:
            end = signing.activates_at + parts.keys.policy.sign_for
            message = f"The one that signs should until {end:%Y-%m-%d}, and none is in reserve: a"
            yield Finding(f"{alg} keys", "warning", f"{message} running server makes one.")
        else:
            what = described(keys, signing, now).what
            yield Finding(f"{alg} keys", "ok", f"One {what}.")


def of_key_policy(policy: KeyPolicy) -> Finding:
    """A revocation promotes the reserve; followers should have it by then."""
    if policy.sign_for < 2 * policy.announced_for:
        message = (
            "Most of the time the key in reserve is too young to sign, should the other have to be"
            " revoked: make ISSUER_KEY_SIGN_FOR longer."
        )
        return Finding("key policy", "warning", message)
    return Finding("key policy", "ok", "Nearly always a key is in reserve that followers know.")


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
                "Every secret of a holder of issuer:admin expires: make one that does not, with"
                f" `issuer client secret create {ADMIN_CLIENT}`."
            )
            return Finding("administrator", "warning", message)
        return Finding("administrator", "ok", f"{ADMIN_CLIENT} may do everything.")
    message = f"{ADMIN_CLIENT} cannot administer {settings.url}: `issuer admin recover` helps."
    return Finding("administrator", "warning", message)
