"""What a form on the page of a client asks for; and to end its tokens, or the client."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from starlette.responses import Response

from issuer.clients import CLIENT, Client, ClientFields
from issuer.directory import ClientRecord
from issuer.errors import InvalidField, NotFound
from issuer.scopes import counting_at, covers
from issuer.vocabulary import GrantType, RegisteredBy, UserRights
from issuer.web.console.clients.credentials import credentials_page
from issuer.web.console.clients.form import as_typed, client_options, edited_client
from issuer.web.console.rights.effective_rights import allow_if_ticked
from issuer.web.console.screens.collection import ResourceAction, differing
from issuer.web.console.screens.form_fields import field_errors
from issuer.web.console.screens.views import Command, ConsolePage


@dataclass(frozen=True)
class ClientAction(ResourceAction):
    TYPE = CLIENT
    client: Client

    @property
    def key(self) -> str:
        return self.client.client_id

    def show_secret(
        self, secret: str, done: str, command: Command, then: Sequence[str] = ()
    ) -> Response:
        page = credentials_page(
            self.endpoint,
            self.operator,
            self.visit,
            self.client,
            secret,
            done=done,
            commands=(command,),
            then=then,
        )
        return self.endpoint.site.pages.answer(page)


def disable(action: ClientAction) -> Response:
    body = {"disabled": True}
    command = action.command(("update", action.key, "--disabled"), "PATCH", body=body)
    if not action.is_confirmed:
        return action.ask(
            f"Disable {action.key}?",
            "It gets no token any more, and its tokens are revoked, those of people who signed in"
            " through it included: within seconds they are refused everywhere. It can be enabled"
            " again; the revoked tokens stay revoked.",
            "Disable client",
            command,
        )
    with action.operator.work(CLIENT.write) as work:
        work.clients.update(action.key, body)
    return action.finished(f"The client {action.key} is disabled, its tokens are revoked.", command)


def enable(action: ClientAction) -> Response:
    body = {"disabled": False}
    with action.operator.work(CLIENT.write) as work:
        work.clients.update(action.key, body)
    command = action.command(("update", action.key, "--enabled"), "PATCH", body=body)
    return action.finished(f"The client {action.key} is enabled.", command)


def revoke_tokens(action: ClientAction) -> Response:
    command = action.command(("revoke-tokens", action.key), "POST", "revoke-tokens")
    if not action.is_confirmed:
        return action.ask(
            f"Revoke all tokens of {action.key}?",
            "Every token issued to it so far is refused everywhere within seconds, those of people"
            " who signed in through it included. It may get new ones. This cannot be undone.",
            "Revoke tokens",
            command,
        )
    with action.operator.work(CLIENT.write) as work:
        work.clients.revoke_tokens(action.key)
    return action.finished(f"All tokens of {action.key} are revoked.", command)


def delete(action: ClientAction) -> Response:
    command = action.deletion()
    if not action.has_typed(action.key):
        return action.ask(
            f"Delete {action.key}?",
            "Its secrets and role assignments are deleted, and its tokens revoked, those of people"
            " who signed in through it included. This cannot be undone.",
            "Delete client",
            command,
            typed=action.key,
        )
    with action.operator.work(CLIENT.write) as work:
        work.clients.delete(action.key)
    return action.endpoint.finished("/console/clients", f"{action.key} is deleted.", command)


_NAMED = 10
_BAD_REQUEST, _CONFLICT = 400, 409


@dataclass(frozen=True, kw_only=True)
class EditClientPage(ConsolePage):
    TEMPLATE = "console/edit_client.html"
    client: Client
    grants: tuple[GrantType, ...] = tuple(GrantType)

    @property
    def title(self) -> str:
        return f"Edit {self.client.client_id}"

    @property
    def is_by_admin(self) -> bool:
        return self.client.registered_by is RegisteredBy.ADMIN


def edit_client(action: ClientAction) -> Response:
    return action.edit_form(_page(action), as_typed(action.client))


def save(action: ClientAction) -> Response:
    """Asks first if it changes what the client may do."""
    form, client = action.form, action.client
    if form.get("version") != str(client.version):
        return _conflict(action)
    try:
        fields = edited_client(client, form)
        if not action.is_confirmed and (effects := _effects(action, fields)):
            return _asked(action, fields, effects)
        with action.operator.work(CLIENT.write) as work:
            allow_if_ticked(work, form)
            now = work.clients.get(action.key)
            if now.version == client.version:
                work.clients.replace(action.key, fields)
    except InvalidField as error:
        return action.edit_form(_page(action), form, field_errors(error), _BAD_REQUEST)
    if now.version != client.version:
        return _conflict(replace(action, client=now))
    return action.finished(f"The client {action.key} is changed.", _command(action, fields))


def _conflict(action: ClientAction) -> Response:
    """Both versions: what was typed, and beside it what the client is now."""
    now = as_typed(action.client)
    of_the_page = {"do", "form", "form_id", "version", "confirmed", "allow_unknown_scopes"}
    names = {*now, *action.form} - of_the_page
    present = differing(now, action.form, names)
    return action.edit_form(_page(action), action.form, status=_CONFLICT, present=present)


def _page(action: ClientAction) -> partial[EditClientPage]:
    return partial(EditClientPage, client=action.client)


def _asked(action: ClientAction, fields: ClientFields, effects: list[str]) -> Response:
    what, command = f"Change what {action.key} may do?", _command(action, fields)
    return action.ask(what, " ".join(effects), "Save", command, action.kept, is_dangerous=False)


def _effects(action: ClientAction, fields: ClientFields) -> list[str]:
    """Who gains or loses which scope where, as sentences."""
    client, directory = action.client, action.endpoint.parts.directory
    record = directory.load_client(action.key)
    if record is None:
        raise NotFound("client", action.key)
    own, sentences = action.endpoint.parts.settings.url, []
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


def _command(action: ClientAction, fields: ClientFields) -> Command:
    patch = action.patch(action.client, fields)
    cli = ("update", action.key, *client_options(patch))
    return action.command(cli, "PATCH", body=patch)
