"""The client or user that an argument names."""

from contextlib import suppress

from issuer.composition import Administration, UnitOfWork
from issuer.errors import NotFound
from issuer.users import User


def find_user(work: UnitOfWork, id_or_name: str) -> User:
    """The user of that id, else of that name; `NotFound` if there is neither."""
    with suppress(NotFound):
        return work.users.get(id_or_name)
    return work.users.get_by_username(id_or_name)


def client_and_user(
    administration: Administration, name: str, client: str | None
) -> dict[str, object]:
    """`name` is the id of a client, or the id or name of a user; of a user if `client` is set.

    A client comes before a user of that name, whose id can be used. `NotFound` if neither exists.
    """
    with administration.reading() as work:
        if client is None and work.clients.exists(name):
            return {"client_id": name}
        try:
            user_id = find_user(work, name).id
        except NotFound:
            raise NotFound("user" if client else "client or user", name) from None
    return {"user_id": user_id} if client is None else {"user_id": user_id, "client_id": client}
