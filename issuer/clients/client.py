"""The models of a client and its secrets."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from issuer.clients.act_rules import (
    ACT_RULE_TEXT,
    EXTERNAL_RESOURCE_TEXT,
    ActRule,
    ActRules,
    ExternalResources,
)
from issuer.clients.trust import Trusts
from issuer.federation import FetchRefused
from issuer.federation.fetching import require_https
from issuer.fields.fields import (
    AuthenticationMethod,
    CustomClaims,
    Fields,
    GrantTypes,
    Label,
    RightsOfUsers,
    Scopes,
    Version,
)
from issuer.fields.ids import AudienceId
from issuer.fields.text import with_counts
from issuer.fields.times import End, Instant, Lifetime, has_ended
from issuer.fields.urls import ClientId, RedirectUris
from issuer.resources.resource_type import (
    CLAIMS,
    DISABLED,
    LIFETIME,
    NAME,
    SCOPES,
    Control,
    ListedMembers,
    Member,
    ResourceType,
)
from issuer.vocabulary import (
    GRANTS_OF_PUBLIC_CLIENTS,
    AuthMethod,
    GrantType,
    RegisteredBy,
    UserRights,
)

MAX_KEYS = 10
_URI = re.compile(r"[!-~]{1,1024}")
_SCHEMA = {
    "type": "object",
    "description": "A JWK Set (RFC 7517 §5) with 1 to 10 public keys.",
    "required": ["keys"],
    "properties": {
        "keys": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_KEYS,
            "items": {"type": "object", "required": ["kty"]},
        }
    },
}
MAX_AUDIENCES = 100
_REDIRECT_URIS = Member(
    label="Redirect URIs",
    help="Where people return after they signed in. Repeatable.",
    hint="One a line",
    control=Control.LINES,
    option="--redirect-uri",
    metavar="URI",
)


def _jwks(document: dict[str, Any]) -> dict[str, Any]:
    """The set with nothing but the members that count; each key with its `kid` and `alg`."""
    from issuer.federation.public_keys import ALGORITHMS, accept_jwks  # noqa: PLC0415 - 7.6 MB

    keys = document.get("keys")
    if not isinstance(keys, list) or not 1 <= len(keys) <= MAX_KEYS:
        raise ValueError(f"must be a JWK Set: an object with a list of 1 to {MAX_KEYS} keys")
    return {"keys": accept_jwks(keys, ALGORITHMS)}


def _https_uri(text: str) -> str:
    try:
        require_https(text)
    except FetchRefused as error:
        raise ValueError(str(error).removesuffix(".")) from None
    if not _URI.fullmatch(text):
        raise ValueError("must be a URL of at most 1024 ASCII characters")
    return text


Jwks = Annotated[dict[str, Any], AfterValidator(_jwks), WithJsonSchema(_SCHEMA)]
HttpsUri = Annotated[str, AfterValidator(_https_uri)]


def _grants_in_words() -> str:
    """The grant types on short lines: the beginning that the URNs share stands there once."""
    urns = [each for each in GrantType if each.short != each.value]
    names = [each.value for each in GrantType if each not in urns]
    beginning = urns[0].value.removesuffix(urns[0].short)
    ends = ", ".join(each.short for each in urns)
    return f"{', '.join(names)}, or after {beginning} one of {ends}"


class ClientFields(Fields):
    """The members of a client that an operator sets. Without `client_id`, one is generated.

    `first_party` skips the consent page, except for redirects that any program on the user's
    machine could receive (RFC 8252 §8.6) and for tokens for the issuer itself.
    """

    client_id: Annotated[
        ClientId | None,
        Member(
            label="Id",
            help="Its id; generated if left out.",
            hint="Such as ci-bot; generated if left out. It cannot be changed.",
        ),
    ] = None
    name: Annotated[Label, NAME] = ""
    grant_types: Annotated[
        GrantTypes,
        Member(
            label="Grant types",
            help=f"Grant types that it may use: {_grants_in_words()}. Repeatable.",
            control=Control.CHOICES,
            values=GrantType,
            option="--grant-type",
            metavar="GRANT",
        ),
    ] = [GrantType.CLIENT_CREDENTIALS]
    scopes: Annotated[
        Scopes,
        replace(
            SCOPES,
            label="Scopes of its own",
            hint="Besides those of its roles, at each audience; one a line",
        ),
    ] = []
    scopes_expire_at: Annotated[
        dict[str, End],
        Field(description="When those of its scopes end that do not last."),
        Member(
            label="Ends of its scopes",
            help="When scopes of its own end, as an object from scope to time, or @FILE. An update"
            " merges them; null for one that lasts.",
            hint='A JSON object from scope to time, such as {"agents:run": "2027-03-01T00:00:00Z"};'
            " others last",
            control=Control.JSON,
            metavar="JSON",
        ),
    ] = {}
    audiences: Annotated[
        list[AudienceId],
        Field(max_length=MAX_AUDIENCES),
        Member(
            label="Audiences",
            help="An audience it may request tokens for. Repeatable; '' for none.",
            hint="One a line",
            control=Control.LINES,
            option="--audience",
            metavar="ID",
            names="audience",
        ),
    ] = []
    access_token_ttl: Annotated[
        Lifetime | None,
        replace(LIFETIME, hint="60s to 24h, such as 900s or 15m; that of the audience if left out"),
    ] = None
    claims: Annotated[CustomClaims, CLAIMS] = {}
    may_set_session: Annotated[
        bool,
        Member(
            label="It may set session_id in its tokens",
            help="Whether it may bind a token to a session_id.",
            control=Control.SWITCH,
            option="--may-set-session/--no-session",
        ),
    ] = False
    dpop_bound_access_tokens: Annotated[
        bool,
        Member(
            label="Its tokens are bound to a key (DPoP)",
            help="Whether it gets no token without a proof of possession (RFC 9449).",
            control=Control.SWITCH,
            option="--dpop-bound/--no-dpop-bound",
        ),
    ] = False
    token_endpoint_auth_method: Annotated[
        AuthenticationMethod,
        Member(
            label="Authentication",
            help=f"How it authenticates: {', '.join(AuthMethod)}.",
            control=Control.CHOICE,
            values=AuthMethod,
            option="--auth-method",
            metavar="METHOD",
        ),
    ] = AuthMethod.CLIENT_SECRET_BASIC
    jwks: Annotated[
        Jwks | None,
        Member(
            label="Public keys",
            help="Its public keys: a JWK Set (RFC 7517), or @FILE; '' for none.",
            hint="A JWK Set with at most 10 public keys; with it, assertions are accepted in place"
            " of a secret",
            control=Control.JSON,
            metavar="JSON",
        ),
    ] = None
    jwks_uri: Annotated[
        HttpsUri | None,
        Member(
            label="URL of its public keys",
            help="Where it publishes its public keys, instead of --jwks; '' for none.",
            hint="Instead of public keys: where it publishes them, by https",
            metavar="URL",
        ),
    ] = None
    trusts: Trusts = []
    redirect_uris: Annotated[RedirectUris, Field(validate_default=True), _REDIRECT_URIS] = []
    post_logout_redirect_uris: Annotated[
        RedirectUris,
        replace(
            _REDIRECT_URIS,
            label="Redirect URIs after sign-out",
            help="Where people return after they signed out. Repeatable.",
            option="--post-logout-redirect-uri",
        ),
    ] = []
    require_pushed_authorization_requests: Annotated[
        bool,
        Member(
            label="It must push its authorization requests (RFC 9126)",
            help="Whether a browser must come with a request_uri that it got at /oauth2/par.",
            control=Control.SWITCH,
            option="--require-par/--no-require-par",
        ),
    ] = False
    require_pkce: Annotated[
        bool,
        Member(
            label="It must use PKCE",
            help="Whether its codes need PKCE. Without it, a client with credentials must send a"
            " nonce and the scope openid.",
            control=Control.SWITCH,
            option="--require-pkce/--no-require-pkce",
        ),
    ] = True
    backchannel_logout_uri: Annotated[
        HttpsUri | None,
        Member(
            label="URL to tell of ended sessions",
            help="Where it is told that a session of a person ended (OpenID Connect Back-Channel"
            " Logout); '' for none.",
            hint="By https, at a public address: it gets a logout token there when somebody who"
            " signed in through it signs out",
            option="--backchannel-logout-uri",
            metavar="URL",
        ),
    ] = None
    backchannel_logout_session_required: Annotated[
        bool,
        Member(
            label="It must be told which session ended",
            help="Whether it must be told which session ended. It always is: logout tokens have sub"
            " and sid.",
            control=Control.SWITCH,
            option="--logout-session-required/--no-logout-session",
        ),
    ] = False
    first_party: Annotated[
        bool,
        Member(
            label="First party: people are not asked to allow it",
            help="Whether people are not asked to allow it.",
            control=Control.SWITCH,
            option="--first-party/--third-party",
        ),
    ] = False
    user_rights: Annotated[
        RightsOfUsers,
        Member(
            label="Rights of people who sign in through it",
            help="Of people who sign in through it: own, what they and the client both hold; or all"
            " that they hold.",
            control=Control.CHOICE,
            values=UserRights,
            metavar="RIGHTS",
        ),
    ] = UserRights.OWN
    may_act: Annotated[
        ActRules,
        Member(
            label="Acts for people",
            help="From which audience to which it may exchange the tokens of people. Repeatable; ''"
            " for none.",
            hint="Such as support=archive: with a person's token for support, it may get one for"
            " archive; one a line",
            control=Control.LINES,
            option="--may-act",
            metavar="FROM=TO",
            item=ACT_RULE_TEXT,
        ),
    ] = []
    external_audiences: Annotated[
        ExternalResources,
        Member(
            label="Acts for people at other authorization servers",
            help="A resource of another authorization server, for which it may get ID-JAGs: an"
            " object with issuer, resource, client_id and scopes. Repeatable; '' for none.",
            hint="JSON objects with issuer, resource, client_id and scopes; one a line",
            control=Control.LINES,
            option="--external-audience",
            metavar="JSON",
            item=EXTERNAL_RESOURCE_TEXT,
        ),
    ] = []
    disabled: Annotated[bool, DISABLED] = False

    def patched(self, patch: Mapping[str, object]) -> Self:
        """The fields with the patch; scopes that it removes have no end any more."""
        scopes = patch.get("scopes", self.scopes) or []  # null removes all
        ends = patch.get("scopes_expire_at", {})
        if isinstance(scopes, list) and isinstance(ends, Mapping):
            gone = {each: None for each in self.scopes_expire_at if each not in scopes}
            patch = {**patch, "scopes_expire_at": {**gone, **ends}}
        return super().patched(patch)

    @field_validator("scopes_expire_at")
    @classmethod
    def _are_of_its_scopes(
        cls, ends: dict[str, datetime], info: ValidationInfo
    ) -> dict[str, datetime]:
        scopes = info.data.get("scopes")  # missing if they are wrong themselves
        for scope in ends:
            if scopes is not None and scope not in scopes:
                raise ValueError(f"{scope} is not among the client's scopes")
        return ends

    @field_validator("token_endpoint_auth_method")
    @classmethod
    def _fits_the_grants(cls, method: AuthMethod, info: ValidationInfo) -> AuthMethod:
        public = method is AuthMethod.NONE
        if public and not GRANTS_OF_PUBLIC_CLIENTS.issuperset(_grants(info)):
            raise ValueError(
                "none is for clients whose grant types are authorization_code, device_code and"
                " refresh_token"
            )
        return method

    @field_validator("jwks", "jwks_uri", "trusts", "may_act", "external_audiences")
    @classmethod
    def _fit_the_method(cls, keys: object, info: ValidationInfo) -> object:
        if keys and info.data.get("token_endpoint_auth_method") is AuthMethod.NONE:
            raise ValueError("is for clients that authenticate")
        if isinstance(keys, str) and info.data.get("jwks") is not None:
            raise ValueError("cannot be set beside jwks")
        return keys

    @field_validator("redirect_uris")
    @classmethod
    def _suffice_for_the_grants(cls, uris: list[str], info: ValidationInfo) -> list[str]:
        if not uris and GrantType.AUTHORIZATION_CODE in _grants(info):
            raise ValueError("must name one for the grant type authorization_code")
        return uris

    @field_validator("require_pkce")
    @classmethod
    def _is_required_of_public_clients(cls, required: bool, info: ValidationInfo) -> bool:
        if not required and info.data.get("token_endpoint_auth_method") is AuthMethod.NONE:
            raise ValueError("must be true for clients without credentials")
        return required

    @field_validator("may_act")
    @classmethod
    def _ends_at_own_audiences(cls, rules: list[ActRule], info: ValidationInfo) -> list[ActRule]:
        own = info.data.get("audiences")
        for rule in rules:
            if own is not None and rule.to_audience not in own:
                raise ValueError(f"{rule.to_audience} is not among the client's audiences")
        return rules

    @property
    def has_keys(self) -> bool:
        """Whether it may authenticate by an assertion of its own."""
        return self.jwks is not None or self.jwks_uri is not None

    @property
    def needs_secret(self) -> bool:
        """Whether it can authenticate by nothing but a secret."""
        by_secret = self.token_endpoint_auth_method.has_secret
        return by_secret and not self.has_keys and not self.trusts

    @property
    def can_authenticate(self) -> bool:
        """Whether it has, or may have, what its method of authentication needs."""
        method = self.token_endpoint_auth_method
        return self.has_keys or method is not AuthMethod.PRIVATE_KEY_JWT


def _grants(info: ValidationInfo) -> list[GrantType]:
    """The grant types, which are validated before; none if they are not valid."""
    grants: list[GrantType] = info.data.get("grant_types", [])
    return grants


class Client(ClientFields):
    """A stored client."""

    client_id: ClientId
    registered_by: RegisteredBy
    created_at: datetime
    updated_at: datetime
    version: Version


class NewClient(Client):
    """A new client with its first secret, which is not shown again."""

    client_secret: Annotated[str, Field(repr=False)]


class ListedClient(Client):
    """A client in a list: with the names of its roles, and when a secret of it was last used."""

    roles: list[str] = []
    last_used_at: datetime | None = None


def _in_list(work: Any, clients: Sequence[Client]) -> Iterator[dict[str, object]]:
    ids = [client.client_id for client in clients]
    roles, last_uses = work.assignments.role_names_of_all(ids), work.clients.last_uses(ids)
    for each in ids:
        yield {"roles": roles[each], "last_used_at": last_uses.get(each)}


BACKCHANNEL_LOGOUT = ("backchannel_logout_uri", "backchannel_logout_session_required")
REQUIREMENTS = ("dpop_bound_access_tokens", "require_pushed_authorization_requests")
# What a client that registers itself says about itself; `client_metadata.py` reads it (RFC 7591).
SELF_DESCRIBED = (
    *("name", "grant_types", "token_endpoint_auth_method", "jwks", "jwks_uri"),
    *("redirect_uris", "post_logout_redirect_uris"),
    *REQUIREMENTS,
    *BACKCHANNEL_LOGOUT,
)
CLIENT = ResourceType(
    "client",
    "clients",
    key="client_id",
    fields=ClientFields,
    model=Client,
    created=NewClient,
    gives_rights=True,
    deleted_with=lambda work, client: with_counts(
        {
            "secret": len(work.clients.secrets(client.client_id)),
            "assigned role": len(work.assignments.of(client.client_id)),
        }
    ),
    listing=ListedMembers(ListedClient, _in_list),
)


class SecretState(StrEnum):
    ACTIVE = "active"
    NEVER_USED = "never used"
    EXPIRED = "expired"


class SecretFields(Fields):
    """The members of a secret that an operator sets when creating it.

    Without `expires_at` it has the lifetime that the settings say; with null it does not expire.
    """

    label: Annotated[
        Label,
        Member(
            label="Label", help="Where it will be used.", hint="Where it is used, such as github"
        ),
    ] = ""
    expires_at: Annotated[
        Instant | None,
        Member(
            label="Expires",
            help="When it expires, such as 2027-06-30 (UTC) or 90d (from now), or never. Default:"
            " ISSUER_CLIENT_SECRET_TTL.",
            hint="At the beginning of that day, UTC",
            control=Control.END,
            metavar="TIME",
        ),
    ] = None


class ClientSecret(SecretFields):
    """A stored secret: its metadata, never the secret."""

    id: str
    created_at: datetime
    last_used_at: datetime | None
    last_used_address: str | None

    def state_at(self, now: datetime) -> SecretState:
        """Whether it is accepted at `now`, and has been used. Stored uses lag by some seconds."""
        if has_ended(self.expires_at, now):
            return SecretState.EXPIRED
        return SecretState.NEVER_USED if self.last_used_at is None else SecretState.ACTIVE


class NewSecret(ClientSecret):
    """A new secret. It is not shown again."""

    client_secret: Annotated[str, Field(repr=False)]
