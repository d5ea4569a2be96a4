"""The destination that the settings name."""

import hashlib
import ssl
from urllib.parse import urlsplit

from issuer.audit.push.destination import Destination
from issuer.certificates import accepted_certificates
from issuer.settings import Settings

_PORTS = {"https": 443, "http": 80, "syslog+tls": 6514, "syslog": 601}


def build_destination(settings: Settings) -> Destination:
    """The one at `ISSUER_AUDIT_PUSH_URL`; `ConfigurationError` for an unusable certificate."""
    assert settings.audit_push_url is not None
    url = settings.audit_push_url.get_secret_value()
    parts = urlsplit(url)
    assert parts.hostname is not None  # the settings are checked
    port = parts.port or _PORTS[parts.scheme]
    name = f"{parts.scheme}://{parts.hostname}:{port}"
    # The path of a URL may be a secret, and is not stored.
    key = f"{name[:200]}#{hashlib.sha256(url.encode()).hexdigest()[:16]}"
    is_plain = parts.scheme in {"http", "syslog"}
    authorities = settings.audit_push_ca
    certificates = None if is_plain else accepted_certificates(authorities, "ISSUER_AUDIT_PUSH_CA")
    # Imported here: only one of them needs httpx.
    if parts.scheme in {"syslog", "syslog+tls"}:
        from issuer.audit.push.syslog_destination import SyslogDestination  # noqa: PLC0415

        origin = urlsplit(settings.url).hostname or "-"
        return SyslogDestination((parts.hostname, port), name, key, origin, certificates)
    from issuer.audit.push.http_destination import HttpDestination  # noqa: PLC0415

    token = settings.audit_push_token
    secret = token.get_secret_value() if token else None
    return HttpDestination(url, name, key, secret, certificates or ssl.create_default_context())
