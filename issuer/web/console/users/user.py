"""`/console/users/{key}`: one user, what they may do, how they sign in, and what happened."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from starlette.responses import Response

from issuer.clients import CLIENT
from issuer.directory import UserRecord
from issuer.errors import InvalidField, NotFound
from issuer.fields.ids import fold_id
from issuer.users import USER, User
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
    include_issuer,
    rights_somewhere,
    token_through,
)
from issuer.web.console.screens.answers import ForAccountPage
from issuer.web.console.screens.endpoint import ConsoleEndpoint
from issuer.web.console.screens.form_fields import field_errors
from issuer.web.console.screens.operator import NeedsSignIn, Operator
from issuer.web.console.screens.recent_events import (
    RecentEvents,
    SignInSeen,
    recent_events,
    sign_in_history,
)
from issuer.web.console.screens.views import Command, ConsolePage, Typed
from issuer.web.console.users.access import UserAccess, user_access
from issuer.web.console.users.changes import (
    UserAction,
    delete,
    disable,
    edit_user,
    enable,
    end_all,
    save_user,
    unlock,
)
from issuer.web.console.users.form import as_typed
from issuer.web.console.users.sign_in_methods import (
    end_session,
    invite,
    remove_factor,
    reset_factors,
    withdraw_consent,
    withdraw_invitation,
)
from issuer.web.visit import Visit

_ACTIONS: dict[str, Callable[[UserAction], Response]] = {
    "save": save_user,
    "enable": enable,
    "disable": disable,
    "unlock": unlock,
    "end-all": end_all,
    "delete": delete,
    "invite": invite,
    "withdraw-invitation": withdraw_invitation,
    "remove-factor": remove_factor,
    "reset-factors": reset_factors,
    "end-session": end_session,
    "withdraw-consent": withdraw_consent,
}
# Those that give nobody access.
_WITHOUT_ACCESS = ("save", "disable", "end-all", "delete", "end-session", "withdraw-consent")
_NOT_OF_ONESELF = {"invite", "remove-factor", "reset-factors"}


@dataclass(frozen=True, kw_only=True)
class UserPage(ConsolePage):
    """`may_edit`: all but the roles; only an admin may if the user has rights at the issuer.

    `token` is as the client `through` would get it for the audience `at`; None without a client.
    """

    TEMPLATE = "console/user.html"
    person: User
    is_self: bool
    may_edit: bool
    is_protected: bool
    reads_clients: bool
    access: UserAccess
    section: AssignmentsSection
    rights: EffectiveRights
    through: str
    at: str
    token: TokenPreview | None
    sign_ins: tuple[SignInSeen, ...] | None
    events: tuple[RecentEvents, ...] | None

    @property
    def title(self) -> str:
        return self.person.name or self.person.username


class OneUserEndpoint(ConsoleEndpoint):
    """`?at=` names the audience of the rights and of a token, `&through=` the client that gets it;
    `?edit=yes` is the form.
    """

    PATH = "/console/users/{key:path}"
    READ = USER.read
    WRITE = USER.write
    PARAMETERS = ("at", "through", "edit")
    SIGN_IN = dict.fromkeys((*ON_ROLES, *_WITHOUT_ACCESS), NeedsSignIn.IF_PROTECTED)

    def screen(self, operator: Operator, visit: Visit) -> Response:
        user, record = self._user(operator, visit)
        if "edit" in visit.query:
            self._require_may_edit(operator, record)
            return edit_user(UserAction(self, operator, visit, as_typed(user), user))
        return self.site.pages.answer(self._page(operator, visit, user, record))

    def authorize_form(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> None:
        super().authorize_form(operator, visit, form)
        is_own = fold_id(visit.request.path_params["key"]) == fold_id(operator.session.user_id)
        if is_own and form.get("do") in _NOT_OF_ONESELF:
            raise ForAccountPage("This is you: change how you sign in on your account page.")

    def act(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        user, record = self._user(operator, visit)
        do = form.get("do", "")
        try:
            if do in ON_ROLES:
                principal = Principal(USER, user.id, user.username, record.rights)
                return change_assignment(self, operator, visit, principal, form)
            if action := _ACTIONS.get(do):
                self._require_may_edit(operator, record)
                return action(UserAction(self, operator, visit, form, user))
        except InvalidField as error:
            page = replace(
                self._page(operator, visit, user, record),
                error=f"Nothing was changed. {error}",
                values=Typed(form),
                errors=Typed(field_errors(error)),
            )
            return self.site.pages.answer(page, 400)
        return self.stale(visit, form)

    def _user(self, operator: Operator, visit: Visit) -> tuple[User, UserRecord]:
        key = visit.request.path_params["key"]
        with operator.work(USER.read) as work:
            user = work.users.get(key)
        record = self.parts.directory.load_user(key)
        if record is None:
            raise NotFound("user", key)
        return user, record

    def _page(self, operator: Operator, visit: Visit, user: User, record: UserRecord) -> UserPage:
        key = user.id
        rights, own = record.rights, self.parts.settings.url
        is_protected = include_issuer(rights, own)
        at = visit.query.get("at", "").strip()
        reads_clients = operator.holds(CLIENT.read)
        through = visit.query.get("through", "").strip() if reads_clients else ""
        attempts = self.parts.sign_in.guard.state_of(key)
        with operator.work(USER.read) as work:
            section = assignments_section(operator, work, key)
            access = user_access(
                work, user, attempts.failed_attempts, attempts.locked_until, operator.session.id
            )
        return UserPage(
            frame=self.frame(operator, visit),
            may_change=operator.holds(USER.write),
            commands=self._commands_for(key, through, at),
            person=user,
            is_self=key == operator.session.user_id,
            may_edit=operator.may_change(USER.write, is_protected=is_protected),
            is_protected=is_protected,
            reads_clients=reads_clients,
            access=access,
            section=section,
            rights=rights_somewhere(self.parts.directory, rights, own, at),
            through=through,
            at=at,
            token=token_through(self.parts.administration, key, through, at),
            sign_ins=sign_in_history(operator, key),
            events=recent_events(operator, key),
        )

    def _require_may_edit(self, operator: Operator, record: UserRecord) -> None:
        is_protected = include_issuer(record.rights, self.parts.settings.url)
        operator.require_may_change(USER.write, is_protected=is_protected)

    def _commands_for(self, key: str, through: str, audience: str) -> tuple[Command, ...]:
        command, path = self.commands.command, ("users", key)
        at = {"audience": audience} if audience else {}
        cli = ("preview", through, "--user", key, *(["--audience", audience] if at else []))
        body = {"client_id": through, "user_id": key, **at}
        return (
            command(("user", "show", key), "GET", path),
            *([command(cli, "POST", ("preview",), body)] if through else []),
            *(
                command(("user", kind, "list", key), "GET", (*path, f"{kind}s"))
                for kind in ("role", "factor", "session", "consent")
            ),
        )
