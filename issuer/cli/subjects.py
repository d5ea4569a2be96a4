"""Whom a question is about, by the name a person knows."""

from issuer.cli.user import find
from issuer.composition import Composition
from issuer.errors import NotFound


def client_and_user(parts: Composition, who: str, client: str | None) -> dict[str, object]:
    """`who` is a client by its id, or a user by id or name; always a user where `client` is given.

    A client wins over a user of that name: the user has an id too. `NotFound` if it is nobody.
    """
    with parts.administration.reading() as work:
        if client is None and work.clients.exists(who):
            return {"client_id": who}
        try:
            user_id = find(work, who).id
        except NotFound:
            raise NotFound("user" if client else "client or user", who) from None
    return {"user_id": user_id} if client is None else {"user_id": user_id, "client_id": client}
