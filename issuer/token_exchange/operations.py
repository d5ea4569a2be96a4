"""Which clients act for a user, and how that ends."""

from typing import Protocol

from issuer.operations import About, Operation, OperationQuestion, PartOf
from issuer.token_exchange.delegations import Delegation, Delegations
from issuer.users import USER


class DelegationWork(Protocol):
    delegations: Delegations


def _stopping(_: DelegationWork, about: About) -> OperationQuestion:
    return OperationQuestion(
        f"Stop {about.item} from acting for {about.name}?",
        f"The tokens that it got in exchange for those of {about.name} are refused within seconds,"
        " and so is what others got for them. Where consent is needed,"
        f" {about.name} is asked again; elsewhere it may begin again.",
        "Stop",
    )


DELEGATIONS = PartOf[DelegationWork, Delegation](
    owner=USER,
    name="delegation",
    plural="delegations",
    model=Delegation,
    about="Which clients act for a user with exchanged tokens (RFC 8693).",
    lists="List which clients act for a user now, with tokens that they exchanged (RFC 8693).",
    items=lambda work, user_id: work.delegations.of_user(user_id),
    key="client_id",
    order=lambda it: f"{it.client_id} {it.audience} {it.from_client} {it.from_audience}",
    columns=("client_id", "audience", "from_client", "from_audience", "expires_at"),
    example="agents",
)
OPERATIONS: tuple[Operation[DelegationWork], ...] = (
    Operation(
        name="end_delegation",
        on=DELEGATIONS,
        verb="end",
        past="ended",
        summary="Revoke the tokens with which a client acts for a user, and what was exchanged for"
        " them.",
        more="The client may not act for the user again, unless the user allows it on a consent"
        " page. By the password grant and by ID-JAGs there is none.",
        question=_stopping,
        run=lambda work, user_id, client_id: work.delegations.end(user_id, client_id),
        done="{item} no longer acts for {name}.",
        by_the_person=True,
    ),
)
