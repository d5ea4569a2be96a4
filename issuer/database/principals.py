"""The ids of users and clients: unique across both, ignoring case."""

import string
from random import Random

from sqlalchemy.orm import Session

from issuer.database.tables import PrincipalRow
from issuer.errors import AlreadyExists
from issuer.fields.ids import fold_id

_ID_ALPHABET = string.ascii_lowercase + string.digits
_ID_CHARACTERS = 20


def new_id(prefix: str, random: Random) -> str:
    """A new id: a hundred random bits, in lower case, in which ids are compared."""
    return prefix + "".join(random.choice(_ID_ALPHABET) for _ in range(_ID_CHARACTERS))


def claim_id(session: Session, principal_id: str, kind: str) -> None:
    """Claim the id for a `kind`; `AlreadyExists` if it is taken."""
    folded_id = fold_id(principal_id)
    if taken := session.get(PrincipalRow, folded_id):
        raise AlreadyExists(taken.kind, principal_id)
    session.add(PrincipalRow(folded_id=folded_id, kind=kind))
    session.flush()


def release_id(session: Session, principal_id: str) -> None:
    """Free the id and delete its role assignments, so that a new owner does not get them."""
    session.delete(session.get_one(PrincipalRow, fold_id(principal_id)))
    session.flush()
