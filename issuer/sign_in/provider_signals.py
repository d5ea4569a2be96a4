"""Reading what trusted issuers say about people, in tokens that they sign. Imports PyJWT.

Three kinds of token, of which none is accepted as another, nor as an ID token (RFC 8725 §3.11):
logout tokens (OpenID Back-Channel Logout 1.0), security event tokens (RFC 8417, with the events of
CAEP, RISC and SSF 1.0), and what authenticates a global token revocation (Okta).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from issuer.clock import Clock
from issuer.directory.records import ProviderRecord, TrustedIssuerRecord
from issuer.errors import InvalidCredentials
from issuer.federation import public_keys
from issuer.fields.fields import is_email
from issuer.sign_in.departures import (
    SIGNAL_PATHS,
    Effect,
    ProviderEvent,
    ProviderSignal,
    SignalWay,
)
from issuer.sign_in.provider_claims import MAX_NAME, is_short_text
from issuer.sign_in.provider_sign_in import VerifiedClaims, require_common
from issuer.sign_in.subject_identifiers import AccountThere, InvalidSubject, account_of
from issuer.vocabulary import (
    GLOBAL_REVOCATION_TYPE,
    LOGOUT_EVENT,
    LOGOUT_TYPE,
    SECURITY_EVENT_TYPE,
)

_OPENID = "https://schemas.openid.net/secevent"
_CREDENTIAL_CHANGE = f"{_OPENID}/caep/event-type/credential-change"
# All others change nothing here, such as those of SSF about the stream itself.
EFFECTS: Mapping[str, Effect] = {
    f"{_OPENID}/caep/event-type/session-revoked": Effect.END,
    f"{_OPENID}/risc/event-type/sessions-revoked": Effect.END,
    _CREDENTIAL_CHANGE: Effect.END,
    f"{_OPENID}/risc/event-type/account-disabled": Effect.DISABLE,
    f"{_OPENID}/risc/event-type/account-purged": Effect.DISABLE,
    f"{_OPENID}/risc/event-type/account-enabled": Effect.ENABLE,
    f"{_OPENID}/risc/event-type/identifier-changed": Effect.READDRESS,
}
# A security event token has no end: it counts, and its `jti` is kept, for so long.
EVENTS_COUNT_FOR = timedelta(days=7)
_REVOCATION_PATH = SIGNAL_PATHS[SignalWay.UNIVERSAL_LOGOUT]
_MAX_EVENTS = 10
_LONGEST_REVOCATION = timedelta(minutes=10)


class SignalRefused(InvalidCredentials):
    """Why a token does not count; `err` is what RFC 8935 §2.4 calls it."""

    def __init__(self, err: str, reason: str) -> None:
        super().__init__(reason)
        self.err = err


@dataclass(frozen=True, slots=True)
class Revoker:
    """A trusted issuer that asks for a global token revocation, by a token that counts once."""

    issuer: TrustedIssuerRecord
    jti: str
    issued_at: datetime
    expires_at: datetime

    def signal(self, subject: object) -> ProviderSignal:
        """What it asks for; `InvalidSubject`."""
        account = account_of(subject, self.issuer.issuer)
        if account.subject is None and account.email is None:
            raise InvalidSubject("sub_id names no account by iss_sub, opaque or email")
        event = ProviderEvent("global-token-revocation", Effect.END, account)
        return ProviderSignal(
            self.issuer.id,
            SignalWay.UNIVERSAL_LOGOUT,
            (event,),
            self.issued_at,
            self.jti,
            self.expires_at,
        )


@dataclass(eq=False, repr=False)
class ProviderSignals:
    """For the event loop."""

    _own_url: str
    _verified_claims: VerifiedClaims
    _clock: Clock

    async def logout(self, text: str, issuers: Iterable[TrustedIssuerRecord]) -> ProviderSignal:
        """What a logout token says; `InvalidCredentials` names a broken rule (§2.6)."""
        try:
            token = public_keys.parse_token(text)
            issuer, client = _sender(token, issuers)
            claims = await self._verified_claims(issuer, token)
            expected = (issuer.issuer, client.client_id, self._clock())
            jti, expires_at = _check_logout_token(token, claims, *expected)
        except public_keys.InvalidToken as error:
            raise InvalidCredentials(f"the logout token: {error}") from None
        account = AccountThere(claims.get("sub") or None, session=claims.get("sid") or None)
        event = ProviderEvent("logout", Effect.SIGN_OUT, account)
        at, way = public_keys.required_iat(claims), SignalWay.BACK_CHANNEL
        return ProviderSignal(issuer.id, way, (event,), at, jti, expires_at)

    async def security_event(
        self, text: str, issuers: Iterable[TrustedIssuerRecord]
    ) -> ProviderSignal:
        """What a security event token says; `SignalRefused` names a broken rule."""
        token = _parse(text)
        issuer, client = _of_people(token, issuers)
        claims = await self._signed_claims(issuer, token)
        if not {self._own_url, client.client_id} & {*_audiences(claims)}:
            raise SignalRefused("invalid_audience", "aud is neither this issuer nor its client id")
        try:
            issued_at = public_keys.required_iat(claims)
            _require_recent(issued_at, self._clock())
            jti, events = public_keys.required_jti(claims), _events(claims, issuer.issuer)
        except (public_keys.InvalidToken, InvalidSubject) as error:
            raise SignalRefused("invalid_request", str(error)) from None
        until, way = issued_at + EVENTS_COUNT_FOR, SignalWay.SECURITY_EVENTS
        return ProviderSignal(issuer.id, way, events, issued_at, jti, until)

    async def revoker(self, text: str, issuers: Iterable[TrustedIssuerRecord]) -> Revoker:
        """Who asks for a revocation; `InvalidCredentials` names a broken rule."""
        try:
            token = public_keys.parse_token(text)
            issuer, _ = _sender(token, issuers)
            claims = await self._verified_claims(issuer, token)
            return self._checked_revoker(issuer, token, claims)
        except public_keys.InvalidToken as error:
            raise InvalidCredentials(f"the bearer token: {error}") from None

    def _checked_revoker(
        self,
        issuer: TrustedIssuerRecord,
        token: public_keys.SignedToken,
        claims: Mapping[str, Any],
    ) -> Revoker:
        """The rules for tokens as Okta signs them: `sub` is whatever it calls this application."""
        if token.typ != GLOBAL_REVOCATION_TYPE:
            raise public_keys.InvalidToken("typ is that of another kind of token")
        if not {self._own_url, self._own_url + _REVOCATION_PATH} & {*_audiences(claims)}:
            raise public_keys.InvalidToken("aud is neither the endpoint nor this issuer")
        if not is_short_text(claims.get("sub")):
            raise public_keys.InvalidToken("sub is missing")
        expires_at = public_keys.valid_until(claims, self._clock())
        issued_at = public_keys.required_iat(claims)
        if expires_at - issued_at > _LONGEST_REVOCATION:
            raise public_keys.InvalidToken("it is valid for more than ten minutes")
        return Revoker(issuer, public_keys.required_jti(claims), issued_at, expires_at)

    async def _signed_claims(
        self, issuer: TrustedIssuerRecord, token: public_keys.SignedToken
    ) -> Mapping[str, Any]:
        try:
            return await self._verified_claims(issuer, token)
        except public_keys.UnknownKey as error:
            raise SignalRefused("invalid_key", str(error)) from None
        except public_keys.InvalidToken as error:
            raise SignalRefused("authentication_failed", str(error)) from None


def _parse(text: str) -> public_keys.SignedToken:
    try:
        token = public_keys.parse_token(text)
    except public_keys.InvalidToken as error:
        raise SignalRefused("invalid_request", str(error)) from None
    if token.typ != SECURITY_EVENT_TYPE:
        raise SignalRefused("invalid_request", "typ is that of another kind of token")
    return token


def _of_people(
    token: public_keys.SignedToken, issuers: Iterable[TrustedIssuerRecord]
) -> tuple[TrustedIssuerRecord, ProviderRecord]:
    try:
        return _sender(token, issuers)
    except public_keys.InvalidToken as error:
        raise SignalRefused("invalid_issuer", str(error)) from None


def _sender(
    token: public_keys.SignedToken, issuers: Iterable[TrustedIssuerRecord]
) -> tuple[TrustedIssuerRecord, ProviderRecord]:
    """The trusted issuer that the token names, and what this issuer is there."""
    for each in issuers:
        if each.is_for_people and each.issuer == token.unverified.issuer and each.sign_in:
            return each, each.sign_in
    raise public_keys.InvalidToken("iss is no issuer where people sign in")


def _audiences(claims: Mapping[str, Any]) -> Sequence[str]:
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    return [each for each in audiences if isinstance(each, str)]


def _require_recent(issued_at: datetime, now: datetime) -> None:
    if not now - EVENTS_COUNT_FOR < issued_at <= now + public_keys.LEEWAY:
        raise public_keys.InvalidToken("iat is in the future, or older than seven days")


def _events(claims: Mapping[str, Any], issuer: str) -> tuple[ProviderEvent, ...]:
    """RFC 8417 §2.2: a name and an object for each event, which are all about one subject."""
    events = claims.get("events")
    if not isinstance(events, dict) or not 0 < len(events) <= _MAX_EVENTS:
        raise public_keys.InvalidToken(f"events is not an object with 1 to {_MAX_EVENTS} events")
    return tuple(_event(name, events[name], claims, issuer) for name in events)


def _event(name: str, event: object, claims: Mapping[str, Any], issuer: str) -> ProviderEvent:
    if not isinstance(event, dict) or not is_short_text(name):
        raise public_keys.InvalidToken("events has one that is no object, or has no possible name")
    effect, short = EFFECTS.get(name, Effect.NOTHING), name.removeprefix(f"{_OPENID}/")
    if effect is Effect.NOTHING:
        return ProviderEvent(short, effect, AccountThere())
    account = account_of(claims.get("sub_id", event.get("subject")), issuer)
    if name == _CREDENTIAL_CHANGE and event.get("change_type") == "create":
        effect = Effect.NOTHING  # what the person signed in with is as good as before
    address = event.get("new-value")
    is_address = isinstance(address, str) and is_email(address)
    return ProviderEvent(short, effect, account, address if is_address else None)


def _check_logout_token(
    token: public_keys.SignedToken,
    claims: Mapping[str, Any],
    issuer: str,
    client_id: str,
    now: datetime,
) -> tuple[str, datetime]:
    """OpenID Back-Channel Logout §2.6, after the signature: its `jti`, and when it expires."""
    if token.typ not in {"", "jwt", LOGOUT_TYPE}:
        raise public_keys.InvalidToken("typ is that of another kind of token")
    expires_at = require_common(claims, issuer, client_id, now)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise public_keys.InvalidToken("events does not say that somebody signed out")
    if "nonce" in claims:
        raise public_keys.InvalidToken("it has a nonce, as ID tokens do")
    for name in ("sub", "sid"):
        if claims.get(name) and not is_short_text(claims[name]):
            raise public_keys.InvalidToken(f"{name} is not a text of {MAX_NAME} characters")
    if not claims.get("sub") and not claims.get("sid"):
        raise public_keys.InvalidToken("it names neither sub nor sid")
    return public_keys.required_jti(claims), expires_at
