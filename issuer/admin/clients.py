"""`/clients`: services and applications that request tokens, and their secrets."""

from typing import Annotated

from fastapi import Query, Response

from issuer.admin.access import Caller
from issuer.admin.collection import Descriptions, collection_router
from issuer.admin.problems import documented
from issuer.admin.representations import (
    Cursor,
    IfMatch,
    Limit,
    Page,
    never_stored,
    page_of,
    require_match,
    tagged,
)
from issuer.admin.routes import location
from issuer.clients import CLIENT, ClientSecret, SecretFields

router = collection_router(
    CLIENT,
    Descriptions(
        list="List clients in order of id.",
        create="Create a client; with a first secret, if it authenticates with one.",
        read="Read a client; never a secret.",
        patch="Change a client. `disabled` takes effect within a second and revokes all its"
        " tokens.",
        delete="Delete a client, its secrets and assignments, and revoke its tokens.",
    ),
)

AndItsTokens = Annotated[
    bool,
    Query(description="Also revoke all tokens of the client, whichever secret it used."),
]


class NewSecret(ClientSecret):
    """A new secret. It is not shown again."""

    client_secret: str


@router.post(
    "/{client_id}/revoke-tokens",
    status_code=204,
    responses=documented("not-found", "precondition-failed"),
)
def revoke_client_tokens(caller: Caller, client_id: str, if_match: IfMatch = None) -> None:
    """Revoke every token issued to the client so far, everywhere within seconds.

    Tokens of users who signed in through it are included. The client may request new ones.
    """
    with caller.work(CLIENT.write) as work:
        require_match(if_match, work.clients.get(client_id))
        work.clients.revoke_tokens(client_id)


@router.get("/{client_id}/secrets", responses=documented("not-found", "invalid-cursor"))
def list_secrets(
    caller: Caller, client_id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[ClientSecret]:
    """List metadata of the client's secrets, oldest first; never a secret."""
    with caller.work(CLIENT.read) as work:
        secrets = work.clients.secrets(client_id)
    return page_of("secrets", secrets, lambda secret: secret.id, cursor, limit)


@router.post(
    "/{client_id}/secrets",
    status_code=201,
    responses=documented("not-found", "not-allowed", body=True),
)
def create_secret(
    caller: Caller, client_id: str, fields: SecretFields, response: Response
) -> NewSecret:
    """Create another secret, so that the old one can be replaced without downtime."""
    with caller.work(CLIENT.write) as work:
        record, secret = work.clients.add_secret(client_id, fields)
    response.headers["Location"] = location(caller, "clients", client_id, "secrets", record.id)
    tagged(response, record)
    never_stored(response)
    return NewSecret.model_construct(**dict(record), client_secret=secret)


@router.get("/{client_id}/secrets/{secret_id}", responses=documented("not-found"))
def read_secret(caller: Caller, client_id: str, secret_id: str, response: Response) -> ClientSecret:
    """Read the metadata of a secret; never the secret."""
    with caller.work(CLIENT.read) as work:
        return tagged(response, work.clients.secret(client_id, secret_id))


@router.delete(
    "/{client_id}/secrets/{secret_id}",
    status_code=204,
    responses=documented("not-found", "not-allowed", "precondition-failed"),
)
def delete_secret(
    caller: Caller,
    client_id: str,
    secret_id: str,
    and_its_tokens: AndItsTokens = False,
    if_match: IfMatch = None,
) -> None:
    """Delete a secret at once. Its tokens stay valid, unless `and_its_tokens`."""
    with caller.work(CLIENT.write) as work:
        require_match(if_match, work.clients.secret(client_id, secret_id))
        work.clients.delete_secret(client_id, secret_id, and_its_tokens=and_its_tokens)
