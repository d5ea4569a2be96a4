"""`/console/clients/{key}`: one client, what it may do, its secrets, and what happened to it."""

from dataclasses import dataclass

from starlette.responses import Response

from issuer.clients import CLIENT, Client, ClientFields
from issuer.directory import ClientRecord
from issuer.vocabulary import RegisteredBy
from issuer.web.console.clients.clients import FORM, effects
from issuer.web.console.clients.credentials import add_key, delete_key, fetch_keys, keys_of_client
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
    PrincipalEndpoint,
    assignments_section,
)
from issuer.web.console.rights.effective_rights import (
    EffectiveRights,
    TokenPreview,
    effective_rights,
    token_as_now,
)
from issuer.web.console.screens.action import ConfirmationText, Deletion, ResourceAction
from issuer.web.console.screens.changes import changes_of, edit
from issuer.web.console.screens.keys_of_others import FetchingEndpoint, KeysOfOthers
from issuer.web.console.screens.operator import NeedsSignIn, Operator
from issuer.web.console.screens.resource import ResourcePage
from issuer.web.console.screens.views import Command


@dataclass(frozen=True, kw_only=True)
class ClientPage(ResourcePage):
    """`may_edit`: all but its roles; only an admin may if it has rights at the issuer itself."""

    may_edit: bool
    section: AssignmentsSection
    rights: EffectiveRights | None
    token: TokenPreview | None
    keys: KeysOfOthers
    secrets: tuple[SecretInList, ...]
    rotation: RotationEvidence | None

    @property
    def is_by_admin(self) -> bool:
        return self.resource.registered_by is RegisteredBy.ADMIN


def revoke_tokens(action: ResourceAction) -> Response:
    return action.confirmed(
        ConfirmationText(
            f"Revoke all tokens of {action.key}?",
            "Every token issued to it so far is refused everywhere within seconds, those of people"
            " who signed in through it included. It may get new ones. This cannot be undone.",
            "Revoke tokens",
        ),
        action.command(("revoke-tokens", action.key), "POST", "revoke-tokens"),
        lambda work: work.clients.revoke_tokens(action.key),
        f"All tokens of {action.key} are revoked.",
    )


class OneClientEndpoint(FetchingEndpoint, PrincipalEndpoint):
    """`?at=` names the audience of the rights and of the token.

    `?kind=` is the form for a new trust of that kind, `?trust=` that for an existing one.
    """

    FORM = FORM
    FORMS = {"edit": edit, "kind": show_new_trust, "trust": show_trust}
    ACTIONS = {
        **changes_of(CLIENT),
        "revoke-tokens": revoke_tokens,
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
    PARAMETERS = ("at", *FORMS)
    SIGN_IN = {
        **dict.fromkeys(
            (*ON_ROLES, "disable", "revoke-tokens", "delete"), NeedsSignIn.IF_PROTECTED
        ),
        "fetch-keys": NeedsSignIn.NEVER,
    }
    DISABLES = (
        "It gets no token any more, and its tokens are revoked, those of people who signed in"
        " through it included: within seconds they are refused everywhere. It can be enabled"
        " again; the revoked tokens stay revoked."
    )
    DISABLED = "The client {name} is disabled, its tokens are revoked."
    DELETE, DELETED = "Delete {name}?", "{name} is deleted."

    def is_protected(self, operator: Operator, resource: Client) -> bool:
        """Whether it has rights at the issuer itself, or gives some."""
        is_there = self.parts.settings.url in resource.audiences
        return super().is_protected(operator, resource) or is_there

    def page(self, action: ResourceAction) -> ClientPage:
        client: Client = action.resource
        key, operator = action.key, action.operator
        at = action.visit.query.get("at", "")
        at = at if at in client.audiences else next(iter(client.audiences), "")
        with operator.work(CLIENT.read) as work:
            section = assignments_section(operator, work, key, tuple(client.audiences))
            secrets = secrets_in_list(work, key, self.parts.clock())
            rotation = rotation_evidence(work, key)
        is_by_admin = client.registered_by is RegisteredBy.ADMIN
        return self.page_of(ClientPage, action)(
            may_change=operator.holds(CLIENT.write) and is_by_admin,
            may_edit=operator.may_change(CLIENT.write, is_protected=action.is_protected),
            commands=self._commands_for(key, at),
            section=section,
            rights=self._rights(client, at),
            token=token_as_now(self.parts.administration, client, at),
            keys=keys_of_client(self, client),
            secrets=secrets,
            rotation=rotation,
        )

    def before_saving(self, action: ResourceAction, fields: ClientFields) -> Response | None:
        """Asks first if it changes what the client may do."""
        record, own = self.record(action.key), self.parts.settings.url
        assert isinstance(record, ClientRecord)
        if action.is_confirmed or not (found := effects(record, action.resource, fields, own)):
            return None
        what, command = f"Change what {action.key} may do?", self.update_command(action, fields)
        return action.ask(what, " ".join(found), "Save", command, action.kept, is_dangerous=False)

    def before_deletion(self, work: object, action: ResourceAction) -> Deletion:
        return Deletion(
            "Its secrets and role assignments are deleted, and its tokens revoked, those of people"
            " who signed in through it included. This cannot be undone."
        )

    def _rights(self, client: Client, at: str) -> EffectiveRights | None:
        """None without an audience: it has no rights of its own then."""
        record = self.record(client.client_id)
        assert isinstance(record, ClientRecord)
        audience = record.audiences.get(at) if at else None
        return effective_rights(record.rights, audience, client.audiences) if audience else None

    def _commands_for(self, key: str, audience: str) -> tuple[Command, ...]:
        command, body = self.commands.command, {"client_id": key, "audience": audience}
        show = command(("client", "show", key), "GET", ("clients", key))
        preview = command(("preview", key, "--audience", audience), "POST", ("preview",), body)
        secrets = command(("client", "secret", "list", key), "GET", ("clients", key, "secrets"))
        return (show, *([preview] if audience else []), secrets)
