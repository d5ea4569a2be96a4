"""`issuer user factor`, `identity`, `session`, `consent` and `delegation`."""

from collections.abc import Callable

from issuer.cli import output
from issuer.cli.command import argument, given, new_app, option
from issuer.cli.confirming import Yes, confirming
from issuer.cli.opening import changing, find_user, reading
from issuer.cli.options import ClientId, UserName, known_trusted_issuers
from issuer.composition import UnitOfWork
from issuer.languages.browsers import browser_name
from issuer.sign_in.identities import IdentityFields


def end_for(user: str, end: Callable[[UnitOfWork, str], str], *, yes: bool) -> str:
    """End something of a user, whose id this returns. `end` returns what to ask on a terminal."""
    user_id = user
    for confirmation in confirming(yes=yes):
        with confirmation, changing() as work:
            user_id = find_user(work, user_id).id
            confirmation.require_on_terminal(end(work, user_id))
    return user_id


factor_app = new_app("The second factors of a user: authenticator app and passkeys.")


@factor_app.command("list")
def list_factors(user: UserName) -> None:
    """List the second factors of a user, without secrets.

    Examples:

      issuer user factor list alice
    """
    with reading() as work:
        factors = work.factors.of_user(find_user(work, user).id)
    output.show_all(factors, ["id", "kind", "name", "created_at", "last_used_at"])


@factor_app.command("remove")
def remove_factor(
    user: UserName,
    factor_id: str = argument("ID", "The id of the factor."),
    yes: Yes = False,
) -> None:
    """Remove a second factor. Ends the sessions of the user and revokes its tokens.

    On a terminal it asks first.

    Examples:

      issuer user factor remove alice passkey_4v7hq2m8x1kd0c5tz9pa
    """

    def end(work: UnitOfWork, user_id: str) -> str:
        factor = work.factors.get(user_id, factor_id)
        last = " (the last one, so the recovery codes end, too)"
        is_last = len(work.factors.of_user(user_id)) == 1
        work.factors.revoke(user_id, factor_id)
        return (
            f"remove the second factor “{factor.name}” of {user}{last if is_last else ''}, and"
            " sign the user out everywhere"
        )

    end_for(user, end, yes=yes)
    output.say(f"Removed the factor {factor_id}.", {"removed": factor_id})


@factor_app.command("reset")
def reset_factors(user: UserName, yes: Yes = False) -> None:
    """Remove all second factors and recovery codes of a user who lost them. Asks first.

    Ends the sessions of the user and revokes its tokens. The user signs in with the password
    alone, or sets up a new second factor where ISSUER_SECOND_FACTOR=required.

    Examples:

      issuer user factor reset alice
    """
    user_id = user
    for confirmation in confirming(yes=yes):
        with confirmation, changing() as work:
            user_id = find_user(work, user_id).id
            work.factors.reset(user_id)
            confirmation.require(f"remove all second factors of {user}, and sign the user out")
    output.say(f"{user} has no second factor any more.", {"reset": user_id})


identity_app = new_app("The accounts at trusted issuers with which a user signs in.")


@identity_app.command("list")
def list_identities(user: UserName) -> None:
    """List the identities of a user, oldest first.

    Examples:

      issuer user identity list alice
    """
    with reading() as work:
        identities = work.identities.of_user(find_user(work, user).id)
    columns = ["id", "issuer", "subject", "name", "groups", "created_at", "last_used_at"]
    output.show_all(identities, columns)


@identity_app.command("add")
def add_identity(
    user: UserName,
    issuer: str = option("ID", "The id of the trusted issuer.", complete=known_trusted_issuers),
    subject: str = option("TEXT", "The sub of the person there."),
    name: str | None = option("TEXT", "What you call it, until the person signs in."),
) -> None:
    """Let a person sign in as a user with an account at a trusted issuer.

    Whoever has that account can sign in as the user. It is known by the sub of its tokens alone.

    Examples:

      issuer user identity add alice --issuer entra --subject 8f2c1d7e
    """
    fields = IdentityFields.read(given(issuer=issuer, subject=subject, name=name))
    with changing() as work:
        user_id = find_user(work, user).id
        linked = work.identities.link(
            user_id, fields.issuer, fields.subject, fields.name, work.authority.grantor
        )
    output.show(linked)


@identity_app.command("remove")
def remove_identity(
    user: UserName,
    identity_id: str = argument("ID", "The id of the identity."),
    yes: Yes = False,
) -> None:
    """Unlink an account. Ends the sessions that began there, and revokes the access tokens.

    On a terminal it asks first. Where the trusted issuer provisions users, disable the user
    instead: a user of another name could be made for the person.

    Examples:

      issuer user identity remove alice idn_4v7hq2m8x1kd0c5tz9pa
    """

    def end(work: UnitOfWork, user_id: str) -> str:
        identity = work.identities.get(user_id, identity_id)
        work.identities.unlink(user_id, identity_id)
        return (
            f"unlink the account {identity.subject} of {identity.issuer} from {user}, end the"
            " sessions that began there, and revoke the access tokens"
        )

    end_for(user, end, yes=yes)
    output.say(f"Unlinked {identity_id}.", {"removed": identity_id})


session_app = new_app("The browsers in which a user is signed in.")


@session_app.command("list")
def list_sessions(user: UserName) -> None:
    """List the sessions of a user, newest first.

    The trusted issuer is the one with an account at which the user signed in, if there was one.

    Examples:

      issuer user session list alice
    """
    with reading() as work:
        user_id = find_user(work, user).id
        sessions = work.sessions.of_user(user_id)
        issuers = {each.id: each.issuer for each in work.identities.of_user(user_id)}
    items = [
        {**each.model_dump(mode="json"), "trusted_issuer": issuers.get(each.identity_id or "")}
        for each in sessions
    ]
    columns = ["id", "created_at", "used_at", "methods", "trusted_issuer", "address", "user_agent"]
    output.show_all(items, columns)


@session_app.command("end")
def end_session(
    user: UserName,
    session_id: str = argument("ID", "The id of the session."),
    yes: Yes = False,
) -> None:
    """Sign a user out of a browser, and revoke every token of that session.

    On a terminal it asks first. `issuer user revoke-tokens` ends all sessions of a user.

    Examples:

      issuer user session end alice session_4v7hq2m8x1kd0c5tz9pa
    """

    def end(work: UnitOfWork, user_id: str) -> str:
        browser = browser_name(work.sessions.get(user_id, session_id).user_agent)
        work.sessions.end(user_id, session_id)
        return f"sign {user} out of {browser}, and revoke every token of that session"

    end_for(user, end, yes=yes)
    output.say(f"Ended the session {session_id}.", {"ended": session_id})


consent_app = new_app("What a user allowed clients to do.")


@consent_app.command("list")
def list_consents(user: UserName) -> None:
    """List what a user allowed, by client and audience.

    Examples:

      issuer user consent list alice
    """
    with reading() as work:
        consents = work.consents.of_user(find_user(work, user).id)
    columns = ["client_id", "audience", "granted_at", "openid_scopes", "scopes"]
    output.show_all(consents, columns)


@consent_app.command("withdraw")
def withdraw_consents(user: UserName, client: ClientId, yes: Yes = False) -> None:
    """Withdraw what a user allowed a client, and revoke the client's tokens of that user.

    On a terminal it asks first.

    Examples:

      issuer user consent withdraw alice web-app
    """

    def end(work: UnitOfWork, user_id: str) -> str:
        work.consents.withdraw(user_id, client)
        return f"withdraw what {user} allowed {client}, and revoke its tokens of {user}"

    end_for(user, end, yes=yes)
    output.say(f"Withdrew what {user} allowed {client}.", {"withdrawn": client})


delegation_app = new_app("Which clients act for a user with exchanged tokens (RFC 8693).")


@delegation_app.command("list")
def list_delegations(user: UserName) -> None:
    """List which clients act for a user now, where, and until when.

    Examples:

      issuer user delegation list alice
    """
    with reading() as work:
        delegations = work.delegations.of_user(find_user(work, user).id)
    columns = ["client_id", "audience", "from_client", "from_audience", "expires_at"]
    output.show_all(delegations, columns)


@delegation_app.command("end")
def end_delegation(user: UserName, client: ClientId, yes: Yes = False) -> None:
    """Revoke the tokens with which a client acts for a user, and what was exchanged for them.

    On a terminal it asks first. The client may not act for the user again, unless the user allows
    it on a consent page. By the password grant and by ID-JAGs there is none.

    Examples:

      issuer user delegation end alice agents
    """

    def end(work: UnitOfWork, user_id: str) -> str:
        work.delegations.end(user_id, client)
        return f"stop {client} from acting for {user}, and revoke the tokens that it exchanged"

    end_for(user, end, yes=yes)
    output.say(f"{client} no longer acts for {user}.", {"ended": client})
