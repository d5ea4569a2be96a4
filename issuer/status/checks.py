"""The checks of `issuer doctor`; each gives findings, good or bad."""

import asyncio
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from issuer.audit.push.destination import NotDelivered
from issuer.audit.push.progress_store import Progress
from issuer.audit.push.pusher import Pusher
from issuer.authority import Authority
from issuer.clients.clients import Clients
from issuer.clients.documents import ALL_HOSTS
from issuer.clients.registrations import MAX_CLIENTS, Registrations
from issuer.clock import Clock
from issuer.database import Database
from issuer.deliveries.deliveries import DeliveryState
from issuer.deliveries.queue_store import Recipient
from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import ConfigurationError
from issuer.federation import github
from issuer.fields.times import utc
from issuer.keys import KeyPolicy, Keyring
from issuer.keys.described import describe
from issuer.keys.folder import key_files, read_key_file
from issuer.keys.schedule import active, next_key
from issuer.mail import NotSent
from issuer.roles import Assignments
from issuer.scopes import ISSUER_ADMIN
from issuer.settings import Settings, is_loopback
from issuer.sign_in.passkeys import why_not_offered
from issuer.sign_in.provider_request import ProviderSecrets
from issuer.status.concerns import PRINCIPALS, ending_soon
from issuer.status.report import NOTE, OK, PROBLEM, WARNING, Finding
from issuer.vocabulary import ADMIN_CLIENT, SigningAlgorithm

if TYPE_CHECKING:  # it is imported when it is first used
    from issuer.federation.key_sets import FollowedKeySet
    from issuer.mail.smtp import SmtpServer

Findings: TypeAlias = Iterator[Finding]

_PUSH = "audit push"
_MAX_ROLES, _MAX_SCOPES = 10, 5
_MOST_ENDING = 10  # of each kind
_MAX_DRIFT = timedelta(seconds=2)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def of_settings(settings: Settings) -> Findings:
    if urlsplit(settings.url).scheme == "http":
        yield Finding("url", WARNING, f"{settings.url} is not https://: for tests only.")
    if settings.password_grant:
        message = "Enabled for clients that have it. ISSUER_PASSWORD_GRANT=false disables it."
        if settings.second_factor == "required":
            message = "Refuses everybody, since ISSUER_SECOND_FACTOR=required."
        yield Finding("password grant", NOTE, message)
    if SigningAlgorithm.RS256 not in settings.signing_algorithms:
        message = (
            "ISSUER_SIGNING_ALGORITHMS lacks RS256, which OpenID Connect Discovery requires: strict"
            " clients may refuse to sign people in."
        )
        yield Finding("id tokens", NOTE, message)
    if reason := why_not_offered(settings.url):
        yield Finding("passkeys", NOTE, f"Not offered. {reason}")
    if "JWT_VERIFICATION_KEY" in os.environ:
        message = "An AgentOS with this variable also accepts tokens signed by that key."
        yield Finding("JWT_VERIFICATION_KEY", WARNING, message)


def of_files(settings: Settings) -> Findings:
    """The directory has mode 0700, its files 0600."""
    directory = settings.data_dir.absolute()
    if not directory.exists():
        return
    paths = [directory, *sorted(directory.glob("*"))]
    if exposed := [path.name for path in paths if path.stat().st_mode & _OTHERS]:
        message = f"Other users can access {', '.join(exposed)}: chmod -R go= {directory}"
        yield Finding("data directory", PROBLEM, message)
    else:
        yield Finding("data directory", OK, f"{directory} is private.")


def of_key_folder(folder: Path) -> Findings:
    """The folder exists and other users cannot change it; servers would skip an unusable file."""
    if not folder.is_dir():
        message = f"ISSUER_KEY_FOLDER {folder} does not exist: run `issuer init`, or mount it."
        yield Finding("key folder", PROBLEM, message)
    elif (mode := folder.stat().st_mode) & _OTHERS_WRITE and not mode & stat.S_ISVTX:
        yield Finding("key folder", PROBLEM, f"Other users can change {folder}: chmod go-w it.")
    else:
        yield Finding("key folder", OK, f"Keys are stored in {folder}.")
    for path in key_files(folder):
        try:
            read_key_file(path)
        except ConfigurationError as error:
            yield Finding("key file", WARNING, str(error))


def of_database(database: Database) -> Finding:
    message = f"{database.safe_url} has the newest schema and accepts writes."
    return Finding("database", OK, message)


def of_clocks(database: Database, clock: Clock) -> Finding:
    """This machine's clock and the database's: if they differ, servers sign with different keys."""
    drift = abs(database.now() - clock())
    if drift > _MAX_DRIFT:
        apart = f"{drift.total_seconds():.0f} s"
        return Finding("clock", WARNING, f"The database's is {apart} away: synchronise them.")
    return Finding("clock", OK, "Agrees with the database clock.")


def of_keys(keyring: Keyring, policy: KeyPolicy, settings: Settings, now: datetime) -> Findings:
    keyring.reload()
    keyring.require_loaded()
    keys = keyring.keys
    for alg in settings.signing_algorithms:
        signing, successor = active(keys, alg, now), next_key(keys, alg, now)
        if signing is None:
            yield Finding(f"{alg} keys", PROBLEM, "There is no active key: run `issuer init`.")
        elif successor is None:
            end = signing.activates_at + policy.sign_for
            message = f"The active key signs until {end:%Y-%m-%d}, and there is no next key: a"
            yield Finding(f"{alg} keys", WARNING, f"{message} running server creates one.")
        else:
            summary = describe(keys, signing, now).summary
            yield Finding(f"{alg} keys", OK, f"The active key {summary}.")


def of_key_policy(policy: KeyPolicy) -> Finding:
    """A revocation activates the next key, which verifiers should have fetched by then."""
    if policy.sign_for < 2 * policy.announced_for:
        message = (
            "When the active key is revoked, verifiers will often not have the next key yet:"
            " increase ISSUER_KEY_SIGN_FOR."
        )
        return Finding("key policy", WARNING, message)
    return Finding("key policy", OK, "Rotation policy is OK.")


def of_client_registration(registrations: Registrations, settings: Settings) -> Findings:
    """Which clients come without an administrator."""
    count, mode = registrations.count(), settings.client_registration
    if count or mode == "open":
        message = f"{count} of at most {MAX_CLIENTS:,} clients have registered themselves."
        if mode == "open":
            message = f"Open to everybody. {message}"
        yield Finding("client registration", NOTE, message)
    if ALL_HOSTS in settings.client_metadata_hosts:
        message = "Client metadata documents of every host are accepted."
        yield Finding("client metadata hosts", NOTE, message)


def of_deliveries(failing: Iterable[tuple[Recipient, DeliveryState]]) -> Findings:
    """Recipients that do not accept messages."""
    for recipient, state in failing:
        yield Finding(f"deliveries to {recipient.id}", WARNING, state.problem)


def of_roles(not_found: Mapping[str, Sequence[str]]) -> Findings:
    """Roles with scopes for agents, teams or workflows that the last inspection did not find."""
    for name, scopes in islice(not_found.items(), _MAX_ROLES):
        some = ", ".join(scopes[:_MAX_SCOPES]) + (", …" if len(scopes) > _MAX_SCOPES else "")
        message = f"{name} has scopes for what the last inspection did not find: {some}."
        yield Finding("roles", WARNING, message)


def of_second_factors(authority: Authority, settings: Settings) -> Findings:
    """Whether a stolen password is enough to administer the issuer."""
    count = authority.admins_with_password_alone()
    if count and settings.second_factor == "optional":
        message = (
            f"Users with issuer:admin and a password alone: {count}."
            " With ISSUER_SECOND_FACTOR=required, everybody sets up a second factor."
        )
        yield Finding("second factor", NOTE, message)


def of_ending_rights(assignments: Assignments, clients: Clients, now: datetime) -> Findings:
    """What ends within a week, and was not given just now."""
    ending = ending_soon(assignments, clients, PRINCIPALS, now, _MOST_ENDING)
    for each in ending.roles:
        text = f"The role {each.role} {each.where} ends at {utc(each.end)}."
        yield Finding(f"{each.kind} {each.principal_id}", WARNING, text)
    for client_id, scope, end in ending.scopes:
        text = f"Its scope {scope} ends at {utc(end)}."
        yield Finding(f"client {client_id}", WARNING, text)
    for client_id, secret_id, end in ending.secrets:
        text = f"The secret {secret_id} expires at {utc(end)}."
        yield Finding(f"client {client_id}", WARNING, text)


def of_issuers_of_people(
    issuers: Iterable[TrustedIssuerRecord],
    secrets: ProviderSecrets,
    key_set_of: Callable[[str], "FollowedKeySet | None"],
) -> Findings:
    """Whether people can sign in there: each is asked for its keys."""
    for issuer in issuers:
        name = f"people of {issuer.id}"
        if not issuer.is_for_people or issuer.sign_in is None:
            yield Finding(name, NOTE, "Disabled.")
            continue
        if (box := issuer.sign_in.sealed_secret) is not None:
            try:
                secrets.open(issuer.id, box)
            except ConfigurationError as error:
                yield Finding(name, PROBLEM, str(error))
        if issuer.issuer == github.ISSUER:
            yield Finding(name, OK, "GitHub signs no tokens: there are no keys to fetch.")
        else:
            yield Finding(name, *_judge_keys(key_set_of(issuer.id)))


def _judge_keys(key_set: "FollowedKeySet | None") -> tuple[str, str]:
    if key_set is None:
        return OK, "Its keys are given here."
    asyncio.run(key_set.fetch_keys(None))
    state = key_set.state
    if state is not None and state.keys:
        return OK, f"Its keys are fetched: {len(state.keys)}."
    cause = state.problem if state and state.problem else "there was no answer"
    return WARNING, f"Its keys cannot be fetched: {cause.rstrip('.')}."


def of_only_way_in(issuers: Iterable[TrustedIssuerRecord], authority: Authority) -> Finding | None:
    """Whether an administrator can sign in while the trusted issuer is away."""
    people = (each for each in issuers if each.is_for_people)
    only = [each.id for each in people if each.sign_in and each.sign_in.only]
    if not only or authority.has_admin_in_browser():
        return None
    message = (
        f"{only[0]} is the only way to sign in, and no user with issuer:admin has a password or a"
        " passkey here: nobody can use the console while it is away."
    )
    return Finding("sign-in", WARNING, message)


def of_administrator(clients: Clients, authority: Authority, settings: Settings) -> Finding:
    admin = clients.get(ADMIN_CLIENT) if clients.exists(ADMIN_CLIENT) else None
    is_active = admin is not None and not admin.disabled and ISSUER_ADMIN in admin.scopes
    if admin is None or not is_active or settings.url not in admin.audiences:
        message = f"{ADMIN_CLIENT} cannot administer {settings.url}: run `issuer admin recover`."
        return Finding("administrator", WARNING, message)
    if authority.has_admin():
        return Finding("administrator", OK, f"{ADMIN_CLIENT} has issuer:admin.")
    message = (
        "Every secret with issuer:admin expires: create one that does not, with"
        f" `issuer client secret create {ADMIN_CLIENT}`."
    )
    return Finding("administrator", WARNING, message)


def of_mail(server: "SmtpServer") -> Findings:
    """Whether the mail server accepts the sender now."""
    if not server.is_encrypted and not server.is_here:
        yield Finding("mail", WARNING, f"{server.name} is used without TLS.")
    try:
        answer = server.check()
    except NotSent as error:
        yield Finding("mail", PROBLEM, str(error))
    else:
        yield Finding("mail", OK, f"{server.name} is reachable. {answer}")


def of_audit_push(pusher: Pusher) -> Findings:
    """Whether the destination can be reached now, and how far it has acknowledged."""
    name = pusher.destination.name
    if name.startswith("syslog://") and not is_loopback(urlsplit(name).hostname or ""):
        message = f"{name} is not encrypted: use syslog+tls:// or https://."
        yield Finding(_PUSH, WARNING, message)
    progress = pusher.poll() or Progress()
    try:
        answer = pusher.destination.check()
    except NotDelivered as error:
        yield Finding(_PUSH, PROBLEM, f"{name} does not accept events: {error}.")
    else:
        yield Finding(_PUSH, OK, f"{name} is reachable. {answer}")
    waiting = f"Events that wait to be sent: at most {pusher.state.behind:,}."
    if progress.failed and progress.last_failure:
        message = f"The last {progress.failed} attempts failed: {progress.last_failure}. {waiting}"
        yield Finding(_PUSH, WARNING, message)
    else:
        yield Finding(_PUSH, NOTE, waiting)
