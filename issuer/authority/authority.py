"""The rules that keep rights at the issuer itself with `issuer:admin` (CONTRACT §4)."""

from collections.abc import Iterable, Mapping

from issuer.authority.store import AuthorityStore
from issuer.database import Session
from issuer.errors import Forbidden, NotAllowed
from issuer.fields import fold_id
from issuer.scopes import ISSUER_ADMIN, covers, parse
from issuer.vocabulary import GrantType


class Authority:
    """What the one who asks may do to the issuer itself, within one transaction.

    `held` are the scopes at the issuer's own audience; the command line holds `issuer:admin`.
    `users_sign_in` is whether there is a password grant by which a user could be an admin at all.
    """

    def __init__(
        self,
        session: Session,
        own_audience: str,
        held: Iterable[str],
        *,
        users_sign_in: bool,
    ) -> None:
        self._store = AuthorityStore(session, own_audience, users_sign_in=users_sign_in)
        self._own_audience = own_audience
        self._users_sign_in = users_sign_in
        self._held = frozenset(held)
        self._had_admin: bool | None = None

    def require(self, scope: str) -> None:
        """`Forbidden`, naming the scope, if it is not covered by what is held."""
        if not covers(self._held, scope):
            raise Forbidden(scope)

    def authorize_change(
        self,
        *,
        principal: str | None = None,
        scopes: Iterable[str] = (),
        audiences: Iterable[str] = (),
    ) -> None:
        """Called before a change with what it changes and what it makes of it.

        `Forbidden` if that holds or gives rights at the issuer and the asker is no admin.
        """
        given = [*scopes]
        if principal is not None:
            given += self._store.scopes_by_role(fold_id(principal))
        concerns_issuer = self._own_audience in audiences or any(
            parse(scope).is_of_issuer for scope in given
        )
        if not concerns_issuer:
            return
        self.require(ISSUER_ADMIN)
        if self._had_admin is None:
            self._had_admin = self._store.has_admin()

    def would_lose_admin(
        self, clients: Mapping[str, Iterable[GrantType]], users: Iterable[str], *, new: set[str]
    ) -> bool:
        """Whether `settle` would refuse if just these clients and users held `issuer:admin`.

        Clients by id, with their grant types; those that are `new` get a secret.
        """
        if not self._store.has_admin():
            return False
        usable = self._store.with_lasting_secret(clients) | new
        grants = {grant for each in usable & clients.keys() for grant in clients[each]}
        if GrantType.CLIENT_CREDENTIALS in grants:
            return False
        signing_in = self._users_sign_in and GrantType.PASSWORD in grants
        return not (signing_in and self._store.with_password(users))

    def check_invariants(self) -> None:
        """Called at the end of the transaction: the last admin is still there."""
        if self._had_admin and not self._store.has_admin():
            raise NotAllowed(
                "The last holder of issuer:admin cannot be removed or disabled,"
                " and needs a secret that does not expire."
            )

    def has_admin(self) -> bool:
        """Whether somebody can get a token with `issuer:admin`, however much time passes."""
        return self._store.has_admin()
