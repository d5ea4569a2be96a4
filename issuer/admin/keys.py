"""`/keys` and `/verifiers`: the signing keys, and who holds them."""

from typing import Annotated

from fastapi import Query, Response

from issuer.admin.access import Caller
from issuer.admin.problems import documented
from issuer.admin.representations import Cursor, Limit, Page, page, page_of, tagged
from issuer.admin.routes import admin_router, requires
from issuer.keys.described import DescribedKey, RevokedKey, all_described, describe
from issuer.verifiers.known_verifiers import DescribedVerifier, LeftOutVerifiers
from issuer.vocabulary import SigningAlgorithm

router = admin_router("/keys", "keys")

READ, WRITE = "issuer:keys:read", "issuer:keys:write"

Alg = Annotated[
    SigningAlgorithm | None, Query(description="Rotate only this algorithm; by default all.")
]

Force = Annotated[
    bool, Query(description="Rotate although live verifiers lack the next key, or may lack it.")
]
verifiers_router = admin_router("/verifiers", "keys")


class KeyList(Page[DescribedKey]):
    """All keys, newest first."""


@router.get("")
def list_keys(caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Page[DescribedKey]:
    """List signing keys, destroyed ones included, newest first."""
    with caller.work(READ) as work:
        keys = all_described(work.keys.all(), caller.administration.clock())
    return page_of("keys", keys, lambda key: key.kid, cursor, limit)


@router.post("/rotate", responses=documented("not-allowed"))
@requires(WRITE)
def rotate_keys(caller: Caller, alg: Alg = None, force: Force = False) -> KeyList:
    """Activate the next key, and announce another.

    409 with `Retry-After` until the next key has been announced long enough: verifiers may not
    have fetched it yet. 409 while a live verifier lacks the next key, or may lack it
    since it was left out of the list in the last three minutes, unless `force`.
    """
    caller.require(WRITE)
    with caller.administration.changing_keys(caller.actor, caller.held) as work:
        work.verifiers.rotate_keys(alg, force=force)
    keys = caller.administration.keyring.keys
    return KeyList(items=all_described(keys, caller.administration.clock()), next_cursor=None)


@router.get("/{kid}")
def read_key(caller: Caller, kid: str, response: Response) -> DescribedKey:
    """Read a signing key."""
    with caller.work(READ) as work:
        keys, key = work.keys.all(), work.keys.get(kid)
    return tagged(response, describe(keys, key, caller.administration.clock()))


@router.post("/{kid}/revoke")
@requires(WRITE)
def revoke_key(caller: Caller, kid: str) -> RevokedKey:
    """In an emergency, destroy a key at once; the next key replaces it.

    Verifiers refuse every token it signed once they have fetched the new key set. The token of
    this request may be one of them.
    """
    caller.require(WRITE)
    with caller.administration.changing_keys(caller.actor, caller.held) as work:
        return work.revoke_key(kid)


class VerifierList(Page[DescribedVerifier]):
    """A page of verifiers; `left_out` is what was left out in the last day, null if nothing."""

    left_out: LeftOutVerifiers | None


@verifiers_router.get("")
@requires("issuer:verifiers:read")
def list_verifiers(caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> VerifierList:
    """List the verifiers that reported in the last day, by audience and address.

    Nobody verifies what they say. Software that reports nothing is not in the list. Where more
    report than are kept, known live ones stay, and newcomers are left out.
    """
    with caller.work("issuer:verifiers:read") as work:
        found = page("verifiers", work.verifiers.page, lambda each: each.key, cursor, limit)
        return VerifierList(**dict(found), left_out=work.verifiers.left_out())
