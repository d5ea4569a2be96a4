"""`issuer user factor`, `identity`, `session`, `consent` and `delegation`."""

from issuer.cli import output
from issuer.cli.command import given, option
from issuer.cli.opening import changing, find_user
from issuer.cli.operations import OperationCommands
from issuer.cli.options import UserName, known_clients, known_trusted_issuers
from issuer.sign_in import operations
from issuer.sign_in.identities import IdentityFields
from issuer.token_exchange import operations as delegations


def add_sign_in(of_users: OperationCommands) -> None:
    """Add the commands to those of users."""
    of_users.part(operations.FACTORS, operations.OPERATIONS)
    of_users.part(operations.IDENTITIES, operations.OPERATIONS, add=add_identity)
    of_users.part(operations.SESSIONS, operations.OPERATIONS)
    of_users.part(operations.CONSENTS, operations.OPERATIONS, known_clients)
    of_users.part(delegations.DELEGATIONS, delegations.OPERATIONS, known_clients)


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
