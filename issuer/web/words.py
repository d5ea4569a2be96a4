"""Small texts that several pages use: times, browsers, applications, how long access lasts."""

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit

from issuer.audiences import Audience
from issuer.composition import UnitOfWork
from issuer.directory import ActingClient, ClientRecord
from issuer.directory.records import TrustedIssuerRecord
from issuer.fields.text import escaped
from issuer.scopes import EMAIL, OFFLINE_ACCESS, OPENID, PROFILE
from issuer.settings import Settings, is_loopback
from issuer.vocabulary import RegisteredBy
from issuer.web.views import ActingAt, AgentOS, Application

_METHODS = {"pwd": "password", "otp": "code", "hwk": "passkey", "swk": "passkey", "mfa": ""}
_PRODUCTS = {
    each.lower(): each
    for each in ("Auth0", "Entra", "GitHub", "GitLab", "Google", "Keycloak", "Microsoft", "Okta")
}
_STEPS = (
    (timedelta(days=365), "year"),
    (timedelta(days=30), "month"),
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "minute"),
)
_IDENTITY = {
    OPENID: "Know that it is you",
    PROFILE: "See your name and user name",
    EMAIL: "See your e-mail address",
}


def ago(instant: datetime, now: datetime) -> str:
    """ "just now", "5 minutes ago", "2 years ago", "in 3 days"."""
    for step, name in _STEPS:
        if (number := abs(now - instant) // step) >= 1:
            duration = f"{number} {name}{'s' if number > 1 else ''}"
            return f"{duration} ago" if instant < now else f"in {duration}"
    return "just now" if instant <= now else "in a moment"


def methods_in_words(methods: Iterable[str]) -> str:
    """ "password and code", of authentication methods (RFC 8176)."""
    words = dict.fromkeys(_METHODS.get(each, each) for each in methods)
    return " and ".join(filter(None, words))


def duration_in_words(duration: timedelta) -> str:
    """ "90 days", "1 hour"."""
    for step, name in _STEPS[2:]:
        if duration >= step and not duration % step:
            number = duration // step
            return f"{number} {name}{'s' if number > 1 else ''}"
    return f"{int(duration.total_seconds())} seconds"


def initial(name: str) -> str:
    """The first letter or digit of a name, for its tile."""
    found = re.search(r"\w", name)
    return found[0].upper() if found else "?"


def segment(key: str) -> str:
    """`key` as one segment of a path."""
    return quote(key, safe="")


def in_fours(secret: str) -> str:
    return " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))


def application_of(client: ClientRecord, redirect_uri: str) -> Application:
    """`host` is shown whole: that of the redirect URI, or its scheme if that is an app's own."""
    uri = urlsplit(redirect_uri)
    is_web = uri.scheme in {"http", "https"}
    by_document = client.registered_by is RegisteredBy.METADATA
    return Application(
        name_of(client),
        uri.netloc if is_web else f"{uri.scheme}:",
        is_registered=not client.is_self_registered,
        is_loopback=is_web and is_loopback(uri.hostname or ""),
        described_at=urlsplit(client.client_id).netloc if by_document else "",
    )


def name_of(client: ClientRecord) -> str:
    """What people read. Clients that register themselves may put bidirectional controls in it."""
    return escaped(client.name or client.client_id)


def issuer_name(issuer: TrustedIssuerRecord) -> str:
    """The id of a trusted issuer, as the product of that name is spelled."""
    return _PRODUCTS.get(issuer.id.lower(), issuer.id)


def agent_os_of(audience: Audience) -> AgentOS:
    host = next((urlsplit(each).netloc for each in sorted(audience.resources)), "")
    return AgentOS(audience.name or audience.id, audience.id, host)


def acting_in_words(work: UnitOfWork, acting: Iterable[ActingClient]) -> tuple[ActingAt, ...]:
    """Where clients may act for somebody, and which, by name; two queries."""
    places: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for each in acting:
        places[each.audience_id, each.is_external].append(each.client_id)
    ids = {client_id for some in places.values() for client_id in some}
    names = {each.client_id: escaped(each.name) for each in work.clients.named(ids)}
    audiences = {each.id: each for each in work.audiences.named(each for each, _ in places)}
    return tuple(
        ActingAt(
            _place(at, None if is_external else audiences.get(at)),
            tuple(names.get(each) or each for each in client_ids),
            is_external,
        )
        for (at, is_external), client_ids in places.items()
    )


def _place(at: str, audience: Audience | None) -> AgentOS:
    """The audience, or another authorization server by its host."""
    return agent_os_of(audience) if audience else AgentOS(urlsplit(at).netloc or at, at)


def identity_in_words(openid_scopes: Iterable[str]) -> tuple[str, ...]:
    asked = set(openid_scopes)
    return tuple(words for scope, words in _IDENTITY.items() if scope in asked)


def lasting(openid_scopes: Iterable[str], settings: Settings) -> str:
    """How long the access lasts, to follow the word "Lasts"."""
    until = "you sign out"
    longest, idle = settings.session_ttl, settings.session_idle
    without_use = "without a visit to these pages"
    if OFFLINE_ACCESS in openid_scopes:
        until = "you withdraw it, also while you are signed out"
        longest, idle, without_use = settings.refresh_ttl, settings.refresh_idle, "without use"
    lifetimes = f"{duration_in_words(longest)}, or {duration_in_words(idle)} {without_use}"
    return f"until {until}. After {lifetimes}, you sign in again"
