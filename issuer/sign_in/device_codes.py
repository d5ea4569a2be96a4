"""The device authorization grant (RFC 8628): codes for devices on which nobody can sign in."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random

from issuer.audit import Actor, Trails
from issuer.clock import Clock
from issuer.database import Database
from issuer.directory import ClientRecord
from issuer.errors import InvalidCredentials, TooManyRequests
from issuer.fields.networks import site_of
from issuer.fields.secret_text import SecretTexts
from issuer.sign_in import parameters
from issuer.sign_in.authorization_request import (
    AuthorizationRequest,
    AuthorizationRequests,
    Device,
    RequestTooLarge,
)
from issuer.sign_in.codes_store import AuthorizationCode, CodeStore
from issuer.sign_in.device_codes_store import VALID_FOR, DeviceCode, DeviceCodeStore
from issuer.sign_in.parameters import InvalidParameter
from issuer.vocabulary import AuthorizationErrorCode, ErrorCode, GrantType

PAGE = "/device"
INTERVAL = 5  # seconds between two requests of a device, at first
_MORE_IF_TOO_EARLY = 5  # §3.5
_MAX_INTERVAL = 60
# No vowels, so that no word comes up: 20 ** 8 codes (§6.1).
_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
_CHARACTERS = 8
_MAX_OF_NETWORK, _MAX_OF_CLIENT = 50, 5_000
_MAX_TRIES = 5
_RETRY_AFTER = 60
_DELETED = AuthorizationErrorCode.UNAUTHORIZED_CLIENT


@dataclass(frozen=True, slots=True)
class IssuedDeviceCode:
    """What the client gets, to show to the user and to ask with."""

    device_code: str = field(repr=False)
    user_code: str = field(repr=False)
    expires_in: int = int(VALID_FOR.total_seconds())
    interval: int = INTERVAL


@dataclass(eq=False, repr=False)
class DeviceCodes:
    """For a worker thread: each call is a transaction. `_page_url` is where users enter codes."""

    _page_url: str
    _database: Database
    _trails: Trails
    _clock: Clock
    _random: Random
    _requests: AuthorizationRequests
    _texts: SecretTexts
    _user_code_key: bytes

    def issue(
        self, client: ClientRecord, given: Mapping[str, str], actor: Actor
    ) -> IssuedDeviceCode:
        """New codes (§3.1). `InvalidParameter`; `TooManyRequests` if too many wait for users."""
        text, digest = self._texts.new()
        code = self._code(client, given, digest, actor)
        with self._database.reading() as session:  # before the lock of all changes
            self._require_room(DeviceCodeStore(session), code)
        with self._database.changing() as session:
            store = DeviceCodeStore(session)
            if not store.has_client(code.client_id):
                raise InvalidParameter("client_id", "The client is unknown.", _DELETED)
            self._require_room(store, code)
            for _ in range(_MAX_TRIES):
                user_code = "".join(self._random.choice(_ALPHABET) for _ in range(_CHARACTERS))
                if store.add(replace(code, user_code=self._digest(user_code))):
                    break
            else:
                raise TooManyRequests("no user code is free", _RETRY_AFTER)
            trail = self._trails.begin(session, actor)
            details = {"request": code.request_id, "audience": code.audience_id}
            trail.note("device_code.issued", code.client_id, **details)
        return IssuedDeviceCode(text, _format(user_code))

    def authorization_request(self, user_code: str, user_id: str) -> AuthorizationRequest:
        """What the user who enters the code is asked; `InvalidCredentials` if there is none."""
        typed = "".join(each for each in user_code.upper() if each in _ALPHABET)
        with self._database.reading() as session:
            code = DeviceCodeStore(session).find(user_code=self._digest(typed))
        now = self._clock()
        if code is None:
            raise InvalidCredentials("unknown user code of a device", user_id)
        if code.answered_at is not None or code.expires_at <= now:
            raise InvalidCredentials("used or expired user code of a device", user_id)
        return self._request(code, Device(code.digest.hex(), _format(typed), code.address))

    def poll(self, text: str, client_id: str) -> AuthorizationCode | ErrorCode:
        """What the user allowed, or an error (§3.5). `InvalidCredentials` for an unknown code."""
        if (digest := self._texts.digest(text)) is None:
            raise InvalidCredentials("not a device code")
        with self._database.reading() as session:  # both as of one moment
            allowed = CodeStore(session).find(digest)
            code = DeviceCodeStore(session).find(digest=digest)
        if (found := allowed or code) is None:
            raise InvalidCredentials("unknown device code")
        if found.client_id != client_id:
            raise InvalidCredentials("device code of another client")
        now = self._clock()
        if allowed is not None and (allowed.used_at is not None or allowed.expires_at > now):
            return allowed
        if code is None or code.expires_at <= now:
            return ErrorCode.EXPIRED_TOKEN
        return self._pending(code)

    def delete_expired(self) -> None:
        self._database.in_batches(
            lambda session: DeviceCodeStore(session).delete_expired(self._clock())
        )

    def _pending(self, code: DeviceCode) -> ErrorCode:
        """A device that asks too often is told so, and to wait longer from then on."""
        if code.answered_at is not None:
            return ErrorCode.ACCESS_DENIED
        now, interval = self._clock(), code.interval
        # A second less: the clocks and networks of devices are not exact.
        pause = timedelta(seconds=interval - 1)
        is_too_early = code.polled_at is not None and now - code.polled_at < pause
        if is_too_early:
            if interval == _MAX_INTERVAL:
                return ErrorCode.SLOW_DOWN  # as before: nothing to write
            interval = min(interval + _MORE_IF_TOO_EARLY, _MAX_INTERVAL)
        with self._database.transaction() as session:
            DeviceCodeStore(session).note_poll(code.digest, now, interval)
        return ErrorCode.SLOW_DOWN if is_too_early else ErrorCode.AUTHORIZATION_PENDING

    def _code(
        self, client: ClientRecord, given: Mapping[str, str], digest: bytes, actor: Actor
    ) -> DeviceCode:
        parameters.require_grant(client, GrantType.DEVICE_CODE)
        audience_id, openid_scopes, scopes = parameters.access(client, given)
        code = DeviceCode(
            digest=digest,
            user_code=b"",
            request_id=self._requests.new_id(),
            client_id=client.client_id,
            audience_id=audience_id,
            scopes=scopes,
            openid_scopes=openid_scopes,
            address=actor.address,
            network=site_of(actor.address or ""),
            expires_at=self._clock() + VALID_FOR,
            interval=INTERVAL,
            dpop_jkt=parameters.dpop_jkt(given),
        )
        try:
            # A bit longer than what is sealed once the user has entered the code.
            device = Device(digest.hex(), "-" * 2 * _CHARACTERS, actor.address)
            self._requests.seal(self._request(code, device))
        except RequestTooLarge:
            raise InvalidParameter("scope", "The parameters are too long.") from None
        return code

    def _request(self, code: DeviceCode, device: Device) -> AuthorizationRequest:
        """The authorization request that the user is asked about (§3.3)."""
        return AuthorizationRequest(
            id=code.request_id,
            client_id=code.client_id,
            redirect_uri=self._page_url,
            audience_id=code.audience_id,
            scopes=code.scopes,
            openid_scopes=code.openid_scopes,
            code_challenge="",
            created_at=self._clock(),
            device=device,
            dpop_jkt=code.dpop_jkt,
        )

    def _require_room(self, store: DeviceCodeStore, code: DeviceCode) -> None:
        asked = (code.client_id, self._clock())
        most, of_network = (*asked, _MAX_OF_CLIENT), (*asked, _MAX_OF_NETWORK, code.network)
        if store.has_waiting(*most) or store.has_waiting(*of_network):
            reason = "too many device codes of the client wait for a user"
            raise TooManyRequests(reason, _RETRY_AFTER)

    def _digest(self, user_code: str) -> bytes:
        return hmac.digest(self._user_code_key, user_code.encode(), "sha256")


def _format(user_code: str) -> str:
    return f"{user_code[:4]}-{user_code[4:]}"
