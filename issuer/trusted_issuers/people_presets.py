"""Trusted issuers where people sign in, as well-known providers are: exact values."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from issuer.errors import InvalidField
from issuer.federation import github

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")
_NAME = re.compile(r"[A-Za-z0-9-]{1,39}")
# What documentation and mail have where a value of one's own belongs.
_PLACEHOLDER = re.compile(
    r"<[\w .-]+>|\{[\w .-]+\}|\[[\w .-]+\]|(?<![a-z0-9])(your|example|placeholder|change-?me|x{3,})"
    r"(?![a-z0-9])|^(tenant|domain|organisation|client[-_ ]?(id|secret))$|^0{8}-0{4}",
    re.IGNORECASE,
)
_IN_CAPITALS = re.compile(r"\b(HOST|REALM|TENANT|DOMAIN|APPLICATION|ORGANISATION)\b")


@dataclass(frozen=True)
class PeoplePreset:
    """The `iss`, and members of `sign_in`."""

    issuer: str
    sign_in: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WellKnownProvider:
    """A well-known provider. `metavar` is what tells its customers apart; `help` says more.

    A form asks for the customer with `label` and `hint`. `issuer` has it for `{}`, `customer_claim`
    must have it. `read` checks one.
    """

    metavar: str
    help: str
    read: Callable[[str], str]
    label: str = ""
    hint: str = ""
    issuer: str = "{}"
    sign_in: Mapping[str, Any] = field(default_factory=dict)
    customer_claim: str | None = None

    def of(self, customer: str) -> PeoplePreset:
        """The preset for a customer. No check: a person still has to complete `metavar`."""
        required = {self.customer_claim: customer} if self.customer_claim else {}
        more = {"required_claims": required} if required else {}
        return PeoplePreset(self.issuer.format(customer), {**self.sign_in, **more})


def preset(given: Mapping[str, str | None]) -> PeoplePreset | None:
    """The preset of the provider that is named, if one is; `InvalidField` names what is wrong."""
    named = [name for name in PROVIDERS if given.get(name) is not None]
    if not named:
        return None
    if len(named) > 1:
        raise InvalidField(named[1], f"name one of {', '.join(PROVIDERS)}")
    provider = PROVIDERS[named[0]]
    return provider.of(provider.read(str(given[named[0]])))


def require_no_placeholder(**typed: str) -> None:
    """`InvalidField` for the first text that stands for a value of one's own, and is none."""
    for name, text in typed.items():
        if _PLACEHOLDER.search(text) or _IN_CAPITALS.search(text):
            raise InvalidField(name, "is a placeholder: put the value of your own provider here")


def _keycloak(url: str) -> str:
    if "/realms/" not in url:
        raise InvalidField("keycloak", "must be the URL of a realm: https://HOST/realms/REALM")
    return url.rstrip("/")


def _authentik(url: str) -> str:
    """The `iss` of an application of Authentik, which ends with a slash."""
    if "/application/o/" not in url:
        raise InvalidField("authentik", "must be like https://HOST/application/o/APPLICATION/")
    return f"{url.rstrip('/')}/"


def _like(pattern: re.Pattern[str], name: str, form: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise InvalidField(name, f"must be {form}")
        return text

    return read


_tenant = _like(_GUID, "entra", "the id of a tenant, not its domain")
PROVIDERS = {
    "entra": WellKnownProvider(
        "TENANT",
        "People of a tenant of Microsoft Entra.",
        lambda tenant: _tenant(tenant.lower()),
        "Id of the tenant",
        "Directory (tenant) ID, on the overview of the application",
        "https://login.microsoftonline.com/{}/v2.0",
        {"groups_claim": "groups"},
        customer_claim="tid",  # accounts of other tenants have another
    ),
    "okta": WellKnownProvider(
        "DOMAIN",
        "People of an organisation at Okta.",
        _like(_HOST, "okta", "a domain, such as acme.okta.com"),
        "Domain",
        "Such as acme.okta.com",
        "https://{}",
        {"scopes": ["openid", "profile", "email", "groups"], "groups_claim": "groups"},
    ),
    "google": WellKnownProvider(
        "DOMAIN",
        "People of a Google Workspace.",
        _like(_HOST, "google", "the domain of a Google Workspace"),
        "Domain of the Workspace",
        "Such as acme.com. Without it, everybody with an account at Google could sign in.",
        "https://accounts.google.com",
        {"username_claim": "email"},
        customer_claim="hd",  # without it, everybody with an account at Google could sign in
    ),
    "keycloak": WellKnownProvider(
        "URL",
        "People of a realm of Keycloak.",
        _keycloak,
        "URL of the realm",
        "https://HOST/realms/REALM",
        sign_in={"groups_claim": "groups"},
    ),
    "authentik": WellKnownProvider(
        "URL",
        "People of authentik, by the URL of the application.",
        _authentik,
        "URL of the application",
        "https://HOST/application/o/APPLICATION/",
        sign_in={"groups_claim": "groups"},
    ),
    "github": WellKnownProvider(
        "ORGANISATION",
        "Members of an organisation on GitHub.",
        # A login may be taken by others once it is given up.
        _like(_NAME, "github", "the login of an organisation"),
        "Organisation",
        "Its login. Organisations and teams are the groups, such as acme and acme/platform.",
        github.ISSUER,
        {
            "scopes": ["read:user", "user:email", "read:org"],
            "username_claim": "login",
            "groups_claim": "groups",
        },
        customer_claim="groups",  # organisations and teams
    ),
    "agentos_issuer": WellKnownProvider("URL", "People of another issuer of this kind.", str),
}
