"""Which certificates of other servers are accepted."""

import ssl
from pathlib import Path

from issuer.errors import ConfigurationError


def accepted_certificates(authorities: Path | None, setting: str) -> ssl.SSLContext:
    """A TLS context that trusts the CA bundle `authorities`, or the public CAs if it is None.

    `ConfigurationError`, which names the `setting`, for a file without certificates in PEM.
    """
    if authorities is None:
        from httpx import create_ssl_context  # noqa: PLC0415 - 5.3 MB

        return create_ssl_context()
    try:
        return ssl.create_default_context(cafile=authorities)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or error
        raise ConfigurationError(
            f"{setting}: {authorities} has no certificates in PEM: {reason}."
        ) from None
