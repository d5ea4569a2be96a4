"""Grants (RFC 6749 §1.3): one file per grant, one line in `build_grants`."""

from issuer.composition import ProtocolParts
from issuer.oauth.grants.authorization_code import CodeGrant
from issuer.oauth.grants.client_credentials import ClientCredentials
from issuer.oauth.grants.device_code import DeviceCodeGrant
from issuer.oauth.grants.grant import Grant, Granted
from issuer.oauth.grants.jwt_bearer import JwtBearer
from issuer.oauth.grants.password import Password, presented_username
from issuer.oauth.grants.refresh_token import RefreshToken
from issuer.oauth.grants.token_exchange import TokenExchange
from issuer.vocabulary import GrantType


def build_grants(parts: ProtocolParts) -> dict[str, Grant]:
    """The grants that this issuer offers, by `grant_type`."""
    tokens, settings, people = parts.tokens, parts.settings, parts.people
    directory, refresh_tokens = tokens.directory, tokens.refresh_tokens
    codes = (directory, settings.url, people.codes, refresh_tokens)
    grants: list[Grant] = [
        ClientCredentials(),
        CodeGrant(*codes),
        DeviceCodeGrant(*codes, people.device_codes),
        Password(parts.sign_in, tokens.changes, refresh_tokens),
        RefreshToken(
            directory,
            settings.url,
            refresh_tokens,
            is_password_enough=settings.users_sign_in_with_password,
        ),
        TokenExchange(tokens.any_reader, tokens.exchanges, people.id_jags),
        JwtBearer(
            lambda: tokens.id_jags,
            tokens.directory,
            parts.administration,
            people.sessions.only_way_of,
            is_second_factor_required=settings.second_factor == "required",
        ),
    ]
    left_out = set() if settings.password_grant else {GrantType.PASSWORD}
    return {each.grant_type.value: each for each in grants if each.grant_type not in left_out}


__all__ = ["Grant", "Granted", "build_grants", "presented_username"]
