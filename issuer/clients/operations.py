"""What an administrator does to a client beside changing it."""

from typing import Protocol

from issuer.clients.client import CLIENT
from issuer.clients.clients import Clients
from issuer.operations import About, Operation, OperationQuestion


class ClientWork(Protocol):
    """What these use of a unit of work."""

    clients: Clients


def _revoking(_: ClientWork, about: About) -> OperationQuestion:
    return OperationQuestion(
        f"Revoke all tokens of {about.name}?",
        "Every token issued to it so far is refused everywhere within seconds, those of people"
        " who signed in through it included. It may get new ones. This cannot be undone.",
        "Revoke tokens",
    )


OPERATIONS: tuple[Operation[ClientWork], ...] = (
    Operation(
        name="revoke_client_tokens",
        on=CLIENT,
        verb="revoke-tokens",
        past="revoked",
        summary="Revoke every token issued to the client so far, everywhere within seconds.",
        more="Tokens of users who signed in through it are included. The client may request new"
        " ones.",
        question=_revoking,
        run=lambda work, client_id, _: work.clients.revoke_tokens(client_id),
        done="All tokens of {name} are revoked.",
        asks_scripts=True,
    ),
)
