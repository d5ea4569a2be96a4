"""`/console/clients/{key}`: one client, what it may do, its secrets, and what happened to it."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from issuer.audiences import AUDIENCE
from issuer.clients.client import CLIENT, Client, ClientFields, SecretFields
from issuer.clients.operations import LOGOUTS, OPERATIONS, SECRETS
from issuer.directory import ClientRecord
from issuer.explain.commands import preview
from issuer.resources.resource_type import members_of
from issuer.values import lazy_property
from issuer.vocabulary import GrantType, RegisteredBy
from issuer.web.console.clients import credentials, trusts
from issuer.web.console.clients.clients import DISABLES, FORM, IS_DISABLED, effects, members_for
from issuer.web.console.rights.assignments import PrincipalScreen, assignments_section
from issuer.web.console.rights.effective_rights import effective_rights, token_preview
from issuer.web.console.rights.last_use import use_at
from issuer.web.console.rights.scope_picker import scopes_to_pick
from issuer.web.console.screens.operations import actions_of
from issuer.web.console.screens.operator import NeedsSignIn
from issuer.web.console.screens.picks import MAX_BYTES
from issuer.web.console.screens.resource import Deletion, ResourceScreen, changes_of
from issuer.web.console.screens.resource_form import names_to_pick
from issuer.web.words import duration_in_words


class OneClientScreen(PrincipalScreen):
    """`?at=` names the audience of the rights and of the token.

    `?kind=` is the form for a new trust of that kind, `?trust=` that for an existing one.
    """

    FORM = FORM
    MAX_FORM = MAX_BYTES
    FORMS = {"kind": trusts.show_new_trust, "trust": trusts.show_trust}
    ACTIONS = {
        **changes_of(CLIENT),
        **actions_of(OPERATIONS, credentials.show_secret),
        "add-key": credentials.add_key,
        "fetch-keys": credentials.fetch_keys,
        "add-trust": trusts.add_trust,
        "save-trust": trusts.save_trust,
    }
    PARAMETERS = ("at", "edit", *FORMS)
    SIGN_IN = {
        **dict.fromkeys(
            (*PrincipalScreen.ON_OTHERS, "disable", "revoke-tokens", "delete"),
            NeedsSignIn.IF_PROTECTED,
        ),
        "fetch-keys": NeedsSignIn.NEVER,
        "retry-backchannel-logout": NeedsSignIn.NEVER,
    }
    DISABLES, DISABLED = DISABLES, IS_DISABLED
    DELETE, DELETED = "Delete {name}?", "{name} is deleted."
    wrong = ResourceScreen.wrong

    @lazy_property
    def is_protected(self) -> bool:
        """Whether it has rights at the issuer itself, or gives some."""
        return super().is_protected or self.parts.settings.url in self.resource.audiences

    def page(self, **shown: Any) -> Response:
        """`may_edit`: all but its roles; only an admin may if it has rights at the issuer itself.

        `rights` and `token` are None for a client that has none of its own.
        """
        client: Client = self.resource
        key, operator = self.key, self.operator
        at = self.visit.query.get("at", "")
        at = at if at in client.audiences else next(iter(client.audiences), "")
        with operator.work(CLIENT.read) as work:
            section = assignments_section(operator, work, key, self.form, tuple(client.audiences))
            in_list = [*credentials.secrets_in_list(work, key, self.parts.clock())]
            rotation = credentials.rotation_evidence(work, key)
            logouts = work.item(LOGOUTS, key) if client.backchannel_logout_uri else None
            use = use_at(operator, work, CLIENT, client, at)
        record, is_by_admin = self.record, client.registered_by is RegisteredBy.ADMIN
        assert isinstance(record, ClientRecord)
        audience = record.audiences.get(at)  # without one, it has no rights of its own
        has_own_tokens = at and GrantType.CLIENT_CREDENTIALS in client.grant_types
        ttl = self.parts.settings.client_secret_ttl
        return super().page(
            is_by_admin=is_by_admin,
            may_change=operator.holds(CLIENT.write) and is_by_admin,
            may_edit=operator.may_change(CLIENT.write, is_protected=self.is_protected),
            commands=(
                CLIENT.show_command(key),
                *([preview(key, audience=at)] if at else []),
                SECRETS.list_command(key),
            ),
            section=section,
            rights=audience and effective_rights(record.rights, audience, client.audiences),
            token=token_preview(self.parts.administration, key, at) if has_own_tokens else None,
            keys=credentials.keys_of_client(self),
            secrets=in_list,
            new_secret=members_of(SecretFields),
            usual_end=f"after {duration_in_words(ttl)}" if ttl else "never",
            rotation=rotation,
            logouts=logouts,
            use=use,
            **shown,
        )

    def edit_form(self, values: Mapping[str, str], **shown: Any) -> Response:
        """The form, also with members that are wrong or that somebody else has changed."""
        has = {*members_for(self.resource, values), *values.get("members", "").split()}
        has |= {*shown.get("errors", ()), *shown.get("present", ())}
        members = tuple(name for name in FORM.members if name in has)
        return super().edit_form(values, members=members, **shown)

    def picks(self, values: Mapping[str, str]) -> dict[str, Any]:
        picks = names_to_pick(self.operator, values, AUDIENCE)
        return {**scopes_to_pick(self.operator, values), **picks}

    def before_saving(self, fields: ClientFields) -> Response | None:
        """Asks first if it changes what the client may do."""
        own = self.parts.settings.url
        assert isinstance(self.record, ClientRecord)
        found = effects(self.record, self.resource, fields, own)
        if self.is_confirmed or not found:
            return None
        question = f"Change what {self.key} may do?", " ".join(found), "Save"
        command = self.update_command(fields)
        return self.confirm(question, command, self.kept, is_dangerous=False)

    def before_deletion(self, work: object) -> Deletion:
        return Deletion(
            "Its secrets and role assignments are deleted, and its tokens revoked, those of people"
            " who signed in through it included. This cannot be undone."
        )
