"""Grants (RFC 6749 §1.3): one file a grant, one line in `GRANTS`."""

from issuer.oauth.grants.client_credentials import ClientCredentials
from issuer.oauth.grants.grant import Grant
from issuer.oauth.grants.password import Password
from issuer.settings import Settings

GRANTS: list[type[Grant]] = [ClientCredentials, Password]


def enabled_grants(settings: Settings) -> list[type[Grant]]:
    """The grants this issuer offers; the password grant can be turned off altogether."""
    return [grant for grant in GRANTS if grant is not Password or settings.password_grant]


__all__ = ["Grant", "enabled_grants"]
