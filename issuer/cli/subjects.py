"""The resource that an argument names, and suggestions for a misspelled name."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from issuer.audiences import AUDIENCE
from issuer.clients import CLIENT
from issuer.composition import Administration, UnitOfWork
from issuer.errors import NotFound
from issuer.fields.text import did_you_mean
from issuer.resources import ResourceType
from issuer.roles import ROLE
from issuer.trusted_issuers import TRUSTED_ISSUER
from issuer.users import USER, User

_TYPES: dict[str, ResourceType[Any, Any]] = {
    each.kind: each for each in (AUDIENCE, CLIENT, ROLE, TRUSTED_ISSUER, USER)
}
_COMPARED = 500


@contextmanager
def suggesting(work: UnitOfWork) -> Iterator[None]:
    """`NotFound` suggests a similar name, of those that begin alike and the first of all."""
    try:
        yield
    except NotFound as error:
        kinds = [_TYPES[kind] for kind in error.kind.split(" or ") if kind in _TYPES]
        known = [name for kind in kinds for name in _names(work, kind, error.name)]
        raise NotFound(error.kind, error.name, did_you_mean(error.name, known)) from None


def _names(work: UnitOfWork, resource_type: ResourceType[Any, Any], like: str) -> Iterator[str]:
    collection = work.collection(resource_type)
    for each in (*collection.search(like[:1], _COMPARED), *collection.page(None, _COMPARED)):
        yield each.username if isinstance(each, User) else resource_type.key_of(each)


def find_user(work: UnitOfWork, id_or_name: str) -> User:
    """The user of that id, else of that name; `NotFound` if there is neither."""
    with suppress(NotFound):
        return work.users.get(id_or_name)
    with suggesting(work):
        return work.users.get_by_username(id_or_name)


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
