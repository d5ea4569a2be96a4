"""`/tokens/revoke`: revoking one access token."""

from typing import Self

from pydantic import Field, model_validator

from issuer.admin.access import Caller
from issuer.admin.routes import admin_router, requires
from issuer.clients.client import CLIENT
from issuer.fields.fields import Fields
from issuer.scopes import ISSUER_ADMIN
from issuer.users import USER

router = admin_router("/tokens", "tokens")

ANY_OF = (USER.write, CLIENT.write)


class TokenToRevoke(Fields):
    """The token itself, or only its `jti`, as in the audit log."""

    token: str | None = Field(None, max_length=16_384)
    jti: str | None = Field(None, min_length=1, max_length=128)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.token is None) == (self.jti is None):
            raise ValueError("name a token or a jti")
        return self


@router.post("/revoke")
@requires(
    CLIENT.write,
    USER.write,
    note="A client's token requires issuer:clients:write, a user's issuer:users:write, and a token"
    " for the admin API or a jti without the token issuer:admin.",
)
def revoke_token(caller: Caller, to_revoke: TokenToRevoke) -> None:
    """Revoke a token everywhere within seconds. Idempotent.

    A token of a client requires `issuer:clients:write`, one of a user `issuer:users:write`. A
    token for this API, or a `jti` without the token, requires `issuer:admin`.
    """
    # A caller that may revoke no token at all learns nothing about this one.
    scope = next((scope for scope in ANY_OF if caller.holds(scope)), ANY_OF[0])
    with caller.work(ISSUER_ADMIN if to_revoke.token is None else scope) as work:
        if to_revoke.token is not None:
            work.token_revocations.revoke(to_revoke.token)
        elif to_revoke.jti is not None:
            work.token_revocations.revoke_unverified(to_revoke.jti)
