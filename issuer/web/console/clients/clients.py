"""`/console/clients`: services and applications with an id of their own, and new ones."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from starlette.responses import Response

from issuer.audiences import AUDIENCE
from issuer.clients.client import BACKCHANNEL_LOGOUT, CLIENT, Client, ClientFields
from issuer.clients.clients import WITHOUT_RIGHTS
from issuer.clients.operations import REVOKE_TOKENS
from issuer.composition import UnitOfWork
from issuer.directory import ClientRecord
from issuer.errors import InvalidField
from issuer.manifest.rights import effect_on_client
from issuer.roles import ROLE, Assignment
from issuer.vocabulary import AuthMethod, GrantType, RegisteredBy, UserRights
from issuer.web.console.clients.credentials import show_credentials
from issuer.web.console.rights.last_use import last_days
from issuer.web.console.rights.scope_picker import scopes_to_pick
from issuer.web.console.screens.collection import CollectionScreen
from issuer.web.console.screens.operator import NeedsSignIn
from issuer.web.console.screens.picks import MAX_BYTES
from issuer.web.console.screens.resource_form import ResourceForm, allow_if_ticked, names_to_pick
from issuer.web.console.screens.several import disabling, each_by

_OF_NEW = {"name", "redirect_uris", "post_logout_redirect_uris", *WITHOUT_RIGHTS}
_OF_NEW -= {"claims", "trusts"}
_OF_REQUESTS = ("require_pushed_authorization_requests", "require_pkce")
_WITH_A_PERSON = [GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN]
DISABLES = (
    "No more tokens are issued, and those so far are revoked, those of people who signed in"
    " included: within seconds they are refused everywhere. This can be undone; the revoked tokens"
    " stay revoked."
)
IS_DISABLED = "The client {name} is disabled, its tokens are revoked."
# Of each kind of new client, what the form does not ask.
_KINDS: dict[str, dict[str, object]] = {
    "service": {"grant_types": [GrantType.CLIENT_CREDENTIALS]},
    # Its one scope and its audience are in the form, and shown there.
    "scim": {"grant_types": [GrantType.CLIENT_CREDENTIALS]},
    "web": {"grant_types": _WITH_A_PERSON},
    "public": {"grant_types": _WITH_A_PERSON, "token_endpoint_auth_method": AuthMethod.NONE},
    "device": {
        "grant_types": [GrantType.DEVICE_CODE, GrantType.REFRESH_TOKEN],
        "token_endpoint_auth_method": AuthMethod.NONE,
    },
}
KINDS: dict[str, dict[str, str]] = {name: {} for name in _KINDS}
_MOST = 10
_NAMED = 10


def members_for(client: Client, typed: Mapping[str, str]) -> tuple[str, ...]:
    """The members that the form for a change has: all but those for other kinds of clients.

    Its kind follows from its grant types and its method of authentication, as they are and as they
    are `typed`. What it has is shown in any case.
    """
    others: set[str] = set()
    grants = {*client.grant_types, *filter(typed.__contains__, GrantType)}
    if GrantType.AUTHORIZATION_CODE not in grants:
        others |= {"redirect_uris", "post_logout_redirect_uris", "first_party", *_OF_REQUESTS}
    if not grants & {GrantType.AUTHORIZATION_CODE, GrantType.DEVICE_CODE}:
        others |= {*BACKCHANNEL_LOGOUT}
        if GrantType.PASSWORD not in grants:
            others |= {"user_rights"}
    method = typed.get("token_endpoint_auth_method", client.token_endpoint_auth_method)
    if AuthMethod.NONE in {method, client.token_endpoint_auth_method}:
        others |= {"jwks", "jwks_uri", "may_act", "external_audiences", "require_pkce"}
    defaults = ClientFields()
    others = {name for name in others if getattr(client, name) == getattr(defaults, name)}
    if client.registered_by is not RegisteredBy.ADMIN:
        others |= WITHOUT_RIGHTS.keys()
    return tuple(name for name in FORM.members if name not in others)


class ClientForm(ResourceForm[ClientFields, Client]):
    """Scopes keep their ends, which are set elsewhere."""

    LEFT_OUT = {"scopes_expire_at"}

    def given(self, form: Mapping[str, str], resource: Client | None) -> dict[str, Any]:
        typed = super().given(form, resource)
        typed["user_rights"] = typed["user_rights"] or UserRights.OWN
        if resource is not None:
            if resource.registered_by is not RegisteredBy.ADMIN:
                typed |= resource.model_dump(mode="json", include={*WITHOUT_RIGHTS})
            ends = resource.model_dump(mode="json")["scopes_expire_at"]
            typed["scopes_expire_at"] = {s: ends[s] for s in ends if s in typed["scopes"]}
            return typed
        new = {**_KINDS.get(form.get("kind", ""), _KINDS["service"])}
        new |= {name: typed[name] for name in _OF_NEW if name in form}
        if typed["jwks"] is not None:
            new |= {"jwks": typed["jwks"]}
            new |= {"token_endpoint_auth_method": AuthMethod.PRIVATE_KEY_JWT}
        return new


FORM = ClientForm(CLIENT)


def effects(record: ClientRecord, client: Client, fields: ClientFields, own: str) -> list[str]:
    """Who gains or loses which scope where, as sentences."""
    sentences = [
        *_at_audiences(record, client, fields, own),
        *_through_it(client, fields),
        *_acting_here(client, fields),
        *_acting_elsewhere(client, fields),
    ]
    if not {*client.may_act} <= {*fields.may_act}:
        sentences.append("All its tokens are revoked; it may get new ones.")
    return sentences if len(sentences) <= _MOST else [*sentences[:_MOST], "And more."]


def _at_audiences(
    record: ClientRecord, client: Client, fields: ClientFields, own: str
) -> Iterator[str]:
    shifts = {each.audience: each for each in effect_on_client(client, record.rights, fields, own)}
    for audience in dict.fromkeys([*client.audiences, *fields.audiences]):
        if shift := shifts.get(audience):
            gains = [f"gains {_name_of(shift.gains)}"] if shift.gains else []
            losses = [f"loses {_name_of(shift.losses)}"] if shift.losses else []
            yield f"At {audience} it {' and '.join(gains + losses)}."
        elif audience not in client.audiences:
            yield f"It may ask for tokens for {audience}."
        elif audience not in fields.audiences:
            yield f"It gets no more tokens for {audience}."


def _through_it(client: Client, fields: ClientFields) -> Iterator[str]:
    if fields.user_rights is UserRights.ALL and client.user_rights is not UserRights.ALL:
        yield "People who sign in through it use all their rights there."
    if fields.first_party and not client.first_party:
        yield "People are not asked to allow it any more."
    if client.require_pkce and not fields.require_pkce:
        yield "It gets codes without PKCE for requests with a nonce and the scope openid."


def _acting_here(client: Client, fields: ClientFields) -> Iterator[str]:
    for rule in fields.may_act:
        if rule not in client.may_act:
            whose = f"people whose tokens for {rule.from_audience} it has"
            yield f"It may act at {rule.to_audience} for {whose}."
    for rule in client.may_act:
        if rule not in fields.may_act:
            where = f"people from {rule.from_audience} at {rule.to_audience}"
            yield f"It may not act for {where} any more."


def _acting_elsewhere(client: Client, fields: ClientFields) -> Iterator[str]:
    was = {(each.issuer, each.resource): each for each in client.external_audiences}
    for each in fields.external_audiences:
        if was.pop((each.issuer, each.resource), None) != each:
            yield (
                f"It may act for people at {each.issuer}, for {each.resource},"
                f" as {each.client_id} with {_name_of(each.scopes) or 'no scopes'}."
            )
    for issuer, resource in was:
        yield f"It may not act for people at {issuer}, for {resource}, any more."


def _name_of(scopes: Sequence[str]) -> str:
    more = len(scopes) - _MOST
    return ", ".join(scopes[:_MOST]) + (f" and {more:,} more" if more > 0 else "")


class ClientsScreen(CollectionScreen):
    FORM = FORM
    KINDS = KINDS
    SUGGESTS = True
    MAX_FORM = MAX_BYTES
    AT_ONCE = {
        REVOKE_TOKENS.action: each_by("Revoke tokens", REVOKE_TOKENS),
        "disable": disabling(CLIENT, lambda _: DISABLES, IS_DISABLED),
    }
    SIGN_IN = dict.fromkeys(AT_ONCE, NeedsSignIn.IF_PROTECTED)

    def about(self, work: UnitOfWork, clients: Sequence[Client]) -> dict[str, Any]:
        """What each may do, by roles and own scopes; when a secret was last used, and the last day
        that verifiers reported.
        """
        ids = [each.client_id for each in clients]
        roles = work.assignments.role_names_of_all(ids)
        return {
            "last_uses": work.clients.last_uses(ids),
            "last_days": last_days(self.operator, work, CLIENT, clients),
            "may_do": {e.client_id: [*roles[e.client_id], *e.scopes] for e in clients},
        }

    def picks(self, values: Mapping[str, str]) -> dict[str, Any]:
        picks = names_to_pick(self.operator, values, AUDIENCE, ROLE)
        return {**scopes_to_pick(self.operator, values), **picks}

    def create(self) -> Response:
        fields, roles = FORM.read(self.form, None), self.form.get("roles", "").split()
        if roles and not fields.audiences:
            raise InvalidField("audiences", "name one, at which the roles are assigned")
        pairs = product(roles, fields.audiences)
        assignments = [Assignment(role=role, audience=audience) for role, audience in pairs]
        with self.operator.work_once(CLIENT.write) as work:
            allow_if_ticked(work, self.form)
            created = work.clients.create(fields)
            self.assign(work, created.client_id, assignments)
        return show_credentials(
            self,
            created,
            CLIENT.shown_once(created).get("client_secret", ""),
            f"The client {created.client_id} is created.",
            self.commands_for(created, assignments[:_NAMED]),
        )
