"""Settings from the environment, and one transaction for each command."""

import os
import pwd
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, cast

import typer

from issuer.audiences import AUDIENCE
from issuer.audit import Actor
from issuer.cli.remote.target import chosen_server, require_host
from issuer.clients.client import CLIENT
from issuer.composition import Administration, UnitOfWork, composed
from issuer.composition.foundation import AuditParts
from issuer.errors import Forbidden, InvalidField, NotFound, UnknownReference
from issuer.fields.text import did_you_mean, escape
from issuer.groups import GROUP, Group
from issuer.resources import ResourceType
from issuer.roles import ROLE
from issuer.settings import Settings
from issuer.telemetry import logs
from issuer.trusted_issuers import TRUSTED_ISSUER
from issuer.users import USER, User

_TYPES: dict[str, ResourceType[Any, Any]] = {
    **{each.kind: each for each in (AUDIENCE, CLIENT, GROUP, ROLE, TRUSTED_ISSUER, USER)},
    "assignment of the role": ROLE,
    "consent for the client": CLIENT,
}
_COMPARED = 500


def read_settings() -> Settings:
    """The settings of the issuer on this host; `IssuerError` if a server is named instead.

    Configures logging: only warnings and errors, unless the level is debug.
    """
    require_host()
    settings = Settings.from_environment()
    logs.configure("debug" if settings.log_level == "debug" else "warning")
    return settings


@contextmanager
def administering(*, with_keys: bool = False) -> Iterator[Administration]:
    """The administration, for a command with more than one transaction.

    The signing keys are loaded `with_keys` only, so that tokens can be read.
    """
    with composed(read_settings()) as parts:
        if with_keys:
            parts.keys.keyring.reload()
        yield parts.administration
        parts.administration.send_mail()


@contextmanager
def managing(*, with_keys: bool = False) -> Iterator[Administration]:
    """`administering`, or what commands use of it at the chosen server."""
    if (server := chosen_server()) is None:
        with administering(with_keys=with_keys) as administration:
            yield administration
        return
    from issuer.cli.remote.administration import ServerAdministration  # noqa: PLC0415 - 10 MB

    logs.configure("debug" if os.environ.get("ISSUER_LOG_LEVEL") == "debug" else "error")
    with closing(ServerAdministration(server)) as at_server:
        yield cast(Administration, at_server)


@contextmanager
def auditing() -> Iterator[AuditParts]:
    """The audit log, with the signing keys loaded."""
    with composed(read_settings()) as parts:
        parts.keys.keyring.reload()
        yield parts.audit


@contextmanager
def changing(
    keep_credentials: Iterable[str] | None = None,
    keep_members: Iterable[str] | None = None,
    *,
    allow_unknown_scopes: bool = False,
) -> Iterator[UnitOfWork]:
    """The transaction of a command that writes. Its warnings are printed after the commit."""
    with managing() as administration, administration.changing(operator()) as work:
        work.new_privileges.keep(listed_ids(keep_credentials), listed_ids(keep_members))
        if allow_unknown_scopes:
            work.allow_unknown_scopes()
        with suggesting(work):
            yield work
    for warning in work.warnings:
        typer.echo(escape(f"Warning: {warning}"), err=True)


def listed_ids(texts: Iterable[str] | None) -> list[str]:
    """The ids of `--keep-credentials` or `--keep-members`, which may have commas between them."""
    return [each for text in texts or () for each in text.split(",")]


@contextmanager
def reading() -> Iterator[UnitOfWork]:
    """The transaction of a command that only reads."""
    with managing() as administration, administration.reading() as work, suggesting(work):
        yield work


def operator() -> Actor:
    """The system user that runs the command, for the audit log. `USER` could be anything."""
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # in a container, the user id may have no name
        name = str(uid)
    return Actor(f"cli:{name}", is_local=True)


@contextmanager
def suggesting(work: UnitOfWork) -> Iterator[None]:
    """An unknown name is refused with a similar one, if there is one."""
    try:
        yield
    except NotFound as error:
        meant = _similar(work, error.kind, error.name)
        raise NotFound(error.kind, error.name, meant) from None
    except UnknownReference as error:
        if meant := _similar(work, error.kind, error.name):
            raise InvalidField(error.field, f"{error.message}.{meant}") from None
        raise


@contextmanager
def suggesting_audiences(administration: Administration, audience: str | None) -> Iterator[None]:
    """`suggesting`, also where a subject may not have tokens for `audience`, which is unknown."""
    with administration.reading() as work, suggesting(work):
        try:
            yield
        except InvalidField as error:
            about = audience if error.field == "audience" else None
            if about and (meant := _similar(work, "audience", about)):
                raise InvalidField("audience", f"{error.message}.{meant}") from None
            raise


def _similar(work: UnitOfWork, kind: str, name: str) -> str:
    """A sentence with a similar one of the names that begin alike and the first of all.

    Without one it names the command that lists them. It is empty if `name` is known, and about
    resources that the caller may not read.
    """
    kinds = [_TYPES[each] for each in kind.split(" or ") if each in _TYPES]
    with suppress(Forbidden):
        known = [each for kind in kinds for each in _names(work, kind, name)]
        lists = " or ".join(f"`{each.list_command()}`" for each in kinds)
        if name not in known and kinds:
            return did_you_mean(name, known) or f" See {lists}."
    return ""


def _names(work: UnitOfWork, resource_type: ResourceType[Any, Any], like: str) -> Iterator[str]:
    collection = work.collection(resource_type)
    for each in (*collection.search(like[:1], _COMPARED), *collection.page(None, _COMPARED)):
        yield resource_type.name_of(each)


def find_user(work: UnitOfWork, id_or_name: str) -> User:
    """The user of that id, else of that name; `NotFound` if there is neither."""
    with suggesting(work):
        return work.users.find(id_or_name)


def find_group(work: UnitOfWork, id_or_name: str) -> Group:
    """The group of that id, else of that name; `NotFound` if there is neither."""
    with suggesting(work):
        return work.groups.find(id_or_name)


def client_and_user(
    administration: Administration, name: str, client: str | None
) -> dict[str, object]:
    """`name` is the id of a client, or the id or name of a user; of a user if `client` is set.

    A client comes before a user of that name, whose id can be used. `NotFound` if neither exists.
    """
    with administration.reading() as work, suggesting(work):
        if client is None and work.clients.exists(name):
            return {"client_id": name}
        try:
            user_id = find_user(work, name).id
        except NotFound:
            raise NotFound("user" if client else "client or user", name) from None
    return {"user_id": user_id} if client is None else {"user_id": user_id, "client_id": client}


def warn_about(scopes: Iterable[str], holder: str | None = None) -> None:
    """One line on standard error per finding, for the newest AgentOS: few run an older one."""
    from issuer.catalogue import NEWEST, lint  # noqa: PLC0415 - for administrators

    for finding in lint(scopes, [NEWEST]):
        message = f"{holder}: {finding.message}" if holder else finding.message
        typer.echo(escape(f"Warning: {message}"), err=True)
