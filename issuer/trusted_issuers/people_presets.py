"""Trusted issuers where people sign in, as well-known providers are: exact values."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from issuer.errors import InvalidField

GITHUB = "https://github.com"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")
_NAME = re.compile(r"[A-Za-z0-9-]{1,39}")


@dataclass(frozen=True)
class PeoplePreset:
    """The `iss`, and members of `sign_in`."""

    issuer: str
    sign_in: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WellKnownProvider:
    """A well-known provider. `metavar` is what tells its customers apart; `help` says more."""

    metavar: str
    help: str
    preset: Callable[[str], PeoplePreset]


def preset(given: Mapping[str, str | None]) -> PeoplePreset | None:
    """That of the one provider that is named; `InvalidField` names what is wrong. None if none."""
    named = [name for name in PROVIDERS if given.get(name) is not None]
    if not named:
        return None
    if len(named) > 1:
        raise InvalidField(named[1], f"name one of {', '.join(PROVIDERS)}")
    return PROVIDERS[named[0]].preset(str(given[named[0]]))


def _entra(tenant: str) -> PeoplePreset:
    """Accounts of other tenants have another `tid`."""
    tenant = _like(_GUID, tenant.lower(), "entra", "the id of a tenant, not its domain")
    return PeoplePreset(
        f"https://login.microsoftonline.com/{tenant}/v2.0",
        {"groups_claim": "groups", "required_claims": {"tid": tenant}},
    )


def _okta(domain: str) -> PeoplePreset:
    domain = _like(_HOST, domain, "okta", "a domain, such as acme.okta.com")
    scopes = ["openid", "profile", "email", "groups"]
    return PeoplePreset(f"https://{domain}", {"scopes": scopes, "groups_claim": "groups"})


def _google(domain: str) -> PeoplePreset:
    """Without `hd`, everybody with an account at Google could sign in."""
    domain = _like(_HOST, domain, "google", "the domain of a Google Workspace")
    return PeoplePreset(
        "https://accounts.google.com",
        {"username_claim": "email", "required_claims": {"hd": domain}},
    )


def _keycloak(url: str) -> PeoplePreset:
    if "/realms/" not in url:
        raise InvalidField("keycloak", "must be the URL of a realm: https://HOST/realms/REALM")
    return PeoplePreset(url.rstrip("/"), {"groups_claim": "groups"})


def _authentik(url: str) -> PeoplePreset:
    """Its `iss` ends with a slash."""
    if "/application/o/" not in url:
        raise InvalidField("authentik", "must be like https://HOST/application/o/APPLICATION/")
    return PeoplePreset(f"{url.rstrip('/')}/", {"groups_claim": "groups"})


def _github(organisation: str) -> PeoplePreset:
    """Organisations and teams are `groups`. A login may be taken by others once it is given up."""
    name = _like(_NAME, organisation, "github", "the login of an organisation")
    return PeoplePreset(
        GITHUB,
        {
            "scopes": ["read:user", "user:email", "read:org"],
            "username_claim": "login",
            "groups_claim": "groups",
            "required_claims": {"groups": name},
        },
    )


def _agentos_issuer(url: str) -> PeoplePreset:
    return PeoplePreset(url)


PROVIDERS = {
    "entra": WellKnownProvider("TENANT", "People of a tenant of Microsoft Entra.", _entra),
    "okta": WellKnownProvider("DOMAIN", "People of an organisation at Okta.", _okta),
    "google": WellKnownProvider("DOMAIN", "People of a Google Workspace.", _google),
    "keycloak": WellKnownProvider("URL", "People of a realm of Keycloak.", _keycloak),
    "authentik": WellKnownProvider(
        "URL", "People of authentik, by the URL of the application.", _authentik
    ),
    "github": WellKnownProvider("ORGANISATION", "Members of an organisation on GitHub.", _github),
    "agentos_issuer": WellKnownProvider(
        "URL", "People of another issuer of this kind.", _agentos_issuer
    ),
}


def _like(pattern: re.Pattern[str], text: str, name: str, form: str) -> str:
    if not pattern.fullmatch(text):
        raise InvalidField(name, f"must be {form}")
    return text
