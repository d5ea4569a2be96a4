"""The resource that an argument names, and suggestions for a misspelled name."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from issuer.audiences import AUDIENCE
from issuer.clients import CLIENT
from issuer.composition import Administration, UnitOfWork
from issuer.errors import InvalidField, NotFound, UnknownReference
from issuer.fields.text import did_you_mean
from issuer.resources import ResourceType
from issuer.roles import ROLE
from issuer.trusted_issuers import TRUSTED_ISSUER
from issuer.users import USER, User

_TYPES: dict[str, ResourceType[Any, Any]] = {
    **{each.kind: each for each in (AUDIENCE, CLIENT, ROLE, TRUSTED_ISSUER, USER)},
    "assignment of the role": ROLE,
    "consent for the client": CLIENT,
}
_COMPARED = 500


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
    """Of the names that begin alike, and the first of all; none if the name itself is known."""
    kinds = [_TYPES[each] for each in kind.split(" or ") if each in _TYPES]
    known = [each for kind in kinds for each in _names(work, kind, name)]
    return "" if name in known else did_you_mean(name, known)


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
