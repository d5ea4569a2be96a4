"""`issuer user factor`, `identity`, `session`, `consent` and `delegation`."""

from issuer.cli.operations import OperationCommands
from issuer.cli.options import known_clients
from issuer.sign_in import operations
from issuer.token_exchange import operations as delegations


def add_sign_in(of_users: OperationCommands) -> None:
    """Add the commands to those of users."""
    of_users.part(operations.FACTORS, operations.OPERATIONS)
    of_users.part(operations.IDENTITIES, operations.OPERATIONS)
    of_users.part(operations.SESSIONS, operations.OPERATIONS)
    of_users.part(operations.CONSENTS, operations.OPERATIONS, known_clients)
    of_users.part(delegations.DELEGATIONS, delegations.OPERATIONS, known_clients)
