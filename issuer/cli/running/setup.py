"""`issuer init`, `issuer migrate` and `issuer admin`."""

from contextlib import ExitStack
from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, Field

from issuer.cli import output
from issuer.cli.command import argument, new_app, wants_json
from issuer.cli.opening import find_user, listed_ids, operator, read_settings
from issuer.cli.options import KeepCredentials
from issuer.composition import UnitOfWork, composed
from issuer.composition.foundation import is_initialised
from issuer.database import Database, current_revision, only_one
from issuer.database.deployment import REVISION
from issuer.database.migrations import upgrade
from issuer.errors import ConfigurationError, IssuerError, NotAllowed, NotFound
from issuer.provisioning.setup import Initialised, initialise, recover_admin
from issuer.provisioning.setup import change_url as move_database
from issuer.roles import Assignment, RoleFields
from issuer.scopes import ISSUER_ADMIN
from issuer.settings import Settings
from issuer.sign_in import InvitationFields, NewInvitation
from issuer.users import User, UserFields

app = new_app()
USERNAME = "admin"
_ROLE = "administrator"
_SECONDS_TO_ANSWER = 2


@app.command()
def init() -> None:
    """Create what is missing: data directory, master key, schema, signing keys, admin client.

    Existing parts stay as they are, so init can run before every start; it waits for another one
    to end. With an empty database it is refused while a server answers at ISSUER_URL: it would
    make a second issuer. The secret of the admin client is shown once, when it is created, or comes
    from ISSUER_ADMIN_SECRET. With ISSUER_MASTER_KEY and PostgreSQL, no data directory is needed.

    Examples:

      issuer init
      ISSUER_URL=https://id.example issuer init --json
    """
    settings = read_settings()
    _refuse_second(settings)
    with output.working("Creating keys and schema"):
        initialised = initialise(settings, operator())
    show_admin(initialised)
    if not wants_json.get():
        print("\nTo administer the issuer in a browser, run `issuer admin invite`.")


def _refuse_second(settings: Settings) -> None:
    """`ConfigurationError` if the database is empty, and a server answers at `ISSUER_URL`.

    Of two that begin at once, the first may serve already: so the database is read once more.
    """
    if is_initialised(settings) or not _is_served(settings.url) or is_initialised(settings):
        return
    database = Database(settings.effective_database_url).safe_url
    unset = "" if "data_dir" in settings.model_fields_set else " ISSUER_DATA_DIR is not set."
    raise ConfigurationError(
        f"A server of {settings.url} answers there, but the database ({database}) is empty: this"
        f" would make a second issuer with its URL.{unset} Set ISSUER_DATA_DIR and"
        " ISSUER_DATABASE_URL as that server has them, or stop it if a new issuer replaces it."
    )


def _is_served(url: str) -> bool:
    """Whether an issuer with this URL answers there."""
    from issuer.cli.api_client import metadata_at  # noqa: PLC0415 - 4.8 MB

    try:
        return metadata_at(url, _SECONDS_TO_ANSWER).get("issuer") == url
    except IssuerError:
        return False


def show_admin(initialised: Initialised) -> None:
    """Print the data directory and the credentials of the admin client."""
    if wants_json.get():
        data_dir = initialised.data_dir and str(initialised.data_dir)
        output.print_json({**asdict(initialised), "data_dir": data_dir})
        return
    where = f" Its data directory is {initialised.data_dir}." if initialised.data_dir else ""
    output.print_text(f"The issuer {initialised.issuer} is ready.{where}")
    print()
    output.print_text(f"client_id: {initialised.client_id}")
    if initialised.client_secret is None:
        print("Its secret was set when it was created. `issuer admin recover` replaces it.")
    else:
        print(f"client_secret: {initialised.client_secret}\n")
        print("The secret is shown only once. If it is lost, run `issuer admin recover`.")


@app.command()
def migrate() -> None:
    """Upgrade the database to the newest schema, in one transaction. Servers may keep running.

    On PostgreSQL it waits up to ten minutes for other transactions, such as a backup, and builds
    indexes afterwards, without a lock. If it is interrupted, run it again. A newer schema stays as
    it is, if this program works with it.

    Examples:

      issuer migrate
    """
    with ExitStack() as stack:
        database = Database(read_settings().effective_database_url)
        stack.callback(database.dispose)
        stack.enter_context(only_one(database, "migrate"))
        before = current_revision(database)
        with output.working("Upgrading the schema"):
            built = upgrade(database)
        after = current_revision(database)
    if after is not None and after > REVISION:
        sentence = (
            f"The schema is {after}, newer than {REVISION} of this issuer, which works with it."
        )
    elif before == after:
        sentence = f"The schema is {after}: nothing to upgrade."
    else:
        sentence = f"Upgraded the schema from {before or 'none'} to {after}."
    if built:
        sentence += f" Built {len(built)} indexes."
    output.say(sentence, {"from": before, "to": after, "indexes": built})


class ConsoleAdministrator(BaseModel):
    """`invitation` leads to a first password or passkey; None for a user who can sign in."""

    id: str
    username: str
    invitation: NewInvitation | None = Field(repr=False)


def make_administrator(work: UnitOfWork, username: str, url: str) -> ConsoleAdministrator:
    """Give a user, who is created if missing, issuer:admin at the issuer, whose audience is `url`.

    `NotAllowed` if the user is disabled, or the role has lost that scope.
    """
    if not work.roles.exists(_ROLE):
        work.roles.create(RoleFields(name=_ROLE, scopes=[ISSUER_ADMIN]))
    if ISSUER_ADMIN not in work.roles.get(_ROLE).scopes:
        raise NotAllowed(f"The role {_ROLE} exists without {ISSUER_ADMIN}: assign another role.")
    try:
        user = find_user(work, username)
    except NotFound:
        user = work.users.create(UserFields.read({"username": username}))
    if user.disabled:
        raise NotAllowed(f"The user {user.username} is disabled. Enable it first.")
    work.assignments.assign(user.id, Assignment(role=_ROLE, audience=url))
    work.check_invariants()  # now: a user who could sign in until now may need an invitation
    return _administrator(work, user)


def ensure_administrator(work: UnitOfWork, url: str) -> ConsoleAdministrator | None:
    """The user `admin`, created if missing; None if it is no administrator any more.

    A user who exists gets no rights.
    """
    try:
        user = work.users.get_by_username(USERNAME)
    except NotFound:
        return make_administrator(work, USERNAME, url)
    assigned = work.assignments.of(user.id)
    if user.disabled or Assignment(role=_ROLE, audience=url) not in assigned:
        return None
    return _administrator(work, user)


def _administrator(work: UnitOfWork, user: User) -> ConsoleAdministrator:
    can_sign_in = work.factors.methods_of(user.id)[user.id].can_sign_in
    invitation = None if can_sign_in else work.invitations.create(user.id, InvitationFields())
    return ConsoleAdministrator(id=user.id, username=user.username, invitation=invitation)


admin_app = new_app(
    "Invite an administrator, recover the admin client, or change the issuer's URL."
)
app.add_typer(admin_app, name="admin")


@admin_app.command()
def invite(
    user: Annotated[str, argument("USER", "The name of the user, or the id.")] = USERNAME,
) -> None:
    """Make a user an administrator of this issuer, and print a link to the first sign-in.

    The user is created if missing, and gets the role administrator with the scope issuer:admin,
    with which the console shows and changes everything. Send the link to that person alone. There
    is no link for a user who has a password or a passkey.

    Examples:

      issuer admin invite
      issuer admin invite alice
    """
    settings = read_settings()
    with composed(settings) as parts, parts.administration.changing(operator()) as work:
        made = make_administrator(work, user, settings.url)
    sentence = f"{made.username} signs in at {settings.url}/console."
    if made.invitation is not None:
        sentence = str(made.invitation.url)
    output.say(sentence, made.model_dump(mode="json"))


@admin_app.command()
def recover(keep_credentials: KeepCredentials = None) -> None:
    """Make a new secret for the admin client and show it once. Its old secrets are deleted.

    The client is created again if it was deleted, enabled if it was disabled, and gets back
    issuer:admin.

    Examples:

      issuer admin recover
    """
    recovered = recover_admin(read_settings(), operator(), listed_ids(keep_credentials))
    show_admin(recovered)


@admin_app.command()
def change_url() -> None:
    """Move the database to the ISSUER_URL that is set now.

    Stop every server first. Access tokens issued so far have the old URL as iss and are refused
    afterwards; refresh tokens stay valid. Then set the new URL in every AgentOS and client.

    Examples:

      ISSUER_URL=https://id.example issuer admin change-url
    """
    settings = read_settings()
    before = move_database(settings, operator())
    if before == settings.url:
        sentence = f"The database already belongs to {before}: nothing was changed."
    else:
        sentence = (
            f"The database belongs to {settings.url} now; it belonged to {before}."
            " Start the servers again, and set the new URL in every AgentOS and client."
        )
    output.say(sentence, {"before": before, "after": settings.url})
