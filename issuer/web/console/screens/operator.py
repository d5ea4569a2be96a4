"""The person who looks at the console: which rights count, and which need a recent sign-in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

from issuer.clients.client import CLIENT
from issuer.composition import Access, UnitOfWork
from issuer.errors import Forbidden
from issuer.resources import ResourceType
from issuer.scopes import ISSUER_ADMIN, ISSUER_SCOPES
from issuer.sign_in.sessions_store import SignInSession
from issuer.users import USER

KEEP = "keep "  # and the id of a credential: the name of a box
_PRINCIPALS: tuple[ResourceType[Any, Any], ...] = (CLIENT, USER)
_ALL_BUT_ADMIN = ISSUER_SCOPES - {ISSUER_ADMIN}


@dataclass(frozen=True)
class Operator(Access):
    """The person who looks, with the rights that they hold at this moment.

    `once` is the random text of the form that they sent. `unused` are rights that need a more
    recent sign-in: they allow nothing, but what the person stores counts as given with them.
    """

    session: SignInSession
    username: str
    once: str = ""
    kept: tuple[str, ...] = ()  # credentials of clients that the form confirms
    unused: frozenset[str] = frozenset()

    @contextmanager
    def work(self, scope: str) -> Iterator[UnitOfWork]:
        with super().work(scope) as work:
            if not scope.endswith(":read"):
                work.sessions.require(self.session)
            if self.unused:
                work.authority.note_unused_scopes(self.unused)
            work.new_privileges.keep(self.kept)
            yield work

    def may_change(self, write: str, *, is_protected: bool) -> bool:
        """Whether the person holds `write`; of what has rights at the issuer, `issuer:admin`.

        The domain decides this too; the console offers nothing that could only be refused.
        """
        return self.holds(ISSUER_ADMIN if is_protected else write)

    def require_may_change(self, write: str, *, is_protected: bool) -> None:
        """`Forbidden` unless `may_change`."""
        self.require(write)
        if is_protected:
            self.require(ISSUER_ADMIN)

    @contextmanager
    def work_once(self, scope: str) -> Iterator[UnitOfWork]:
        """A `work` for what is shown once; `AlreadySent` if the same form has done it before."""
        with self.work(scope) as work:
            if self.once:
                work.sent_forms.require_first(self.once)
            yield work


def readable(operator: Operator, *more: ResourceType[Any, Any]) -> list[ResourceType[Any, Any]]:
    """Which principals the operator may see: clients, users, and `more` kinds."""
    return [each for each in (*_PRINCIPALS, *more) if operator.holds(each.read)]


def unreadable(operator: Operator, *more: ResourceType[Any, Any]) -> tuple[str, ...]:
    """Which of these principals the operator may not see, in the plural."""
    return tuple(each.plural for each in (*_PRINCIPALS, *more) if not operator.holds(each.read))


class NeedsSignIn(Enum):
    """Whether an action, the field `do` of a form, needs one; by default `ALWAYS`."""

    ALWAYS = "always"
    IF_PROTECTED = "if it changes what holds or would give rights at the issuer itself"
    NEVER = "never: it changes nothing"


def without_admin(held: frozenset[str]) -> frozenset[str]:
    """The scopes of `held` that count after ten minutes, for `IF_PROTECTED`.

    The domain lets nobody change anything protected without `issuer:admin`, so that leaving it out
    is enough: no form has to know what is protected.
    """
    return _ALL_BUT_ADMIN if ISSUER_ADMIN in held else held


def is_permitted(authorize: Callable[[str], None], key: str) -> bool:
    """Whether `authorize`, of the operator's unit of work, lets the operator do it."""
    try:
        authorize(key)
    except Forbidden:
        return False
    return True
