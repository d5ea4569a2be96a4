"""The rules that keep rights at the issuer itself with `issuer:admin`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from issuer.audit import Actor
from issuer.authority.credentials import Grantor
from issuer.authority.store import AuthorityStore, PrivilegeSnapshot
from issuer.errors import Forbidden, NotAllowed
from issuer.fields.ids import fold_id
from issuer.scopes import ISSUER_ADMIN, covers, parse
from issuer.vocabulary import GivenAs, GrantType


@dataclass(eq=False, repr=False)
class Authority(AuthorityStore):
    """What the caller may change at the issuer itself, within one transaction.

    `_held` are the caller's scopes at the own audience. `users_sign_in`: the password grant is
    on, so a user can be an admin without a browser.
    """

    _held: frozenset[str]
    _actor: Actor

    def __post_init__(self) -> None:
        self._unused: frozenset[str] = frozenset()
        self._had_admin: bool | None = None
        self._before: PrivilegeSnapshot | None = None
        self._created: set[str] = set()

    @property
    def grantor(self) -> Grantor:
        """Who gives what this transaction stores."""
        if self._actor.is_local:
            return Grantor(self._actor.id, GivenAs.LOCAL)
        is_admin = ISSUER_ADMIN in self._held | self._unused
        return Grantor(self._actor.id, GivenAs.ADMIN if is_admin else GivenAs.OTHER)

    def grantor_to(self, user_id: str) -> Grantor | None:
        """The grantor of what `user_id` gets; None if this is the actor, given access before."""
        is_own = self._actor.id == user_id and not self._actor.is_local
        return None if is_own else self.grantor

    def may_still(self, grantor: Grantor, scope: str, since: datetime) -> bool:
        """Whether `grantor`, who did something at `since`, may do it now; the command line may."""
        if grantor.given_as is GivenAs.LOCAL or grantor.by is None:
            return grantor.given_as is GivenAs.LOCAL
        return covers(self.scopes_held(grantor.by, since), scope)

    def holds_rights(self, principal_id: str) -> bool:
        """Whether the principal has a scope of the issuer through a role."""
        scopes = self.scopes_by_role(fold_id(principal_id))
        return any(parse(scope).is_of_issuer for scope in scopes)

    def note_created(self, principal_id: str) -> None:
        """Call for a new client or user: nothing from before this transaction can act as it."""
        self._created.add(fold_id(principal_id))

    def is_created(self, principal_id: str) -> bool:
        return fold_id(principal_id) in self._created

    def newly_privileged(self) -> PrivilegeSnapshot:
        """Who got rights at the issuer since the last call; each way passes `watch_privileges`."""
        if self._before is None:
            return PrivilegeSnapshot(frozenset(), frozenset())
        before, self._before = self._before, self.privilege_snapshot()
        issuers = self._before.trusted_issuers - before.trusted_issuers
        return PrivilegeSnapshot(self._before.holders - before.holders, issuers)

    def holds(self, scope: str) -> bool:
        """Whether a held scope covers this one."""
        return covers(self._held, scope)

    def require(self, scope: str) -> None:
        """`Forbidden`, naming the scope, unless a held scope covers it."""
        if not self.holds(scope):
            raise Forbidden(scope)

    def drop_lost_scopes(self) -> None:
        """Call when the transaction has begun: callers may lose scopes while they wait for it."""
        if self._actor.is_local or self._actor.id is None:
            return
        self._held = self._still_held(self._actor.id, self._held)

    def note_unused_scopes(self, scopes: Iterable[str]) -> None:
        """Call with scopes held but not usable now: they count in `grantor`, and allow nothing."""
        if self._actor.id is not None:
            self._unused = self._still_held(self._actor.id, scopes)

    def _still_held(self, actor: str, scopes: Iterable[str]) -> frozenset[str]:
        now_held = self.scopes_held(actor)
        return frozenset(each for each in scopes if covers(now_held, each))

    def authorize_change(
        self,
        *,
        principal: str | None = None,
        scopes: Iterable[str] = (),
        audiences: Iterable[str] = (),
    ) -> None:
        """Call before a change, with scopes and audiences before and after; `Forbidden`."""
        affected = [*scopes]
        if principal is not None:
            affected += self.scopes_by_role(fold_id(principal))
        are_of_issuer = any(parse(scope).is_of_issuer for scope in affected)
        if self.own_audience in audiences or are_of_issuer:
            self.authorize_privileged_change()

    def authorize_privileged_change(self) -> None:
        """Call before a change of rights at the issuer itself; `Forbidden` if this is no admin."""
        self.require(ISSUER_ADMIN)
        self.watch_privileges()

    def watch_privileges(self) -> None:
        """Call before a change by which somebody may get rights at the issuer.

        `authorize_privileged_change` does. A sign-in was allowed beforehand.
        """
        if self._had_admin is None:
            self._had_admin = self.has_admin()
            self._before = self.privilege_snapshot()

    def would_lose_admin(
        self, clients: Mapping[str, Iterable[GrantType]], users: Iterable[str], *, usable: set[str]
    ) -> bool:
        """Whether no admin is left but these; `usable` clients have keys or get a secret."""
        if not self.has_admin():
            return False
        can_authenticate = self.with_lasting_secret(clients) | usable
        grants = {grant for each in can_authenticate & clients.keys() for grant in clients[each]}
        if GrantType.CLIENT_CREDENTIALS in grants:
            return False
        in_browser = GrantType.AUTHORIZATION_CODE in grants or self.has_client_for_browsers()
        with_password = self.users_sign_in and GrantType.PASSWORD in grants
        signing_in = in_browser or with_password
        return not (signing_in and self.who_can_sign_in(users, in_browser=in_browser))

    def check_invariants(self) -> None:
        """Call at the end of the transaction: `NotAllowed` if it removed the last admin."""
        if self._had_admin and not self.has_admin():
            raise NotAllowed(
                "The last holder of issuer:admin cannot be removed, disabled or given an end,"
                " and needs a secret that does not expire, or a key."
            )
