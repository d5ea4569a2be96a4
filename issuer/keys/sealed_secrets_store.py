"""Secrets of the issuer itself in SQL. They show which master key the database is sealed under."""

import hmac
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from issuer.database.deployment import NOT_INITIALISED
from issuer.database.tables import SealedSecretRow
from issuer.errors import ConfigurationError
from issuer.keys.sealing import Sealer, master_key_id

CLIENT_SECRETS = "client-secrets"
# Derived from that.
AUDIT_CHAINS = "audit-chains"
AUTHORIZATION_CODES = "authorization-codes"
AUTHORIZATION_REQUESTS = "authorization-requests"
DEVICE_CODES = "device-codes"
USER_CODES = "user-codes"
DPOP_NONCES = "dpop-nonces"
LOGOUT_REQUESTS = "logout-requests"
PROVIDER_REQUESTS = "provider-requests"
PROVIDER_SIGN_OUTS = "provider-sign-outs"
PUSHED_REQUESTS = "pushed-requests"
REFRESH_TOKENS = "refresh-tokens"
SESSIONS = "sessions"
SIGN_IN_ATTEMPTS = "sign-in-attempts"
TOTP_SECRETS = "totp-secrets"
PROVIDER_SECRETS = "provider-secrets"
RECOVERY_CODES = "recovery-codes"
PASSKEY_CHALLENGES = "passkey-challenges"
PASSKEY_HANDLES = "passkey-handles"
INVITATIONS = "invitations"
PASSWORD_RESETS = "password-resets"  # noqa: S105 - the name of a purpose
EMAIL_CHANGES = "email-changes"
MAIL_COUNTS = "mail-counts"
ANTI_FORGERY = "anti-forgery"
CONSOLE_NOTICES = "console-notices"
CONSOLE_KEPT_FORMS = "console-kept-forms"
_BYTES = 32


def ensure(session: Session, sealer: Sealer, random_bytes: Callable[[int], bytes]) -> None:
    """Create the issuer's secrets that do not exist yet."""
    if is_kept(session, CLIENT_SECRETS):
        return
    sealed = sealer.seal(random_bytes(_BYTES), CLIENT_SECRETS, sealer.newest)
    session.add(SealedSecretRow(name=CLIENT_SECRETS, sealed=sealed))
    session.flush()


def is_kept(session: Session, name: str) -> bool:
    """Whether the secret called `name` exists."""
    return session.get(SealedSecretRow, name) is not None


def open_secret(session: Session, sealer: Sealer, name: str) -> bytes:
    """The secret called `name`; `ConfigurationError` under a wrong master key or before `init`."""
    return sealer.open(_row(session, name).sealed, name)


def derive(secret: bytes, purpose: str) -> bytes:
    """A key for that purpose alone, which reveals nothing of `secret` (RFC 5869 §2.3)."""
    return hmac.digest(secret, purpose.encode() + b"\x01", "sha256")


def current_mark(session: Session) -> bytes:
    """The mark of the master key that everything is sealed under."""
    return master_key_id(_row(session, CLIENT_SECRETS).sealed)


def rewrap(session: Session, sealer: Sealer) -> None:
    """Rewrap every secret of the issuer under the first master key."""
    for row in session.scalars(select(SealedSecretRow)):
        row.sealed = sealer.rewrap(row.sealed, row.name)


def _row(session: Session, name: str) -> SealedSecretRow:
    row = session.get(SealedSecretRow, name)
    if row is None:
        raise ConfigurationError(f"The database is not initialised: {NOT_INITIALISED}")
    return row
