"""Passkeys (WebAuthn): what browsers are asked, and their answers. Imports the library late."""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from issuer.errors import InvalidCredentials, InvalidField, NotAllowed
from issuer.languages import _
from issuer.settings import is_loopback, origin_of
from issuer.sign_in.challenges import (
    MAX_CREDENTIAL_ID,
    Answer,
    Challenge,
    PasskeyChallenges,
    challenge_in,
    transports_in,
    user_handle_in,
)

_TIMEOUT_MS = 300_000
_MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class StoredPasskey:
    """What is needed to check an answer of a passkey."""

    id: str
    user_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A passkey that a browser has made for the user, and proved that it holds."""

    user_id: str
    credential_id: bytes
    public_key: bytes = field(repr=False)
    sign_count: int
    transports: tuple[str, ...]
    is_synced: bool
    challenge: Challenge

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of authentication that making it has proved (RFC 8176)."""
        return _methods(is_synced=self.is_synced)


@dataclass(frozen=True, slots=True)
class PasskeyProof:
    """An answer that was checked, and the methods of authentication (RFC 8176)."""

    sign_count: int
    methods: tuple[str, ...]
    challenge: Challenge


def why_not_offered(url: str) -> str | None:
    """Why browsers offer no passkeys at this URL; None where they do (WebAuthn §5.1.2, §13.4.9)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return _(
            "Passkeys need a host name, and this issuer is at the address %(host)s.", host=host
        )
    if parts.scheme != "https" and not is_loopback(host):
        return _("Passkeys need https.")
    return None


class Passkeys:
    """Asks for passkeys of one issuer and checks the answers. The relying party is its host."""

    def __init__(self, url: str, challenges: PasskeyChallenges, handle_key: bytes) -> None:
        self.why_not_offered = why_not_offered(url)
        self._host = urlsplit(url).hostname or ""
        self._origin = origin_of(url)
        self._challenges = challenges
        self._handle_key = handle_key

    def registration_options(
        self,
        user_id: str,
        username: str,
        browser: str,
        existing: Iterable[StoredPasskey],
        *,
        must_verify_user: bool,
    ) -> str:
        """JSON for `navigator.credentials.create()`. `must_verify_user`: nothing else signs in."""
        self._require_offered()
        from webauthn import generate_registration_options, options_to_json  # noqa: PLC0415 - 3.7 MB
        from webauthn.helpers import structs  # noqa: PLC0415 - 3.8 MB

        options = generate_registration_options(
            rp_id=self._host,
            rp_name=self._host,
            user_id=self.handle(user_id),
            user_name=username,
            challenge=self._challenges.new(f"register {user_id}", browser),
            timeout=_TIMEOUT_MS,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement(_wish(must_verify_user)),
                user_verification=structs.UserVerificationRequirement(_wish(must_verify_user)),
            ),
            exclude_credentials=_descriptors(existing),
        )
        return options_to_json(options)

    def verify_registration(
        self, answer: Answer, user_id: str, browser: str, *, must_verify_user: bool
    ) -> NewPasskey:
        """The passkey that was made for `registration_options`; `InvalidField` otherwise."""
        self._require_offered()
        from webauthn import verify_registration_response  # noqa: PLC0415 - 3.8 MB

        challenge = challenge_in(answer)
        recognised = self._challenges.recognise(challenge, f"register {user_id}", browser)
        if recognised is None:
            raise InvalidField("passkey", "answers no current request of this browser")
        try:
            verified = verify_registration_response(
                credential=dict(answer),
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                require_user_verification=must_verify_user,
            )
        except Exception as error:  # the library raises more than its own errors
            raise InvalidField("passkey", f"could not be registered: {error}") from None
        if len(verified.credential_id) > MAX_CREDENTIAL_ID:
            raise InvalidField("passkey", "has an id that is too long")
        credential = (verified.credential_id, verified.credential_public_key, verified.sign_count)
        is_synced = verified.credential_device_type == "multi_device"
        return NewPasskey(user_id, *credential, transports_in(answer), is_synced, recognised)

    def authentication_options(
        self, browser: str, allowed: Iterable[StoredPasskey] = (), user_id: str | None = None
    ) -> str:
        """JSON for `navigator.credentials.get()`. Without `user_id` it must verify the user."""
        self._require_offered()
        from webauthn import generate_authentication_options, options_to_json  # noqa: PLC0415 - 3.7 MB
        from webauthn.helpers.structs import UserVerificationRequirement  # noqa: PLC0415 - 3.7 MB

        options = generate_authentication_options(
            rp_id=self._host,
            challenge=self._challenges.new(_signing_in(user_id), browser),
            timeout=_TIMEOUT_MS,
            allow_credentials=_descriptors(allowed),
            user_verification=UserVerificationRequirement(_wish(user_id is None)),
        )
        return options_to_json(options)

    def verify_authentication(
        self, answer: Answer, passkey: StoredPasskey, browser: str, user_id: str | None = None
    ) -> PasskeyProof:
        """What an answer to `authentication_options` proves; `InvalidCredentials` if nothing."""
        self._require_offered()
        from webauthn import verify_authentication_response  # noqa: PLC0415 - 3.7 MB

        challenge = challenge_in(answer)
        recognised = self._challenges.recognise(challenge, _signing_in(user_id), browser)
        if recognised is None:
            raise InvalidCredentials("passkey: not the challenge of this browser", passkey.user_id)
        if user_id is None and user_handle_in(answer) != self.handle(passkey.user_id):
            raise InvalidCredentials("passkey: of another user", passkey.user_id)
        try:
            verified = verify_authentication_response(
                credential=dict(answer),
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=user_id is None,
            )
        except Exception as error:  # the library raises more than its own errors
            reason = f"passkey: {error}"[:_MAX_REASON]  # it may quote the answer
            raise InvalidCredentials(reason, passkey.user_id) from None
        methods = _methods(is_synced=verified.credential_device_type == "multi_device")
        return PasskeyProof(verified.new_sign_count, methods, recognised)

    def handle(self, user_id: str) -> bytes:
        """The user handle: opaque, since authenticators may show it (WebAuthn §14.6.1)."""
        return hmac.digest(self._handle_key, user_id.encode(), hashlib.sha256)

    def _require_offered(self) -> None:
        if self.why_not_offered is not None:
            raise NotAllowed(self.why_not_offered)


def _methods(*, is_synced: bool) -> tuple[str, ...]:
    # `mfa`: the other factor is the password, or what verified the user.
    return ("swk" if is_synced else "hwk", "mfa")


def _signing_in(user_id: str | None) -> str:
    return "sign in" if user_id is None else f"second factor {user_id}"


def _wish(is_required: bool) -> str:
    return "required" if is_required else "preferred"


def _descriptors(passkeys: Iterable[StoredPasskey]) -> list[Any]:
    from webauthn.helpers import structs  # noqa: PLC0415 - 3.7 MB

    descriptor, way = structs.PublicKeyCredentialDescriptor, structs.AuthenticatorTransport
    return [descriptor(id=e.credential_id, transports=[*map(way, e.transports)]) for e in passkeys]
