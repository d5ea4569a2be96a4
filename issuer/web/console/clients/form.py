"""How people type a client, and what a change of it means."""

from collections.abc import Mapping
from typing import Any

from issuer.clients import CLIENT, Client, ClientFields
from issuer.directory import ClientRecord
from issuer.scopes import counting_at, covers
from issuer.vocabulary import AuthMethod, GrantType, RegisteredBy, UserRights
from issuer.web.console.screens.resource_form import ResourceForm

# The members that a client that registered itself cannot have.
_OF_ADMINS = {"audiences", "scopes", "user_rights", "claims", "first_party", "may_set_session"}
_OF_NEW = {"name", "redirect_uris", "post_logout_redirect_uris", *_OF_ADMINS} - {"claims"}
_WITH_A_PERSON = [GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN]
# Of each kind of new client, what the form does not ask.
_KINDS: dict[str, dict[str, object]] = {
    "service": {"grant_types": [GrantType.CLIENT_CREDENTIALS]},
    "web": {"grant_types": _WITH_A_PERSON},
    "public": {"grant_types": _WITH_A_PERSON, "token_endpoint_auth_method": AuthMethod.NONE},
}
KINDS: dict[str, dict[str, str]] = {name: {} for name in _KINDS}
_NAMED = 10


class ClientForm(ResourceForm[ClientFields, Client]):
    def given(self, form: Mapping[str, str], resource: Client | None) -> dict[str, Any]:
        typed = super().given({"user_rights": UserRights.OWN, **form}, resource)
        if resource is not None:
            is_by_admin = resource.registered_by is RegisteredBy.ADMIN
            kept = resource.model_dump(mode="json", include=_OF_ADMINS)
            return typed if is_by_admin else typed | kept
        new = {**_KINDS.get(form.get("kind", ""), _KINDS["service"])}
        new |= {name: typed[name] for name in _OF_NEW if name in form}
        if typed["jwks"] is not None:
            new |= {"jwks": typed["jwks"]}
            new |= {"token_endpoint_auth_method": AuthMethod.PRIVATE_KEY_JWT}
        return new


FORM = ClientForm(CLIENT)


def effects(record: ClientRecord, client: Client, fields: ClientFields, own: str) -> list[str]:
    """Who gains or loses which scope where, as sentences."""
    sentences: list[str] = []
    for audience in dict.fromkeys([*client.audiences, *fields.audiences]):
        was = _held(record, client, audience, own)
        becomes = _held(record, fields, audience, own)
        gained = [scope for scope in sorted(becomes) if not covers(was, scope)]
        lost = [scope for scope in sorted(was) if not covers(becomes, scope)]
        told = (("gains", gained), ("loses", lost))
        parts = [f"{verb} {_named(scopes)}" for verb, scopes in told if scopes]
        if parts:
            sentences.append(f"At {audience} it {' and '.join(parts)}.")
        elif audience not in client.audiences:
            sentences.append(f"It may ask for tokens for {audience}.")
        elif audience not in fields.audiences:
            sentences.append(f"It gets no more tokens for {audience}.")
    if fields.user_rights is UserRights.ALL and client.user_rights is not UserRights.ALL:
        sentences.append("People who sign in through it use all their rights there.")
    if fields.first_party and not client.first_party:
        sentences.append("People are not asked to allow it any more.")
    return sentences if len(sentences) <= _NAMED else [*sentences[:_NAMED], "And more."]


def _held(record: ClientRecord, fields: ClientFields, audience_id: str, own: str) -> frozenset[str]:
    if audience_id not in fields.audiences:
        return frozenset()
    roles = (each.scopes for each in record.rights.roles_at(audience_id))
    return counting_at(frozenset(fields.scopes).union(*roles), own_audience=audience_id == own)


def _named(scopes: list[str]) -> str:
    more = len(scopes) - _NAMED
    return ", ".join(scopes[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
