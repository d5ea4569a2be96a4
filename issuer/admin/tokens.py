"""`/tokens/revoke`: one access token, taken back before it expires."""

from typing import Self

from pydantic import Field, model_validator

from issuer.admin.access import Access, Caller
from issuer.admin.problems import documented
from issuer.admin.routes import admin_router
from issuer.errors import InvalidCredentials, InvalidField
from issuer.fields import Fields
from issuer.scopes import ISSUER_ADMIN, covers
from issuer.tokens.revoking import right_to_revoke

router = admin_router("/tokens", "tokens")

ANY_OF = ("issuer:users:write", "issuer:clients:write")


class TokenToRevoke(Fields):
    """The token itself, or only its `jti`, as the audit names it."""

    token: str | None = Field(None, max_length=16_384)
    jti: str | None = Field(None, min_length=1, max_length=128)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.token is None) == (self.jti is None):
            raise ValueError("name a token or a jti")
        return self


@router.post("/revoke", status_code=204, responses=documented(body=True))
def revoke_token(caller: Caller, wanted: TokenToRevoke) -> None:
    """Have a token refused everywhere within seconds; once more is fine.

    A client's takes `issuer:clients:write`, a user's `issuer:users:write`; one that opens this
    API, or of which only the `jti` is known, `issuer:admin`.
    """
    with caller.work(_needed(caller, wanted)) as work:
        if wanted.token is not None:
            work.token_revocations.revoke(wanted.token)
        elif wanted.jti is not None:
            work.token_revocations.revoke_unseen(wanted.jti)


def _needed(caller: Access, wanted: TokenToRevoke) -> str:
    """Who may revoke none at all learns nothing of a token."""
    if wanted.token is None:
        return ISSUER_ADMIN
    if not any(covers(caller.held, scope) for scope in ANY_OF):
        caller.require(ANY_OF[0])
    try:
        found = caller.administration.tokens.any_reader.read_although_revoked(wanted.token)
    except InvalidCredentials as error:
        raise InvalidField("token", error.reason) from None
    return right_to_revoke(found)
