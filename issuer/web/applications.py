"""Clients, audiences and scopes as people see them."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from issuer.audiences import Audience
from issuer.directory import ClientRecord
from issuer.fields.text import escaped
from issuer.scopes import EMAIL, OFFLINE_ACCESS, OPENID, PROFILE
from issuer.settings import Settings, is_loopback
from issuer.vocabulary import RegisteredBy
from issuer.web.views import AgentOS, Application
from issuer.web.words import duration_in_words

_IDENTITY = {
    OPENID: "Know that it is you",
    PROFILE: "See your name and user name",
    EMAIL: "See your e-mail address",
}


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


def agent_os_of(audience: Audience) -> AgentOS:
    host = next((urlsplit(each).netloc for each in sorted(audience.resources)), "")
    return AgentOS(audience.name or audience.id, audience.id, host)


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
