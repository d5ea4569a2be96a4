"""Grants (RFC 6749 §1.3): one file per grant, one line in `GRANTS`."""

from issuer.oauth.grants.authorization_code import CodeGrant
from issuer.oauth.grants.client_credentials import ClientCredentials
from issuer.oauth.grants.grant import Grant, Granted
from issuer.oauth.grants.password import Password, presented_username
from issuer.oauth.grants.refresh_token import RefreshToken
from issuer.settings import Settings

GRANTS: list[type[Grant]] = [ClientCredentials, CodeGrant, Password, RefreshToken]


def enabled_grants(settings: Settings) -> list[type[Grant]]:
    """The grants this issuer offers."""
    return [grant for grant in GRANTS if settings.password_grant or grant is not Password]


__all__ = ["Grant", "Granted", "enabled_grants", "presented_username"]
