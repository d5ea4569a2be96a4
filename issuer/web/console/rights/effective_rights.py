"""What a client or a user may do at one audience: scopes in words, their source, and a token."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from issuer.catalogue import NEWEST, lint
from issuer.catalogue.lint import ScopeFinding
from issuer.catalogue.permissions import in_words as in_groups
from issuer.composition import Administration
from issuer.directory import AudienceRecord, Directory, Rights
from issuer.errors import IssuerError
from issuer.explain.explaining import PreviewRequest
from issuer.fields.text import readable_json
from issuer.roles import HeldRole
from issuer.scopes import (
    ISSUER_ADMIN,
    ISSUER_INTROSPECT,
    ISSUER_REGISTER,
    ISSUER_SCIM,
    ISSUER_STATUS,
    ISSUER_USAGE,
    parse,
)

_SHOWN = 100
_PLACES = 20
OF_ISSUER = {
    ISSUER_ADMIN: "Do everything at this issuer",
    ISSUER_INTROSPECT: "Introspect the tokens of all clients",
    ISSUER_REGISTER: "Register clients",
    ISSUER_SCIM: "Provision users and groups by SCIM",
    ISSUER_STATUS: "Read how the servers are",
    ISSUER_USAGE: "Report which scopes are used",
}
MOST = 100


@dataclass(frozen=True, slots=True)
class EffectiveScope:
    """A scope that applies: held directly, perhaps until `direct_end`, or through roles."""

    scope: str
    meaning: str
    is_direct: bool
    direct_end: datetime | None
    through: tuple[HeldRole, ...]


@dataclass(frozen=True, slots=True)
class EffectiveRights:
    """At `audience`, or where it is empty, at every AgentOS. `more` scopes are not listed.

    `audiences` are others to look at.
    """

    audience: str
    scopes: tuple[EffectiveScope, ...]
    more: int
    audiences: tuple[str, ...] = ()


def effective_rights(
    rights: Rights, audience: AudienceRecord | None, audiences: Iterable[str] = ()
) -> EffectiveRights:
    """The rights at `audience`; for None those that apply at every AgentOS."""
    audience_id = audience.id if audience else None
    is_own = audience is not None and audience.is_own
    grants = rights.roles_at(audience_id, is_own=is_own)
    scopes = sorted(rights.scopes_at(audience_id, is_own=is_own))
    return EffectiveRights(
        audience_id or "",
        tuple(
            EffectiveScope(
                scope,
                meaning_of(scope),
                scope in rights.direct,
                rights.direct_ends.get(scope),
                tuple(HeldRole.from_grant(grant) for grant in grants if scope in grant.scopes),
            )
            for scope in scopes[:_SHOWN]
        ),
        max(0, len(scopes) - _SHOWN),
        tuple(audiences),
    )


def rights_somewhere(directory: Directory, rights: Rights, own: str, at: str) -> EffectiveRights:
    """A user's rights at the audience `at` if a role is assigned there, else at the first with any.

    `own` is the issuer's audience.
    """
    named = sorted({each.audience_id for each in rights.roles if each.audience_id})
    known = dict.fromkeys(["", *named, own])
    places = [each for each in known if rights.scopes_at(each, is_own=each == own)] or [""]
    at = at if at and at in known else places[0]
    audience = directory.load_audience(at) if at else None
    return effective_rights(rights, audience, dict.fromkeys([*places[:_PLACES], at]))


def meaning_of(scope: str) -> str:
    """What a scope allows, in words; empty for names that AgentOS does not define."""
    if parse(scope).is_of_issuer:
        _, *rest = scope.split(":")
        verb = {"read": "See", "write": "See and change"}.get(rest[-1], "")
        return OF_ISSUER.get(scope) or f"{verb} {rest[0]}"
    (group,) = in_groups([scope])
    (permission,) = group.permissions
    if group.title == "Other":
        return ""
    return " ".join([permission.text, *permission.ids])


@dataclass(frozen=True, slots=True)
class ScopeInWords:
    scope: str
    meaning: str
    findings: tuple[ScopeFinding, ...]


def scopes_in_words(chosen: Sequence[str]) -> tuple[ScopeInWords, ...]:
    """The first `MOST` scopes: checking takes about a millisecond for each."""
    found = findings(chosen)
    return tuple(
        ScopeInWords(scope, meaning_of(scope), tuple(each for each in found if each.scope == scope))
        for scope in chosen[:MOST]
    )


def findings(chosen: Sequence[str]) -> tuple[ScopeFinding, ...]:
    """Likely mistakes in the first `MOST` scopes, for the newest AgentOS."""
    return tuple(lint(chosen[:MOST], [NEWEST]))


@dataclass(frozen=True, slots=True)
class TokenPreview:
    """The claims of a token as JSON and its size in bytes, or why there is none."""

    claims: str = ""
    size: int = 0
    refusal: str = ""


def token_preview(
    administration: Administration, client_id: str, audience: str, user_id: str = ""
) -> TokenPreview:
    """The token of the client, or of a user who signs in through it."""
    members = {"client_id": client_id, "user_id": user_id, "audience": audience}
    try:
        request = PreviewRequest.read({name: value for name, value in members.items() if value})
        token = administration.explainer.preview(request, administration.clock())
    except IssuerError as error:
        return TokenPreview(refusal=str(error))
    return TokenPreview(readable_json(token.claims), token.size)
