"""`/account/password`: change the own password; and the rules for a new one, on any page."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from starlette.responses import Response

from issuer.directory import UserRecord
from issuer.errors import InvalidCredentials, InvalidField, TooManyRequests
from issuer.languages import N_, _
from issuer.sign_in.sessions_store import SignInSession
from issuer.telemetry.metrics import PASSWORD
from issuer.users import NewPassword
from issuer.users.passwords import check_policy
from issuer.web.account import OwnPageEndpoint
from issuer.web.views import PasswordPage
from issuer.web.visit import Visit
from issuer.web.words import too_many_attempts

FIELD = "new_password"
# What `check_policy` says of a password, as sentences.
POLICY = {
    "must have 12 to 256 characters": N_("The password must have 12 to 256 characters."),
    "must not contain control characters": N_("The password must not contain control characters."),
    "must not be one text repeated": N_("The password must not be one text repeated."),
    "is too common; choose another": N_("The password is too common; choose another."),
    "may not be the user name": N_("The password may not be the user name."),
}


def allowed_password(form: Mapping[str, str], username: str) -> str:
    """The new password in the form; `InvalidField` names the field.

    For a worker thread, and before any hash: a password that is refused costs little.
    """
    text = form.get(FIELD, "")
    if text != form.get("repeated", ""):
        raise InvalidField("repeated", _("This is not the same. Enter the new password twice."))
    if text == form.get("password"):
        raise InvalidField(FIELD, _("Choose a password other than the current one."))
    try:
        check_policy(text, username)
    except InvalidField as error:
        raise as_field(error) from None
    return text


def as_field(error: InvalidField) -> InvalidField:
    """The error of the password policy, as a sentence at the field of the form."""
    sentence = POLICY.get(error.message) or f"The password {error.message}."
    return InvalidField(FIELD, _(sentence))


class PasswordEndpoint(OwnPageEndpoint):
    """The current password is asked for, and guesses of it are limited as at sign-in.

    All sessions end, also at a first password beside a passkey; this browser gets a new one.
    """

    PATH = "/account/password"

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        user = self.parts.directory.load_user(session.user_id)
        if user is None or self._must_sign_in_again(session, user):
            return self.site.to("/sign-in", next=self.PATH)
        return self.site.pages.answer(self._page(visit, user))

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        found = await self.site.queries.run(self._current_user, visit)
        if found is None or self._must_sign_in_again(*found):
            return self.site.to("/sign-in", next=self.PATH)
        session, user = found
        try:
            allowed = await self.site.queries.run(allowed_password, form, user.username)
            if user.password_hash is not None:
                await self._check(visit, user, form.get("password", ""))
            new = await self._hash(visit, user, allowed)
            return await self.site.queries.run(self._set, visit, session, new)
        except InvalidField as error:
            page = replace(self._page(visit, user), errors={error.field: error.message})
            return await self.site.queries.run(self.site.pages.answer, page, 400)
        except TooManyRequests as error:
            sentence = too_many_attempts(error)
            page = replace(self._page(visit, user), errors={"": sentence})
            return await self.too_many(error, partial(self.site.pages.answer, page))

    def _must_sign_in_again(self, session: SignInSession, user: UserRecord) -> bool:
        """Where the password alone does not prove enough: there is none, or a second factor.

        The new session counts as a new sign-in, which may change how somebody signs in.
        """
        is_enough = user.password_hash is not None and not user.has_second_factor
        return not is_enough and not self.site.is_fresh(session)

    async def _check(self, visit: Visit, user: UserRecord, password: str) -> None:
        authenticate = self.parts.sign_in.authenticate_first_factor

        def check(may_wait: bool) -> UserRecord:
            return authenticate(user.username, password, visit.actor, may_wait=may_wait)

        try:
            await self.site.checks.run(visit.request, PASSWORD, check, username=user.username)
        except InvalidCredentials:
            raise InvalidField("password", _("This is not your current password.")) from None

    async def _hash(self, visit: Visit, user: UserRecord, allowed: str) -> NewPassword:
        hashed = partial(self.parts.passwords.prepared, allowed)
        return await self.site.checks.hash(visit.request, user.username, hashed)

    def _current_user(self, visit: Visit) -> tuple[SignInSession, UserRecord] | None:
        session = self.site.session(visit)
        user = self.parts.directory.load_user(session.user_id) if session else None
        return (session, user) if session and user else None

    def _set(self, visit: Visit, session: SignInSession, password: NewPassword) -> Response:
        user_id = session.user_id
        try:
            with self.site.changing(session, visit) as work:
                work.users.set_password(user_id, password)
        except InvalidField as error:
            raise as_field(error) from None
        response = self.site.to("/account", done="password")
        user = self.parts.directory.load_user(user_id)
        if user is None:
            return response
        agent = visit.request.headers.get("user-agent")
        user = replace(user, password_hash=password.hash)  # none that was set since
        methods = self._methods_after(session, user)
        _, cookie = self.parts.sessions.begin(user, methods, visit.actor, agent)
        return self.site.sign_in(response, cookie)

    def _methods_after(self, session: SignInSession, user: UserRecord) -> tuple[str, ...]:
        """The methods of the new session: those of `session` if they are recent and still there."""
        is_still_there = user.has_second_factor or "mfa" not in session.methods
        return session.methods if is_still_there and self.site.is_fresh(session) else ("pwd",)

    def _page(self, visit: Visit, user: UserRecord) -> PasswordPage:
        return PasswordPage(
            user=user.username,
            form=self.form(visit),
            username=user.username,
            has_password=user.password_hash is not None,
        )
