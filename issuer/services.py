"""The one place where objects meet. Everything below is handed what it needs."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import SystemRandom

import structlog

from issuer.audiences import Audiences
from issuer.audiences.store import AudienceStore
from issuer.audit import (
    Actor,
    AuditWriter,
    ChainKey,
    Checkpoints,
    GatheredRefusals,
    Record,
    Retention,
    Trail,
    Verification,
    keep_chains,
    verify,
)
from issuer.audit.gathering import WRITE_EVERY as WRITE_REFUSALS_EVERY
from issuer.authority import Authority
from issuer.catalogue import OwnApi
from issuer.clients import Clients, Rotations, SecretMaker
from issuer.clients.authentication import ClientAuthentication
from issuer.clients.last_use import WRITE_EVERY, LastUse
from issuer.clock import Clock
from issuer.database import Database, Session, is_empty, require_current_schema
from issuer.database.counts import read_change_count
from issuer.database.deployment import change_issuer, require_issuer, require_writable
from issuer.directory import ChangeWatcher, Directory
from issuer.errors import ConfigurationError, DatabaseUnavailable, NotAllowed
from issuer.explaining import Explainer
from issuer.families import Lifetimes
from issuer.keys import KeyPolicy, Keyring, Keys, Rotator
from issuer.keys.backends import FolderKeyBackend, KeyBackend, SealedKeyBackend
from issuer.keys.house_secrets_store import (
    AUDIT_CHAINS,
    CLIENT_SECRETS,
    REFRESH_TOKENS,
    SIGN_IN_ATTEMPTS,
    current_mark,
    derived,
    is_kept,
    opened,
)
from issuer.keys.sealing import Sealer, read_master_key_file, read_master_keys
from issuer.keys.statements import StatementReader
from issuer.keys.store import KeyStore
from issuer.periodic import Periodic
from issuer.refresh import RefreshTokenMaker, RefreshTokens
from issuer.revocations import Revocations, RevocationView
from issuer.roles import Assignments, Roles
from issuer.scopes import ISSUER_ADMIN
from issuer.settings import Settings
from issuer.tokens import (
    RevocationFeed,
    TokenIssuer,
    TokenReader,
    TokenRevocations,
    VerifiedToken,
)
from issuer.users import Guard, Marks, Passwords, Policy, SignIn, Users
from issuer.users.guard import CLEAR_EVERY
from issuer.vocabulary import AUDIT_CHECKPOINT_TYPE, SigningAlgorithm

MASTER_KEY = "master.key"
FORGET_EVERY = timedelta(minutes=10)
_PRUNE_EVERY = timedelta(hours=1)
_ERASE_EVERY = timedelta(minutes=1)

log = structlog.get_logger(__name__)
NOBODY = Actor()


@dataclass(frozen=True)
class Rooms:
    """The rooms an operator works in, all in one transaction."""

    authority: Authority
    audiences: Audiences
    roles: Roles
    clients: Clients
    rotations: Rotations
    users: Users
    assignments: Assignments
    revocations: Revocations
    token_revocations: TokenRevocations
    keys: Keys
    record: Record
    change_count: Callable[[], int]
    change_issuer: Callable[[], None]


class Services:
    """Everything a door can ask for. Built on an initialised database of the current schema."""

    def __init__(self, settings: Settings, clock: Clock, sealer: Sealer) -> None:
        self.settings = settings
        self.clock = clock
        self.sealer = sealer
        self.database = Database(settings.effective_database_url)
        require_current_schema(self.database)
        self._chance = SystemRandom()
        with self.database.reading() as session:
            hmac_key = opened(session, sealer, CLIENT_SECRETS)
        self.secrets = SecretMaker(hmac_key, self._chance)
        self.chain_key = ChainKey(derived(hmac_key, AUDIT_CHAINS))
        keep_chains(self.database, self.chain_key)
        self.passwords = Passwords(settings.password_hash, settings.password_workers)
        self.last_use = LastUse(self.database)
        self.directory = Directory(self.database, own_audience=settings.url)
        self._marks = Marks(derived(hmac_key, SIGN_IN_ATTEMPTS))
        policy = Policy(settings.sign_in_failures, settings.sign_in_lock)
        self.guard = Guard(self.database, clock, policy, self._marks)
        self.sign_in = SignIn(self.database, self.directory, self.passwords, self.guard)
        self.client_authentication = ClientAuthentication(self.directory, self.secrets)
        self.key_policy = KeyPolicy(settings.key_sign_for, settings.key_announce_for)
        self.keyring = Keyring(
            self.database,
            self._backends(),
            clock,
            self.key_policy,
            settings.key_set_kept_for,
            settings.signing_algorithms,
            self._algorithms_in_use,
        )
        self.rotator = Rotator(self.keyring, clock)
        self.revocations = RevocationView(self.database, clock)
        self.tokens = TokenIssuer(
            settings.url,
            self.keyring,
            self._chance,
            default_lifetime=settings.access_token_ttl,
            most_bytes=settings.max_token_bytes,
            revocations=self.revocations,
        )
        verifying = (self.keyring, clock, self.revocations)
        self.own_tokens = TokenReader(settings.url, settings.url, *verifying)
        self.any_tokens = TokenReader(settings.url, None, *verifying)
        self.refresh = RefreshTokens(
            self.database,
            clock,
            self._chance,
            RefreshTokenMaker(derived(hmac_key, REFRESH_TOKENS), self._chance),
            Lifetimes(settings.refresh_idle, settings.refresh_ttl),
            settings.refresh_reuse_grace,
            ended=self._see_own_change,
        )
        own_api = OwnApi(
            settings.url, settings.base_path, has_metrics=settings.metrics_token is not None
        )
        self.explainer = Explainer(self.directory, self.tokens, self.any_tokens, own_api)
        self.refusals = GatheredRefusals(self.database, self._chance)
        self.audit = AuditWriter(self.database, self._chance, self.refusals)
        self.checkpoints = Checkpoints(
            self.database, clock, settings.url, self.chain_key, self._signed_checkpoint
        )
        self.changes = ChangeWatcher(self.database, clock)
        self.changes.subscribe_to_feed(self.revocations.follow)
        self.changes.subscribe(self.directory.forget)
        self.changes.subscribe(self.keyring.reload)
        self.revocation_feed = RevocationFeed(
            settings.url, self.database, clock, self.keyring, self.revocations, self.changes.look
        )
        self._tidying = (
            Periodic("forgetting-the-dead", FORGET_EVERY, self._forget_the_dead),
            Periodic("attempts", CLEAR_EVERY, self.guard.clear_up),
            Periodic("audit-retention", _PRUNE_EVERY, self.prune_audit),
            Periodic("erasure", _ERASE_EVERY, self.database.erasure.retry),
        )
        # The last one is about what the others have written.
        self._writing = (
            Periodic("last-use", WRITE_EVERY, self.last_use.write),
            Periodic("refusals", WRITE_REFUSALS_EVERY, self.refusals.write),
            Periodic("audit-checkpoints", settings.audit_checkpoint_every, self._make_checkpoint),
        )

    @contextmanager
    def changing(self, actor: Actor, held: Iterable[str] = (ISSUER_ADMIN,)) -> Iterator[Rooms]:
        """One transaction for one request of an operator; this process sees it at once.

        `held` are the actor's scopes at the issuer's own audience. Who can run the command line
        beside the database has it in hand anyway.
        """
        with self.database.changing() as session:
            rooms = self._rooms(session, actor, held)
            yield rooms
            rooms.authority.settle()
            rooms.revocations.settle()
        self._see_own_change()

    def _see_own_change(self) -> None:
        with suppress(DatabaseUnavailable):  # what was done is done; the watcher looks again soon
            self.changes.look()

    @contextmanager
    def reading(
        self, actor: Actor = NOBODY, held: Iterable[str] = (ISSUER_ADMIN,)
    ) -> Iterator[Rooms]:
        """The same rooms in a transaction that changes nothing, and waits for nobody."""
        with self.database.reading() as session:
            yield self._rooms(session, actor, held)

    def _rooms(self, session: Session, actor: Actor, held: Iterable[str]) -> Rooms:
        trail = Trail(session, self.clock, actor)
        authority = Authority(
            session,
            self.settings.url,
            held,
            users_sign_in=self.settings.password_grant,
        )
        revocations = Revocations(session, self.clock)
        room = (session, trail, self.clock, authority)
        clients = Clients(*room, revocations, self._chance, self.secrets)
        return Rooms(
            authority,
            Audiences(
                *room,
                revocations,
                own_id=self.settings.url,
                algorithms=self.settings.signing_algorithms,
                announce_for=self.key_policy.announced_for,
            ),
            Roles(*room),
            clients,
            Rotations(clients, self.clock),
            Users(*room, revocations, self._chance, self._marks),
            Assignments(session, trail, authority),
            revocations,
            TokenRevocations(trail, self.clock, authority, revocations, self.any_tokens),
            Keys(session, trail, self.clock),
            Record(session),
            partial(read_change_count, session),
            partial(change_issuer, session, self.settings.url),
        )

    def start(self) -> None:
        """Keys in order, then the background threads."""
        self._require_algorithms()
        self.keyring.tidy()
        self.keyring.put_in_order()
        self.keyring.require_loaded()
        self.changes.start()
        self.rotator.start()
        self.audit.start()
        for periodic in (*self._tidying, *self._writing):
            periodic.start()
        self.database.outage.is_logged = True

    def stop(self) -> None:
        """Make durable what waits, end the threads, close the connections."""
        self.audit.stop()
        for tidying in self._tidying:
            tidying.stop()
        for writing in self._writing:
            writing.stop()
            writing.run_once()
        self.passwords.stop()
        self.rotator.stop()
        self.changes.stop()
        self.database.dispose()

    @contextmanager
    def changing_keys(self, actor: Actor, held: Iterable[str] = (ISSUER_ADMIN,)) -> Iterator[Rooms]:
        """As `changing`, with the keys in order before and after.

        So that there is a reserve to take over, and then the next one in reserve.
        """
        self.keyring.put_in_order()
        with self.changing(actor, held) as rooms:
            yield rooms
        self.keyring.put_in_order()

    def rotate_keys(
        self, alg: SigningAlgorithm | None, actor: Actor, held: Iterable[str] = (ISSUER_ADMIN,)
    ) -> None:
        """The keys in reserve sign from now on: that of `alg`, or of each algorithm; or none.

        `NotYet` before all of them were announced long enough.
        """
        ours = self.settings.signing_algorithms
        if alg is not None and alg not in ours:
            raise NotAllowed(f"ISSUER_SIGNING_ALGORITHMS does not name {alg}.")
        with self.changing_keys(actor, held) as rooms:
            for each in [alg] if alg else ours:
                rooms.keys.rotate(each)

    def require_ready(self) -> None:
        """An `IssuerError` says why tokens could not be issued now.

        It writes: a database that refuses that may well be read.
        """
        self.changes.require_current()
        require_writable(self.database, self.clock())
        require_current_schema(self.database)
        with self.database.reading() as session:
            require_issuer(session, self.settings.url)
            opened(session, self.sealer, CLIENT_SECRETS)
        for alg in self.settings.signing_algorithms:
            self.keyring.active(alg)

    def _forget_the_dead(self) -> None:
        # First: which families have ended is known from entries of the feed.
        self.refresh.forget_expired()
        more = True
        while more:  # some at a time: nobody waits long for the database
            with self.database.transaction() as session:
                more = bool(Revocations(session, self.clock).forget())

    def is_revoked(self, token: VerifiedToken) -> bool:
        """Whether the token was taken back, by the database as it is now."""
        with self.database.reading() as session:
            return Revocations(session, self.clock).names(
                jti=token.jti,
                sid=token.sid,
                subject=token.subject,
                client_id=token.client_id,
                audience=token.audience,
                issued_at=token.issued_at,
            )

    def prune_audit(self) -> None:
        """Delete the audit events that are older than they must be kept."""
        if (keep := self.settings.audit_keep) is not None:
            parts = (self.database, self.clock, self.chain_key, self.checkpoints)
            Retention(*parts, keep).prune()

    def verify_audit(self, kept: Sequence[str] = ()) -> Verification:
        """Whether every audit event, and each checkpoint `kept` elsewhere, is as it was written."""
        reader = StatementReader(AUDIT_CHECKPOINT_TYPE, lambda: self.keyring.keys)
        return verify(self.database, self.chain_key, reader.read, kept)

    def _make_checkpoint(self) -> None:
        """Another process may just have made one."""
        self.checkpoints.make(self.clock() - self.settings.audit_checkpoint_every / 2)

    def _signed_checkpoint(self, claims: Mapping[str, object]) -> str:
        alg = self.settings.signing_algorithms[0]
        return self.keyring.sign(alg, AUDIT_CHECKPOINT_TYPE, claims).token

    def _backends(self) -> list[KeyBackend]:
        """The one that makes keys first; the other may still have some."""
        sealed = SealedKeyBackend(self.sealer, self._mark)
        if self.settings.key_folder is None:
            return [sealed]
        return [FolderKeyBackend(self.settings.key_folder, self._keys_on_record), sealed]

    def _mark(self) -> bytes:
        with self.database.reading() as session:
            return current_mark(session)

    def _keys_on_record(self) -> dict[str, bool]:
        with self.database.reading() as session:
            return {key.kid: key.is_usable for key in KeyStore(session).on_record().keys}

    def _require_algorithms(self) -> None:
        in_use = self._algorithms_in_use(self.clock())
        for alg in in_use.keys() - set(self.settings.signing_algorithms):
            raise ConfigurationError(
                f"An audience signs with {alg}, which ISSUER_SIGNING_ALGORITHMS does not name."
            )

    def _algorithms_in_use(self, now: datetime) -> dict[SigningAlgorithm, datetime | None]:
        with self.database.reading() as session:
            return AudienceStore(session).algorithms_in_use(now)


def build_services(settings: Settings, clock: Clock | None = None) -> Services:
    """The services for `settings`; `ConfigurationError` says why a server could not start."""
    if settings.master_key is None and not master_key_path(settings).exists():
        raise _no_master_key(settings)
    services = Services(settings, clock or Clock(), build_sealer(settings))
    with services.database.reading() as session:
        require_issuer(session, settings.url)
    return services


def build_sealer(settings: Settings) -> Sealer:
    """The sealer under the master key of the settings or of the data directory."""
    read = partial(read_master_key_file, master_key_path(settings))
    if settings.master_key is not None:
        read = partial(read_master_keys, settings.master_key.get_secret_value())
    read()  # now, so that what is wrong is said before anything is done
    return Sealer(read, secrets.token_bytes)


def is_sealed(database: Database) -> bool:
    """Whether something in the database needs the master key it was sealed with."""
    if is_empty(database):
        return False
    with database.reading() as session:
        return is_kept(session, CLIENT_SECRETS)


def lost_master_key(path: Path) -> ConfigurationError:
    """What to say where only a backup helps: `init` would make a key that opens nothing."""
    return ConfigurationError(
        f"The master key {path} is missing, and this database was sealed with it: restore the file"
        " from your backup."
    )


def _no_master_key(settings: Settings) -> ConfigurationError:
    path = master_key_path(settings)
    database = Database(settings.effective_database_url)
    try:
        # Looking must not make the file of a database.
        is_there = not database.is_sqlite or Path(str(database.url.database)).exists()
        if is_there and is_sealed(database):
            return lost_master_key(path)
    finally:
        database.dispose()
    return ConfigurationError(f"There is no master key at {path}: run `issuer init` first.")


def master_key_path(settings: Settings) -> Path:
    return settings.data_dir / MASTER_KEY
