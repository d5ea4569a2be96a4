"""`/console/users/{key}`: one user, what they may do, how they sign in, and what happened."""

from typing import Any

from starlette.responses import Response

from issuer.clients.client import CLIENT
from issuer.composition import UnitOfWork
from issuer.explain.commands import preview
from issuer.fields.ids import fold_id
from issuer.fields.text import counts_in_words
from issuer.operations import About
from issuer.sign_in import operations as sign_in
from issuer.token_exchange import operations as delegations
from issuer.users import USER, User, operations
from issuer.users.operations import SIGNS_OUT, SIGNS_YOU_OUT
from issuer.users.user import user_states
from issuer.web.console.rights.assignments import PrincipalScreen, assignments_section
from issuer.web.console.rights.effective_rights import rights_somewhere, token_preview
from issuer.web.console.rights.last_use import use_at
from issuer.web.console.screens.answers import ForAccountPage
from issuer.web.console.screens.events import sign_in_history
from issuer.web.console.screens.operations import actions_of
from issuer.web.console.screens.operator import NeedsSignIn
from issuer.web.console.screens.resource import Deletion, changes_of
from issuer.web.console.users.users import (
    FORM,
    IS_DISABLED,
    show_invitation,
    what_disabling_ends,
)

# Those that give nobody access, unless the user has rights at the issuer.
_WITHOUT_ACCESS = (
    *PrincipalScreen.ON_OTHERS,
    *("save", "disable", "revoke-tokens", "delete"),
    *("remove-identity", "end-session", "withdraw-consent", "end-delegation"),
)
_PARTS = (sign_in.FACTORS, sign_in.SESSIONS, sign_in.CONSENTS, delegations.DELEGATIONS)
_SHOWN = 50  # groups, sessions, consents, and delegations
_NOT_OF_ONESELF = {"invite", "remove-factor", "reset-factors", "add-identity", "remove-identity"}


class OneUserScreen(PrincipalScreen):
    """`?at=` names the audience of the rights and of a token, `&through=` the client that gets it;
    `?edit=yes` is the form.
    """

    FORM, NAME = FORM, "username"
    ACTIONS = {
        **changes_of(USER),
        **actions_of(
            (*operations.OPERATIONS, *sign_in.OPERATIONS, *delegations.OPERATIONS), show_invitation
        ),
    }
    PARAMETERS = ("at", "through", "edit")
    SIGN_IN = dict.fromkeys(_WITHOUT_ACCESS, NeedsSignIn.IF_PROTECTED)
    ENABLED, DISABLED = "{name} is enabled.", IS_DISABLED
    DELETE, DELETED = "Delete {name}?", "{name} is deleted."

    def authorize_form(self) -> None:
        super().authorize_form()
        key, own = self.visit.request.path_params["key"], self.operator.session.user_id
        if fold_id(key) == fold_id(own) and self.form.get("do") in _NOT_OF_ONESELF:
            raise ForAccountPage("This is you: change how you sign in on your account page.")

    def page(self, **shown: Any) -> Response:
        """`may_edit`: all but the roles; only an admin may if the user has rights at the issuer.

        `token` is as the client `through` would get it for the audience `at`; None without one.
        """
        user: User = self.resource
        key, operator, query = user.id, self.operator, self.visit.query
        at = query.get("at", "").strip()
        reads_clients = operator.holds(CLIENT.read)
        through = query.get("through", "").strip() if reads_clients else ""
        own = self.parts.settings.url
        rights = rights_somewhere(self.parts.directory, self.rights, own, at)
        issuers = self.parts.directory.issuers_of_people()  # before: one connection at a time
        with operator.work(USER.read) as work:
            access = self._access(work, user)
            use = use_at(operator, work, USER, user, rights.audience)
        return super().page(
            may_change=operator.holds(USER.write),
            may_edit=operator.may_change(USER.write, is_protected=self.is_protected),
            commands=(
                USER.show_command(key),
                *([preview(through, user=key, audience=at)] if through else []),
                operations.USER_ROLES.part.list_command(key),
                *(part.list_command(key) for part in _PARTS),
            ),
            is_self=key == operator.session.user_id,
            reads_clients=reads_clients,
            most=_SHOWN,
            rights=rights,
            use=use,
            through=through,
            at=at,
            token=token_preview(self.parts.administration, through, at, key) if through else None,
            sign_ins=sign_in_history(operator, key),
            issuers_of_people=[each.id for each in issuers],
            **access,
            **shown,
        )

    def _access(self, work: UnitOfWork, user: User) -> dict[str, Any]:
        """Roles and groups of the user, how they sign in, and where they did."""
        tries = work.users.attempts_of_each([user.id])[user.id]
        attempts = self.parts.guard.state_by(tries)
        means = work.factors.methods_of(user.id)[user.id]
        return {
            "section": assignments_section(self.operator, work, user.id, self.form),
            "groups": work.groups.of_user(user.id),
            "attempts": attempts,
            "means": means,
            "states": user_states(user, means, attempts.locked_until),
            "factors": work.factors.of_user(user.id),
            "identities": work.identities.of_user(user.id),
            "recovery_codes_left": work.factors.recovery_codes_left(user.id),
            "sessions": work.sessions.of_user(user.id),
            "own_session_id": self.operator.session.id,
            "consents": work.consents.of_user(user.id),
            "delegations": work.delegations.of_user(user.id),
            "noticed_by": work.departures.noticed_by(user.id),
        }

    def what_disabling_ends(self) -> str:
        own_id = self.operator.session.user_id
        return what_disabling_ends(About(self.key, self.name, "", own_id=own_id))

    def before_deletion(self, work: UnitOfWork) -> Deletion:
        with_it = counts_in_words(work.deleted_with_user(self.key))
        deleted = f"Deleted with the user: {with_it}. " if with_it else ""
        ends = f"{SIGNS_OUT} The id may be used again. This cannot be undone.{self._warning()}"
        return Deletion(f"{deleted}{ends}")

    def _warning(self) -> str:
        """A sentence for users who are about to end their own sessions; empty for others."""
        return SIGNS_YOU_OUT if self.key == self.operator.session.user_id else ""
