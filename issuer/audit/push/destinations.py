"""The destination that the settings name."""

import hashlib
import ssl
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from issuer.audit.push.destination import Destination
from issuer.errors import ConfigurationError
from issuer.settings import Settings

_PORTS = {"https": 443, "http": 80, "syslog+tls": 6514, "syslog": 601}


def build_destination(settings: Settings) -> Destination | None:
    """The destination, or None without one; `ConfigurationError` for an unusable certificate."""
    if settings.audit_push_url is None:
        return None
    url = settings.audit_push_url.get_secret_value()
    parts = urlsplit(url)
    assert parts.hostname is not None  # the settings are checked
    port = parts.port or _PORTS[parts.scheme]
    name = f"{parts.scheme}://{parts.hostname}:{port}"
    # The path of a URL may be a secret, and is not stored.
    key = f"{name[:200]}#{hashlib.sha256(url.encode()).hexdigest()[:16]}"
    certificates = _certificates(parts, settings.audit_push_ca)
    # Imported here: most issuers push nowhere.
    if parts.scheme in {"syslog", "syslog+tls"}:
        from issuer.audit.push.syslog_destination import SyslogDestination  # noqa: PLC0415

        origin = urlsplit(settings.url).hostname or "-"
        return SyslogDestination((parts.hostname, port), name, key, origin, certificates)
    from issuer.audit.push.http_destination import HttpDestination  # noqa: PLC0415

    token = settings.audit_push_token
    secret = token.get_secret_value() if token else None
    return HttpDestination(url, name, key, secret, certificates or ssl.create_default_context())


def _certificates(parts: SplitResult, authority: Path | None) -> ssl.SSLContext | None:
    """What certificates are accepted; None without TLS."""
    if parts.scheme in {"http", "syslog"}:
        return None
    if authority is None:
        from httpx import create_ssl_context  # noqa: PLC0415 - the authorities of all fetches

        return create_ssl_context()
    try:
        return ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or error
        raise ConfigurationError(
            f"ISSUER_AUDIT_PUSH_CA: {authority} has no certificates in PEM: {reason}."
        ) from None
