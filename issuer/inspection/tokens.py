"""The tokens of an inspection. They live for a minute, and none can change anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

import jwt

from issuer.directory import AudienceRecord, ClientRecord, Rights
from issuer.tokens.authorization import Authorization
from issuer.tokens.issuing import AccessToken, Signer, TokenIssuer
from issuer.vocabulary import INSPECTOR, SHORTEST_TOKEN, AuthMethod, RegisteredBy, UserRights

_RESOURCES = ("agents", "teams", "workflows", "config")
INSPECTOR_SCOPES = frozenset(f"{resource}:read" for resource in _RESOURCES)
_ACCOUNT_SCOPES = frozenset({"service_accounts:read"})
_NO_AUDIENCE = "issuer:inspector:no-audience"


class TokenKind(StrEnum):
    """What a request presents, in words."""

    NONE = "without a token"
    INSPECTOR = f"as {INSPECTOR}"
    SERVICE_ACCOUNTS = f"as {INSPECTOR} with service_accounts:read alone"
    NO_RIGHTS = "with a token without scopes"
    OTHER_AUDIENCE = "with a token for another audience"
    FORGED = "with a forged token"
    DEVELOPMENT = "with a token signed by the secret of an example"
    OTHER_DEVELOPMENT = "with a token signed by the secret of another example"


# Of the examples in agno's documentation and source.
_DEVELOPMENT_SECRETS = {
    TokenKind.DEVELOPMENT: "your-secret-key-at-least-256-bits-long",
    TokenKind.OTHER_DEVELOPMENT: "dev-secret-at-least-256-bits-long-xxxxxxxxxxxxxxxx",
}


@dataclass(frozen=True)
class InspectionTokens:
    """`issued` are the valid ones, for the audit log; `texts` all that are sent."""

    issued: tuple[AccessToken, ...]
    texts: Mapping[TokenKind, str] = field(repr=False)

    @classmethod
    def issue(
        cls, issuer: TokenIssuer, sign: Signer, audience: AudienceRecord, now: datetime
    ) -> "InspectionTokens":
        """Only those of the inspector have scopes: to read names and the configuration, and a
        token for the list of service accounts alone.
        """
        may_read = _authorization(audience)
        nothing = replace(may_read, scopes=frozenset())
        elsewhere = replace(nothing, audience=replace(audience, id=_NO_AUDIENCE))
        issued = {
            kind: issuer.issue_signed_by(sign, each, SHORTEST_TOKEN, now)
            for kind, each in (
                (TokenKind.INSPECTOR, may_read),
                (TokenKind.SERVICE_ACCOUNTS, replace(may_read, scopes=_ACCOUNT_SCOPES)),
                (TokenKind.NO_RIGHTS, nothing),
                (TokenKind.OTHER_AUDIENCE, elsewhere),
            )
        }
        texts = {kind: each.token for kind, each in issued.items()}
        claimed, signature = (
            texts[kind].rpartition(".") for kind in (TokenKind.INSPECTOR, TokenKind.NO_RIGHTS)
        )
        texts[TokenKind.FORGED] = f"{claimed[0]}.{signature[2]}"
        for kind, secret in _DEVELOPMENT_SECRETS.items():
            texts[kind] = _hs256(audience.id, now, secret)
        return cls(tuple(issued.values()), texts)


def _authorization(audience: AudienceRecord) -> Authorization:
    """An authorization of the inspector, which exists in its tokens only: no client is one."""
    client = ClientRecord(
        client_id=INSPECTOR,
        token_endpoint_auth_method=AuthMethod.NONE,
        grant_types=frozenset(),
        audiences={},
        user_rights=UserRights.OWN,
        registered_by=RegisteredBy.ADMIN,
    )
    return Authorization(INSPECTOR, client, audience, INSPECTOR_SCOPES, Rights(frozenset(), ()))


def _hs256(audience_id: str, now: datetime, secret: str) -> str:
    """A JWT without scopes, as everybody who knows the secret can make it."""
    starts, ends = int(now.timestamp()), int((now + SHORTEST_TOKEN).timestamp())
    claims = {"sub": INSPECTOR, "aud": audience_id, "iat": starts, "exp": ends, "scopes": []}
    return jwt.encode(claims, secret, "HS256")
