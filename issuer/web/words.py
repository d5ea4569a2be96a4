"""Small texts that several pages use: times, browsers, applications, how long access lasts."""

import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from issuer.audiences import Audience
from issuer.composition import UnitOfWork
from issuer.directory import ActingClient, ClientRecord
from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import TooManyRequests
from issuer.fields.text import escape
from issuer.languages import N_, Nn_, _, ngettext
from issuer.resources import Command, ResourceType
from issuer.scopes import EMAIL, OFFLINE_ACCESS, OPENID, PROFILE
from issuer.settings import Settings, is_loopback
from issuer.vocabulary import ADMIN_API, RegisteredBy
from issuer.web.views import ActingAt, AgentOS, Application

_METHODS = {"pwd": "password", "otp": "code", "hwk": "passkey", "swk": "passkey", "mfa": ""}
_PRODUCTS = {
    name.lower(): name
    for name in ("Auth0", "Entra", "GitHub", "GitLab", "Google", "Keycloak", "Microsoft", "Okta")
}
_STEPS = {
    timedelta(minutes=1): (
        Nn_("%(num)s minute ago", "%(num)s minutes ago"),
        Nn_("in %(num)s minute", "in %(num)s minutes"),
    ),
    timedelta(hours=1): (
        Nn_("%(num)s hour ago", "%(num)s hours ago"),
        Nn_("in %(num)s hour", "in %(num)s hours"),
    ),
    timedelta(days=1): (
        Nn_("%(num)s day ago", "%(num)s days ago"),
        Nn_("in %(num)s day", "in %(num)s days"),
    ),
    timedelta(days=30): (
        Nn_("%(num)s month ago", "%(num)s months ago"),
        Nn_("in %(num)s month", "in %(num)s months"),
    ),
    timedelta(days=365): (
        Nn_("%(num)s year ago", "%(num)s years ago"),
        Nn_("in %(num)s year", "in %(num)s years"),
    ),
}
_UNITS = (
    (timedelta(days=1), Nn_("%(num)s day", "%(num)s days")),
    (timedelta(hours=1), Nn_("%(num)s hour", "%(num)s hours")),
    (timedelta(minutes=1), Nn_("%(num)s minute", "%(num)s minutes")),
    (timedelta(seconds=1), Nn_("%(num)s second", "%(num)s seconds")),
)
_IDENTITY = {
    OPENID: N_("Know that it is you"),
    PROFILE: N_("See your name and user name"),
    EMAIL: N_("See your e-mail address"),
}


def ago(instant: datetime, now: datetime) -> str:
    """ "just now", "5 minutes ago", "2 years ago", "in 3 days"; rounded to the nearest unit."""
    distance, number, unit = abs(now - instant), 0, timedelta()
    for step in _STEPS:
        if max(distance, number * unit) < step:  # 59.9 minutes are rounded to an hour
            break
        number, unit = (distance + step / 2) // step, step
    if number:
        past, future = _STEPS[unit]
        return ngettext(*(past if instant < now else future), number)
    return _("just now") if instant <= now else _("in a moment")


def day_ago(day: datetime, now: datetime) -> str:
    """ "today", "yesterday", "12 days ago", of the beginning of a day in UTC."""
    number = (now - day).days
    return {0: "today", 1: "yesterday"}.get(number, f"{number:,} days ago")


def methods_in_words(methods: Iterable[str]) -> str:
    """ "password and code", of authentication methods (RFC 8176)."""
    words = list(filter(None, dict.fromkeys(_METHODS.get(each, each) for each in methods)))
    return " and ".join(words)


def duration_in_words(duration: timedelta) -> str:
    """ "90 days", "1 hour"."""
    found = next(each for each in _UNITS if duration >= each[0] and not duration % each[0])
    return ngettext(*found[1], duration // found[0])


def try_again_in(error: TooManyRequests) -> str:
    return ngettext(
        "Try again in %(num)s second.", "Try again in %(num)s seconds.", error.retry_after
    )


def too_many_attempts(error: TooManyRequests) -> str:
    return ngettext(
        "Too many attempts. Try again in %(num)s second.",
        "Too many attempts. Try again in %(num)s seconds.",
        error.retry_after,
    )


def too_many_codes(error: TooManyRequests) -> str:
    return ngettext(
        "Too many wrong codes. Try again in %(num)s second.",
        "Too many wrong codes. Try again in %(num)s seconds.",
        error.retry_after,
    )


def initial(name: str) -> str:
    """The first letter or digit of a name, for its tile."""
    found = re.search(r"\w", name)
    return found[0].upper() if found else "?"


def segment(key: str) -> str:
    """`key` as one segment of a path."""
    return quote(key, safe="")


def page_of(kind: ResourceType[Any, Any], key: str, more: str = "") -> str:
    """The path of the page of a resource in the console."""
    return f"/console/{kind.plural}/{segment(key)}{more}"


def curl(issuer: str, command: Command) -> str:
    """The request that does the same as the command, with the token in the variable `TOKEN`."""
    url = "/".join([f"{issuer}{ADMIN_API}", *map(segment, command.path)])
    url += f"?{urlencode(command.query)}" if command.query else ""
    lines = [f"curl -X {command.method} {shlex.quote(url)}", '-H "Authorization: Bearer $TOKEN"']
    if command.body is not None:
        body = json.dumps(command.body, ensure_ascii=False)
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(body)}"]
    elif command.file:
        data = shlex.quote(f"@{command.file}")
        lines += ["-H 'Content-Type: application/yaml'", f"--data-binary {data}"]
    return " \\\n  ".join(lines)


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
    return escape(client.name or client.client_id)


def issuer_name(issuer: TrustedIssuerRecord) -> str:
    """The name of a trusted issuer, or its id, as the product of that name is spelled."""
    name = issuer.sign_in.name if issuer.sign_in else ""
    return name or _PRODUCTS.get(issuer.id.lower(), issuer.id)


def agent_os_of(audience: Audience) -> AgentOS:
    host = next((urlsplit(each).netloc for each in sorted(audience.resources)), "")
    return AgentOS(audience.name or audience.id, audience.id, host)


def acting_in_words(work: UnitOfWork, acting: Iterable[ActingClient]) -> tuple[ActingAt, ...]:
    """Where clients may act for somebody, and which, by name; two queries."""
    places: dict[ActingClient, list[str]] = defaultdict(list)
    for actor in acting:
        places[replace(actor, client_id="")].append(actor.client_id)
    ids = set(chain.from_iterable(places.values()))
    names = {each.client_id: escape(each.name) for each in work.clients.named(ids)}
    named = work.audiences.named(each.audience_id for each in places)
    audiences = {each.id: each for each in named}
    return tuple(
        ActingAt(
            _place(at.audience_id, None if at.is_external else audiences.get(at.audience_id)),
            tuple(names.get(each) or each for each in client_ids),
            at.is_external,
            escape(at.resource),
            tuple(map(escape, at.scopes)),
        )
        for at, client_ids in places.items()
    )


def _place(at: str, audience: Audience | None) -> AgentOS:
    """The audience, or another authorization server by its host."""
    return agent_os_of(audience) if audience else AgentOS(urlsplit(at).netloc or at, at)


def identity_in_words(openid_scopes: Iterable[str]) -> tuple[str, ...]:
    asked = set(openid_scopes)
    return tuple(_(words) for scope, words in _IDENTITY.items() if scope in asked)


def lasting(openid_scopes: Iterable[str], settings: Settings) -> str:
    """How long the access lasts, to follow the word "Lasts"."""
    if OFFLINE_ACCESS in openid_scopes:
        return _(
            "until you withdraw it, also while you are signed out. After %(longest)s, or %(idle)s"
            " without use, you sign in again.",
            longest=duration_in_words(settings.refresh_ttl),
            idle=duration_in_words(settings.refresh_idle),
        )
    return _(
        "until you sign out. After %(longest)s, or %(idle)s without a visit to these pages, you"
        " sign in again.",
        longest=duration_in_words(settings.session_ttl),
        idle=duration_in_words(settings.session_idle),
    )
