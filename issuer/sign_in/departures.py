"""What trusted issuers say about people: signed out, gone, back, another address; what ends here.

A signal is about an account at the issuer that sent it, and about a user only where that account
is linked to one. What the user may do here, and who made the user, does not matter.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from issuer.database import Session
from issuer.database.tables import IdentityRow
from issuer.resources import WithinTransaction
from issuer.sign_in.identities_store import IdentityStore
from issuer.sign_in.session_revoker import SessionRevoker
from issuer.sign_in.sessions_store import SessionStore
from issuer.sign_in.subject_identifiers import AccountThere
from issuer.users.store import UserStore
from issuer.users.user import NoticedBy
from issuer.users.users import Users

# Notes that a token was used, until it expires: whose it is, its `jti`, when it expires.
UseOnce: TypeAlias = Callable[[Session, str, str, datetime], None]

_MAX_OF_ADDRESS = 10


class SignalWay(StrEnum):
    """How a signal comes."""

    BACK_CHANNEL = "back-channel"
    FRONT_CHANNEL = "front-channel"
    SECURITY_EVENTS = "security-events"
    UNIVERSAL_LOGOUT = "universal-logout"


# Where each comes in, under `ISSUER_URL`.
SIGNAL_PATHS: Mapping[SignalWay, str] = {
    SignalWay.BACK_CHANNEL: "/oauth2/backchannel-logout",
    SignalWay.FRONT_CHANNEL: "/oauth2/frontchannel-logout",
    SignalWay.SECURITY_EVENTS: "/oauth2/security-events",
    SignalWay.UNIVERSAL_LOGOUT: "/oauth2/global-token-revocation",
}


class Effect(StrEnum):
    """What a signal does here. `SIGN_OUT` and `END` differ where a session is named: after
    `SIGN_OUT` refresh tokens with `offline_access` go on, as after a sign-out here.
    """

    SIGN_OUT = "sign-out"
    END = "end"
    DISABLE = "disable"
    ENABLE = "enable"
    READDRESS = "address"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """What happened to an account, as the audit log names it. `address` is the new one."""

    name: str
    effect: Effect
    account: AccountThere
    address: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ProviderSignal:
    """What a trusted issuer said at `issued_at`. It counts once by `jti`, if it has one.

    Until `expires_at`, after which the issuer's signature does not count any more.
    """

    issuer_id: str
    way: SignalWay
    events: tuple[ProviderEvent, ...]
    issued_at: datetime
    jti: str | None = None
    expires_at: datetime | None = None


@dataclass(eq=False, repr=False)
class Departures(WithinTransaction):
    """Carries out signals of trusted issuers, within one transaction."""

    _users: Users
    _use_once: UseOnce

    def __post_init__(self) -> None:
        super().__post_init__()
        self._identities = IdentityStore(self._session)
        self._sessions = SessionStore(self._session)
        self._user_store = UserStore(self._session)

    def receive(self, signal: ProviderSignal) -> bool:
        """Carry out what the signal says; whether all that it is about is known here.

        `UsedBefore` if its token was; `TooManyRequests` if the issuer sent too many.
        """
        if signal.jti is not None and signal.expires_at is not None:
            # By day, so that the many of one day do not use up the places of another.
            whose = f"{signal.way} of {signal.issuer_id} {signal.issued_at:%Y-%m-%d}"
            self._use_once(self._session, whose, signal.jti, signal.expires_at)
        known = [self._carry_out(signal, event) for event in signal.events]
        if signal.jti is not None or any(known):
            self._identities.note_signal(signal.issuer_id, signal.way, self._clock())
        return all(known)

    def has_session(self, issuer_id: str, session_there: str) -> bool:
        """Whether a session here began in that one."""
        return bool(self._sessions.at_provider(issuer_id, session_there))

    def noticed_by(self, user_id: str) -> list[NoticedBy]:
        """The ways in which this issuer would notice that the user left, as far as it can know.

        Of a trusted issuer those by which it has sent something about anybody.
        """
        found = [NoticedBy(way="scim")] if self._user_store.get(user_id).scim is not None else []
        for issuer_id in {each.issuer_id: None for each in self._identities.of_user(user_id)}:
            last = self._identities.last_signals(issuer_id)
            found += [
                NoticedBy(way=e, trusted_issuer=issuer_id, last=last[e]) for e in sorted(last)
            ]
        return found

    def _carry_out(self, signal: ProviderSignal, event: ProviderEvent) -> bool:
        account = event.account
        identity = self._find(signal.issuer_id, account)
        user_id = identity.user_id if identity else None
        match event.effect:
            case Effect.SIGN_OUT | Effect.END if account.session is not None:
                user_id = self._end_sessions(signal, event, account.session)
            case Effect.SIGN_OUT | Effect.END if user_id is not None:
                self._users.end_access(user_id)
            case Effect.DISABLE if user_id is not None:
                self._users.disable_by(user_id, signal.issuer_id, signal.issued_at)
            case Effect.ENABLE if user_id is not None:
                self._users.enable_by(user_id, signal.issuer_id, signal.issued_at)
            case Effect.READDRESS if identity is not None and identity.made_user:
                self._readdress(identity.user_id, event.address)
        is_about = {"issuer": signal.issuer_id, "way": signal.way, "event": event.name}
        self._trail.note("signal.received", user_id, **is_about)
        return user_id is not None

    def _end_sessions(
        self, signal: ProviderSignal, event: ProviderEvent, session_there: str
    ) -> str | None:
        """End what began in the session there; whose that was."""
        user_id = None
        revoker = SessionRevoker(self._session, self._trail, self._clock)
        with_offline = event.effect is Effect.END
        named = (signal.issuer_id, session_there, event.account.subject)
        for session in self._sessions.at_provider(*named):
            revoker.session(session, with_offline=with_offline)
            user_id = session.user_id
        return user_id

    def _readdress(self, user_id: str, address: str | None) -> None:
        """The address that the issuer says now, as at a sign-in; SCIM has the last word."""
        if address is not None and self._user_store.get(user_id).scim is None:
            self._users.follow(user_id, {"email": address, "email_verified": False})

    def _find(self, issuer_id: str, account: AccountThere) -> IdentityRow | None:
        """The only identity at this issuer that it can be.

        An address is that of an account if it is the verified one of the user who has the account.
        """
        if account.subject is not None:
            return self._identities.find(issuer_id, account.subject)
        if account.email is None:
            return None
        users = self._user_store.with_verified_email(account.email, _MAX_OF_ADDRESS)
        found = [
            identity
            for user in users
            for identity in self._identities.of_user(user.id)
            if identity.issuer_id == issuer_id
        ]
        return found[0] if len(found) == 1 and len(users) < _MAX_OF_ADDRESS else None
