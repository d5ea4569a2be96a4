"""`/clients`: services with credentials of their own, and their secrets."""

from typing import Annotated

from fastapi import Query, Response

from issuer.admin.access import Caller
from issuer.admin.bodies import MergePatch
from issuer.admin.problems import documented
from issuer.admin.representations import (
    Cursor,
    IfMatch,
    Limit,
    Page,
    never_stored,
    page,
    page_of,
    require_match,
    tagged,
)
from issuer.admin.routes import admin_router
from issuer.admin.urls import location
from issuer.admin.warnings import WithWarnings, warnings_about
from issuer.clients import Client, ClientFields, ClientSecret, SecretFields

router = admin_router("/clients", "clients")

READ, WRITE = "issuer:clients:read", "issuer:clients:write"

AndItsTokens = Annotated[
    bool,
    Query(description="Also revoke all tokens of the client, whichever secret it used."),
]


class NewClient(Client):
    """A new client with its first secret, which is not shown again."""

    client_secret: str


class ClientWithWarnings(Client, WithWarnings):
    """A client whose scopes have warnings."""


class NewClientWithWarnings(NewClient, WithWarnings):
    """A new client whose scopes have warnings, with its first secret."""


class NewSecret(ClientSecret):
    """A new secret. It is not shown again."""

    client_secret: str


@router.get("", responses=documented("invalid-cursor"))
def list_clients(caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Page[Client]:
    """List clients in order of id."""
    with caller.work(READ) as work:
        return page("clients", work.clients.page, lambda each: each.client_id, cursor, limit)


@router.post(
    "",
    status_code=201,
    responses=documented("already-exists", body=True),
)
def create_client(
    caller: Caller, fields: ClientFields, response: Response
) -> NewClientWithWarnings | NewClient:
    """Create a client with a first secret."""
    with caller.work(WRITE) as work:
        client, secret = work.clients.create(fields)
    response.headers["Location"] = location(caller, "clients", client.client_id)
    tagged(response, client)
    never_stored(response)
    new = NewClient.model_construct(**dict(client), client_secret=secret)
    if warnings := warnings_about(client.scopes):
        return NewClientWithWarnings.model_construct(**dict(new), warnings=warnings)
    return new


@router.get("/{client_id}", responses=documented("not-found"))
def read_client(caller: Caller, client_id: str, response: Response) -> Client:
    """Read a client; never a secret."""
    with caller.work(READ) as work:
        return tagged(response, work.clients.get(client_id))


@router.patch(
    "/{client_id}",
    responses=documented("not-found", "not-allowed", "precondition-failed", body=True),
)
def patch_client(
    caller: Caller, client_id: str, patch: MergePatch, response: Response, if_match: IfMatch = None
) -> ClientWithWarnings | Client:
    """Change a client. `disabled` takes effect within a second and revokes all its tokens."""
    with caller.work(WRITE) as work:
        require_match(if_match, work.clients.get(client_id))
        client = work.clients.update(client_id, patch)
    tagged(response, client)
    if warnings := warnings_about(client.scopes):
        return ClientWithWarnings.model_construct(**dict(client), warnings=warnings)
    return client


@router.delete(
    "/{client_id}",
    status_code=204,
    responses=documented("not-found", "not-allowed", "precondition-failed"),
)
def delete_client(caller: Caller, client_id: str, if_match: IfMatch = None) -> None:
    """Delete a client, its secrets and assignments, and revoke its tokens."""
    with caller.work(WRITE) as work:
        require_match(if_match, work.clients.get(client_id))
        work.clients.delete(client_id)


@router.post(
    "/{client_id}/revoke-tokens",
    status_code=204,
    responses=documented("not-found", "precondition-failed"),
)
def revoke_client_tokens(caller: Caller, client_id: str, if_match: IfMatch = None) -> None:
    """Revoke every token issued to the client so far, everywhere within seconds.

    Tokens of users who signed in through it are included. The client may request new ones.
    """
    with caller.work(WRITE) as work:
        require_match(if_match, work.clients.get(client_id))
        work.clients.revoke_tokens(client_id)


@router.get("/{client_id}/secrets", responses=documented("not-found", "invalid-cursor"))
def list_secrets(
    caller: Caller, client_id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[ClientSecret]:
    """List metadata of the client's secrets, oldest first; never a secret."""
    with caller.work(READ) as work:
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
    with caller.work(WRITE) as work:
        record, secret = work.clients.add_secret(client_id, fields)
    response.headers["Location"] = location(caller, "clients", client_id, "secrets", record.id)
    tagged(response, record)
    never_stored(response)
    return NewSecret.model_construct(**dict(record), client_secret=secret)


@router.get("/{client_id}/secrets/{secret_id}", responses=documented("not-found"))
def read_secret(caller: Caller, client_id: str, secret_id: str, response: Response) -> ClientSecret:
    """Read the metadata of a secret; never the secret."""
    with caller.work(READ) as work:
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
    with caller.work(WRITE) as work:
        require_match(if_match, work.clients.secret(client_id, secret_id))
        work.clients.delete_secret(client_id, secret_id, and_its_tokens=and_its_tokens)
