"""The client or user that an argument names."""

from issuer.cli.user import find
from issuer.composition import Administration
from issuer.errors import NotFound


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
            user_id = find(work, name).id
        except NotFound:
            raise NotFound("user" if client else "client or user", name) from None
    return {"user_id": user_id} if client is None else {"user_id": user_id, "client_id": client}
