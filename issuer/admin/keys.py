"""`/keys`: the signing keys, never a private part."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from issuer.admin.access import Caller
from issuer.admin.problems import documented
from issuer.admin.representations import Page
from issuer.keys import KeyState
from issuer.keys.schedule import destroys_at, retires_at, state_at
from issuer.vocabulary import SigningAlgorithm

router = APIRouter(prefix="/keys", tags=["keys"])


class Key(BaseModel):
    """A signing key: state and dates. A date that is not planned yet is null."""

    kid: str
    alg: SigningAlgorithm
    state: KeyState
    announced_at: datetime
    activates_at: datetime
    retires_at: datetime | None
    destroys_at: datetime | None
    public_jwk: dict[str, Any]


class Keys(Page[Key]):
    """All keys, the youngest first: there are never many."""


@router.get("", responses=documented())
def list_keys(caller: Caller) -> Keys:
    """Every signing key, destroyed ones included."""
    with caller.rooms("issuer:keys:read"):
        keys, now = caller.services.keyring.keys, caller.services.clock()
    items = [
        Key(
            kid=key.kid,
            alg=key.alg,
            state=state_at(keys, key, now),
            announced_at=key.announced_at,
            activates_at=key.activates_at,
            retires_at=retires_at(keys, key),
            destroys_at=destroys_at(keys, key),
            public_jwk=dict(key.public_jwk),
        )
        for key in sorted(keys, key=lambda key: key.activates_at, reverse=True)
    ]
    return Keys(items=items, next_cursor=None)
