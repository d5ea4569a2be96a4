"""Grants (RFC 6749 §1.3): one file per grant, one line in `GRANTS`."""

from issuer.oauth.grants.client_credentials import ClientCredentials
from issuer.oauth.grants.grant import Grant, Granted
from issuer.oauth.grants.password import Password
from issuer.oauth.grants.refresh_token import RefreshToken
from issuer.settings import Settings

GRANTS: list[type[Grant]] = [ClientCredentials, Password, RefreshToken]


def enabled_grants(settings: Settings) -> list[type[Grant]]:
    """The grants this issuer offers.

    Without the password grant there is no refresh token grant: refresh tokens begin with it.
    """
    off: set[type[Grant]] = set() if settings.password_grant else {Password, RefreshToken}
    return [grant for grant in GRANTS if grant not in off]


__all__ = ["Grant", "Granted", "enabled_grants"]
