"""Setting up a deployment, recovering its admin, and changing its URL or master key."""

import secrets
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from issuer.audit import Actor
from issuer.clients.client import ClientFields, NewClient, SecretFields
from issuer.clients.clients import LASTING
from issuer.clock import Clock
from issuer.composition import Administration, UnitOfWork, composed
from issuer.composition.composition import compose_with
from issuer.composition.foundation import (
    MASTER_KEY,
    Foundation,
    build_sealer,
    is_sealed,
    lost_master_key,
    master_key_path,
)
from issuer.database import Database, only_one
from issuer.database.deployment import current_revision, ensure_issuer, recorded_issuer
from issuer.database.migrations import upgrade
from issuer.errors import ConfigurationError
from issuer.files import read_trusted, reason_of, write_private
from issuer.keys.keys import rewrap
from issuer.keys.sealed_secrets_store import CLIENT_SECRETS, current_mark, ensure, open_secret
from issuer.keys.sealing import Sealer, new_master_key
from issuer.scopes import ISSUER_ADMIN
from issuer.settings import Settings
from issuer.vocabulary import ADMIN_CLIENT

_OLD_AND_NEW = 2
_PATIENCE_S = 60


@dataclass(frozen=True)
class Initialised:
    """The result of `init`: `data_dir` if used, the secret of a new admin unless it was given."""

    issuer: str
    data_dir: Path | None
    client_id: str
    client_secret: str | None = field(repr=False)


def initialise(settings: Settings, actor: Actor, clock: Clock | None = None) -> Initialised:
    """Create what is missing, and change nothing that exists.

    Waits a minute for another `init`. `ConfigurationError` if that still runs, the master key is
    wrong, the schema is newer than this program, or the database belongs to another issuer.
    """
    with ExitStack() as stack:
        database = Database(settings.effective_database_url)
        stack.callback(database.dispose)
        # Before anything is created, check master key and database.
        if settings.master_key is not None:
            build_sealer(settings)
        if not database.is_sqlite:
            current_revision(database)
        if settings.needs_data_dir:
            prepare_data_dir(settings.data_dir)
        if settings.key_folder is not None:
            _make_key_folder(settings.key_folder)
        stack.enter_context(only_one(database, "init", patience=_PATIENCE_S))
        sealed_before = is_sealed(database)
        sealer = _sealer(settings, sealed_before=sealed_before)
        if sealed_before:
            with database.reading() as session:
                open_secret(session, sealer, CLIENT_SECRETS)  # checks the key before any change
        upgrade(database)
        clock = clock or Clock()
        with database.changing() as session:
            ensure_issuer(session, settings.url, clock())
            ensure(session, sealer, secrets.token_bytes)
        parts = compose_with(settings, clock, sealer)
        stack.callback(parts.database.dispose)
        parts.keys.keyring.reconcile()
        return _initialise(settings, _ensure_admin(parts.administration, settings, actor))


def recover_admin(settings: Settings, actor: Actor, kept: Iterable[str] = ()) -> Initialised:
    """A new secret for the admin client, which is enabled, and keeps the credentials `kept`."""
    with composed(settings) as parts, parts.administration.changing(actor) as work:
        work.new_privileges.keep(kept)
        work.audiences.ensure_own()
        secret = _recover(work, settings.url)
    return _initialise(settings, secret)


def change_url(settings: Settings, actor: Actor) -> str:
    """Move the database to `ISSUER_URL` and rename its own audience; the URL before."""
    with ExitStack() as stack:
        parts = compose_with(settings, Clock(), build_sealer(settings))
        stack.callback(parts.database.dispose)
        stack.enter_context(only_one(parts.database, "admin change-url"))
        with parts.database.reading() as session:
            before = recorded_issuer(session)
        if before != settings.url:
            with parts.administration.changing(actor) as work:
                work.audiences.move_own(before)
                work.change_issuer()
        return before


def change_master_key(settings: Settings, actor: Actor) -> tuple[int, Path | None]:
    """Rewrap everything under a new master key, while servers run.

    The number of keys, and the file with the master key, if any. A second attempt completes an
    interrupted one. `ConfigurationError` if ISSUER_MASTER_KEY holds no new key.
    """
    with composed(settings) as parts, only_one(parts.database, "key rewrap"):
        file = _with_new_master_key(settings)
        keys = _rewrap(parts.foundation, actor, may_be_done=file is not None)
        parts.database.erasure.run()
        if file is not None:
            _write_words(file, _words(file)[:1])
    return keys, file


def prepare_data_dir(path: Path) -> None:
    """Create it with mode 0700; one that others can read and holds other files is refused."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        open_to_others = path.stat().st_mode & 0o077
        if open_to_others and any(path.iterdir()) and not (path / MASTER_KEY).exists():
            raise ConfigurationError(
                f"ISSUER_DATA_DIR {path} can be read by others and holds other files:"
                " chmod 700 it, or name another directory."
            )
        path.chmod(0o700)
    except OSError as error:
        why = reason_of(error)
        raise ConfigurationError(f"ISSUER_DATA_DIR cannot be used: {path}: {why}.") from None


def _initialise(settings: Settings, secret: str | None) -> Initialised:
    data_dir = settings.data_dir.absolute() if settings.needs_data_dir else None
    return Initialised(settings.url, data_dir, ADMIN_CLIENT, secret)


def _make_key_folder(path: Path) -> None:
    """Create it with mode 0700. An existing one keeps the mode that its owner chose."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        why = reason_of(error)
        raise ConfigurationError(f"ISSUER_KEY_FOLDER cannot be used: {path}: {why}.") from None


def _sealer(settings: Settings, *, sealed_before: bool) -> Sealer:
    path = master_key_path(settings)
    if settings.master_key is None and not path.exists():
        if sealed_before:
            raise lost_master_key(path)
        write_private(path, new_master_key(secrets.token_bytes) + "\n")
    return build_sealer(settings)


def _with_new_master_key(settings: Settings) -> Path | None:
    """Ensure that there are two master keys, the new one first; the file they are in."""
    if settings.master_key is not None:
        if len(settings.master_key.get_secret_value().split()) < _OLD_AND_NEW:
            raise ConfigurationError(
                "ISSUER_MASTER_KEY holds only one master key: put the new one before it."
            )
        return None
    path = master_key_path(settings).resolve()  # keep a symbolic link
    if len(words := _words(path)) < _OLD_AND_NEW:
        _write_words(path, [new_master_key(secrets.token_bytes), *words])
    return path


def _rewrap(foundation: Foundation, actor: Actor, *, may_be_done: bool) -> int:
    with foundation.database.changing() as session:
        is_new = current_mark(session) != foundation.sealer.newest
        keys = rewrap(session, foundation.sealer, foundation.trails.begin(session, actor))
    if not (is_new or keys or may_be_done):
        # An operator who put the new key last would remove the old one next, which is in use.
        raise ConfigurationError(
            "Everything is sealed with the first key of ISSUER_MASTER_KEY already:"
            " to change it, put a new one before it."
        )
    return keys


def _words(path: Path) -> list[str]:
    return read_trusted(path, private=True).decode("ascii").split()


def _write_words(path: Path, words: list[str]) -> None:
    try:
        write_private(path, "\n".join(words) + "\n")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {reason_of(error)}.") from None


def _ensure_admin(administration: Administration, settings: Settings, actor: Actor) -> str | None:
    """The secret that was made for the admin client, if it was created and none was given."""
    given = settings.admin_secret.get_secret_value() if settings.admin_secret else None
    with administration.changing(actor) as work:
        work.audiences.ensure_own()
        if work.clients.exists(ADMIN_CLIENT):
            return None
        secret = _new_admin(work, settings.url, given)
    return None if given else secret


def _recover(work: UnitOfWork, own_audience: str) -> str:
    if not work.clients.exists(ADMIN_CLIENT):
        return _new_admin(work, own_audience)
    client = work.clients.get(ADMIN_CLIENT)
    work.clients.update(
        ADMIN_CLIENT,
        {
            "scopes": sorted({*client.scopes, ISSUER_ADMIN}),
            "scopes_expire_at": {ISSUER_ADMIN: None},
            "audiences": sorted({*client.audiences, own_audience}),
            "grant_types": sorted({*client.grant_types, "client_credentials"}),
            "disabled": False,
        },
    )
    for old in work.clients.secrets(ADMIN_CLIENT):
        work.clients.delete_secret(ADMIN_CLIENT, old.id)
    # After the last secret of an admin has expired, nobody could make another.
    fields = SecretFields(label="recovered", expires_at=None)
    return work.clients.add_secret(ADMIN_CLIENT, fields)[1]


def _new_admin(work: UnitOfWork, own_audience: str, secret: str | None = None) -> str:
    fields = ClientFields(
        client_id=ADMIN_CLIENT,
        name="Administrator",
        scopes=[ISSUER_ADMIN],
        audiences=[own_audience],
    )
    created = work.clients.create(fields, secret=secret, secret_fields=LASTING)
    assert isinstance(created, NewClient)
    return created.client_secret
