"""Which clients act for users now, with tokens that they exchanged; and ending that."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from issuer.errors import NotFound
from issuer.resources import Transaction, WithinTransaction
from issuer.sign_in.consents_store import ConsentStore
from issuer.token_exchange.store import DelegationStore


class Delegation(BaseModel):
    """A client acts for a user at an audience, until `expires_at` (RFC 8693 §1.1).

    With tokens that it got in exchange for those that `from_client` had for `from_audience`.
    """

    model_config = ConfigDict(frozen=True)

    client_id: str
    audience: str
    from_client: str
    from_audience: str
    expires_at: datetime


class Delegations(WithinTransaction):
    """Which clients act for users with tokens that they exchanged, within one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction)
        self._store = DelegationStore(self._session)
        self._consents = ConsentStore(self._session)

    def of_user(self, user_id: str) -> list[Delegation]:
        """The clients that act for the user now, in order of client and audience."""
        return [Delegation(**each) for each in self._store.of_user(user_id, self._clock())]

    def end(self, user_id: str, client_id: str) -> None:
        """Revoke the client's tokens of the user, who must allow it again on a consent page."""
        self._authority.authorize_change(principal=user_id)
        acts = any(each.client_id == client_id for each in self.of_user(user_id))
        if not self._consents.forget_acting(user_id, client_id) and not acts:
            raise NotFound("delegation to the client", client_id)
        self._consents.stop(user_id, client_id)
        are_revoked = self._revocations.revoke_exchanged_through(user_id, client_id)
        details = {"client_id": client_id, "access_tokens_revoked": are_revoked}
        self._trail.note("delegation.ended", user_id, **details)
