"""The state of a user in words: factors, sessions and consents, and whether it can sign in."""

from dataclasses import dataclass
from datetime import datetime

from issuer.composition import UnitOfWork
from issuer.sign_in import Factor
from issuer.sign_in.factors_store import SignInMethods
from issuer.sign_in.session_revoker import Consent
from issuer.sign_in.sessions_store import SignInSession
from issuer.users import User
from issuer.web.console.screens.recent_events import methods_in_words
from issuer.web.words import browser_name

ACTIVE, DISABLED, INVITED, LOCKED = "active", "disabled", "invited", "locked"
NO_MEANS = "cannot sign in"
_SHOWN = 50
_SCOPES = 5


def user_states(
    user: User, means: SignInMethods, locked_until: datetime | None = None
) -> tuple[str, ...]:
    """All states that apply: a user can be locked and invited at once."""
    first = DISABLED if user.disabled else ACTIVE if means.can_sign_in else ""
    locked = LOCKED if locked_until else ""
    invited = INVITED if means.invited_until and not user.disabled else ""
    return tuple(filter(None, (first, locked, invited))) or (NO_MEANS,)


@dataclass(frozen=True, slots=True)
class SessionInList:
    """A session; `browser` and `methods` in words."""

    session: SignInSession
    browser: str
    methods: str
    is_own: bool


@dataclass(frozen=True, slots=True)
class ConsentInList:
    """A consent; `more` scopes are not among `scopes`."""

    consent: Consent
    scopes: tuple[str, ...]
    more: int


@dataclass(frozen=True, slots=True)
class UserAccess:
    """`more_…` are not listed. `failed_attempts` in a row, until `locked_until` if locked."""

    means: SignInMethods
    states: tuple[str, ...]
    failed_attempts: int
    locked_until: datetime | None
    factors: tuple[Factor, ...]
    recovery_codes_left: int
    sessions: tuple[SessionInList, ...]
    more_sessions: int
    consents: tuple[ConsentInList, ...]
    more_consents: int


def user_access(
    work: UnitOfWork,
    user: User,
    failed_attempts: int,
    locked_until: datetime | None,
    own_session_id: str,
) -> UserAccess:
    """For somebody whose own session is `own_session_id`. `NotFound` if the user was deleted."""
    factors = tuple(work.factors.of_user(user.id))
    means = work.factors.methods_of(user.id)[user.id]
    sessions, consents = work.sessions.of_user(user.id), work.consents.of_user(user.id)
    return UserAccess(
        means,
        user_states(user, means, locked_until),
        failed_attempts,
        locked_until,
        factors,
        work.factors.recovery_codes_left(user.id),
        tuple(_session(each, own_session_id) for each in sessions[:_SHOWN]),
        max(0, len(sessions) - _SHOWN),
        tuple(map(_consent, consents[:_SHOWN])),
        max(0, len(consents) - _SHOWN),
    )


def _session(session: SignInSession, own_session_id: str) -> SessionInList:
    methods = methods_in_words(session.methods)
    is_own = session.id == own_session_id
    return SessionInList(session, browser_name(session.user_agent), methods, is_own)


def _consent(consent: Consent) -> ConsentInList:
    scopes = (*consent.openid_scopes, *consent.scopes)
    return ConsentInList(consent, scopes[:_SCOPES], max(0, len(scopes) - _SCOPES))
