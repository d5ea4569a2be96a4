"""`/console/clients/{key}`: one client, what it may do, its secrets, and what happened to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.responses import Response

from issuer.clients import CLIENT, Client
from issuer.directory import ClientRecord
from issuer.errors import InvalidField, NotFound
from issuer.vocabulary import RegisteredBy
from issuer.web.console.clients.changes import (
    ClientAction,
    delete,
    disable,
    edit_client,
    enable,
    revoke_tokens,
    save,
)
from issuer.web.console.clients.keys import add_key, delete_key, fetch_keys, keys_of_client
from issuer.web.console.clients.secrets import (
    RotationEvidence,
    SecretInList,
    add_secret,
    cancel_rotation,
    delete_secret,
    finish_rotation,
    rotation_evidence,
    secrets_in_list,
    start_rotation,
)
from issuer.web.console.clients.trusts import (
    add_trust,
    remove_trust,
    save_trust,
    show_new_trust,
    show_trust,
)
from issuer.web.console.rights.assignments import (
    ON_ROLES,
    AssignmentsSection,
    Principal,
    assignments_section,
    change_assignment,
)
from issuer.web.console.rights.effective_rights import (
    EffectiveRights,
    TokenPreview,
    effective_rights,
    include_issuer,
    token_as_now,
)
from issuer.web.console.screens.form_fields import field_errors
from issuer.web.console.screens.keys_of_others import FetchingEndpoint, KeysOfOthers
from issuer.web.console.screens.operator import NeedsSignIn, Operator
from issuer.web.console.screens.recent_events import RecentEvents, recent_events
from issuer.web.console.screens.views import Command, ConsolePage, Typed
from issuer.web.visit import Visit

_ACTIONS: dict[str, Callable[[ClientAction], Response]] = {
    "save": save,
    "enable": enable,
    "disable": disable,
    "revoke-tokens": revoke_tokens,
    "delete": delete,
    "add-secret": add_secret,
    "delete-secret": delete_secret,
    "rotate": start_rotation,
    "finish": finish_rotation,
    "cancel": cancel_rotation,
    "add-key": add_key,
    "delete-key": delete_key,
    "fetch-keys": fetch_keys,
    "add-trust": add_trust,
    "save-trust": save_trust,
    "remove-trust": remove_trust,
}
_FORMS: dict[str, Callable[[ClientAction], Response]] = {
    "edit": edit_client,
    "kind": show_new_trust,
    "trust": show_trust,
}


@dataclass(frozen=True, kw_only=True)
class ClientPage(ConsolePage):
    """`may_edit`: all but its roles; only an admin may if it has rights at the issuer itself."""

    TEMPLATE = "console/client.html"
    client: Client
    may_edit: bool
    is_protected: bool
    section: AssignmentsSection
    rights: EffectiveRights | None
    token: TokenPreview | None
    keys: KeysOfOthers
    secrets: tuple[SecretInList, ...]
    rotation: RotationEvidence | None
    events: tuple[RecentEvents, ...] | None

    @property
    def title(self) -> str:
        return self.client.name or self.client.client_id

    @property
    def is_by_admin(self) -> bool:
        return self.client.registered_by is RegisteredBy.ADMIN


class OneClientEndpoint(FetchingEndpoint):
    """`?at=` names the audience of the rights and of the token; `?edit=yes` is the form.

    `?kind=` is the form for a new trust of that kind, `?trust=` that for an existing one.
    """

    PATH = "/console/clients/{key:path}"
    READ = CLIENT.read
    WRITE = CLIENT.write
    PARAMETERS = ("at", *_FORMS)
    SIGN_IN = {
        **dict.fromkeys(
            (*ON_ROLES, "disable", "revoke-tokens", "delete"), NeedsSignIn.IF_PROTECTED
        ),
        "fetch-keys": NeedsSignIn.NEVER,
    }

    def screen(self, operator: Operator, visit: Visit) -> Response:
        client, record = self._client(operator, visit)
        for name, show in _FORMS.items():
            if name in visit.query:
                self._require_may_edit(operator, client, record)
                return show(ClientAction(self, operator, visit, visit.query, client))
        return self.site.pages.answer(self._page(operator, visit, client, record))

    def act(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        client, record = self._client(operator, visit)
        do = form.get("do", "")
        try:
            if do in ON_ROLES:
                key = client.client_id
                principal = Principal(CLIENT, key, key, record.rights)
                return change_assignment(self, operator, visit, principal, form)
            if action := _ACTIONS.get(do):
                self._require_may_edit(operator, client, record)
                return action(ClientAction(self, operator, visit, form, client))
        except InvalidField as error:
            page = self._page(operator, visit, client, record, form, field_errors(error))
            return self.site.pages.answer(page, 400)
        return self.stale(visit, form)

    def _client(self, operator: Operator, visit: Visit) -> tuple[Client, ClientRecord]:
        key = visit.request.path_params["key"]
        with operator.work(CLIENT.read) as work:
            client = work.clients.get(key)
        record = self.parts.directory.load_client(key)
        if record is None:
            raise NotFound("client", key)
        return client, record

    def _page(
        self,
        operator: Operator,
        visit: Visit,
        client: Client,
        record: ClientRecord,
        form: Mapping[str, str] | None = None,
        errors: Mapping[str, str] | None = None,
    ) -> ClientPage:
        key, now = client.client_id, self.parts.clock()
        is_by_admin = client.registered_by is RegisteredBy.ADMIN
        is_protected = self._is_protected(client, record)
        at = visit.query.get("at", "")
        at = at if at in client.audiences else next(iter(client.audiences), "")
        with operator.work(CLIENT.read) as work:
            section = assignments_section(operator, work, key, tuple(client.audiences))
            secrets = secrets_in_list(work, key, now)
            rotation = rotation_evidence(work, key)
        return ClientPage(
            frame=self.frame(operator, visit),
            may_change=operator.holds(CLIENT.write) and is_by_admin,
            commands=self._commands_for(key, at),
            values=Typed(form or {}),
            errors=Typed(errors or {}),
            client=client,
            may_edit=operator.may_change(CLIENT.write, is_protected=is_protected),
            is_protected=is_protected,
            section=section,
            rights=self._rights(client, record, at),
            token=token_as_now(self.parts.administration, client, at),
            keys=keys_of_client(self, client),
            secrets=secrets,
            rotation=rotation,
            events=recent_events(operator, key),
        )

    def _rights(self, client: Client, record: ClientRecord, at: str) -> EffectiveRights | None:
        """None without an audience: it has no rights of its own then."""
        audience = record.audiences.get(at) if at else None
        return effective_rights(record.rights, audience, client.audiences) if audience else None

    def _is_protected(self, client: Client, record: ClientRecord) -> bool:
        """Whether it has rights at the issuer itself, or gives some."""
        own = self.parts.settings.url
        return own in client.audiences or include_issuer(record.rights, own)

    def _require_may_edit(self, operator: Operator, client: Client, record: ClientRecord) -> None:
        is_protected = self._is_protected(client, record)
        operator.require_may_change(CLIENT.write, is_protected=is_protected)

    def _commands_for(self, key: str, audience: str) -> tuple[Command, ...]:
        command, body = self.commands.command, {"client_id": key, "audience": audience}
        show = command(("client", "show", key), "GET", ("clients", key))
        preview = command(("preview", key, "--audience", audience), "POST", ("preview",), body)
        secrets = command(("client", "secret", "list", key), "GET", ("clients", key, "secrets"))
        return (show, *([preview] if audience else []), secrets)
