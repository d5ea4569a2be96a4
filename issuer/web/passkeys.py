"""`/passkeys/…`: what the script of a page asks for as JSON, and the forms that it sends."""

import json
from collections.abc import Mapping

from starlette.responses import JSONResponse, Response

from issuer.errors import AlreadyExists, InvalidCredentials, InvalidField, IssuerError, NotAllowed
from issuer.languages import N_, _
from issuer.sign_in.challenges import Answer
from issuer.sign_in.invitations import Invitation
from issuer.sign_in.passkey_sign_in import PasskeyUse
from issuer.sign_in.passkeys import NewPasskey, why_not_offered
from issuer.sign_in.sessions_store import SignInSession
from issuer.telemetry.logs import get_logger
from issuer.telemetry.metrics import PASSKEY
from issuer.web.factors import PasskeyEndpoint, recovery_codes
from issuer.web.invitation import InvitationEndpoint, token_of
from issuer.web.second_factor import FirstFactorEndpoint, SecondFactorEndpoint
from issuer.web.sign_in import SignInEndpoint
from issuer.web.site import PageEndpoint, Site
from issuer.web.views import AddPasskeyPage, RecoveryCodesPage, SignInPage
from issuer.web.visit import Refusal, Visit

log = get_logger(__name__)
_WRONG = N_("This passkey was not accepted. Try again, or sign in another way.")
_STALE = N_("This page is out of date. Open it again.")
_NOT_ADDED = N_("This passkey could not be added. Try again.")
_BAD_NAME = N_("The name of a passkey has 1 to 255 printable characters.")
_NAME = N_("Passkey")  # of one that was made where no name is asked for
_MAX_REASON = 200
OPTIONS = "/options"  # after the path of an endpoint


class AsksForPasskey(PageEndpoint):
    """A page whose forms hold the answer of a passkey."""

    def options(self, visit: Visit) -> str | None:
        """JSON of what to ask the browser for; None if there is nothing to ask."""
        raise NotImplementedError


class OptionsEndpoint(PageEndpoint):
    """Answers the script before the form is sent. Stores nothing."""

    def __init__(self, site: Site, endpoint: AsksForPasskey) -> None:
        super().__init__(site)
        self.PATH = endpoint.PATH + OPTIONS
        self._endpoint = endpoint

    def purpose(self, visit: Visit) -> str:
        return self._endpoint.purpose(visit)

    def show(self, visit: Visit) -> Response:
        return self.site.to("/account")

    def change(self, visit: Visit, form: Mapping[str, str]) -> Response:
        if (why_not := why_not_offered(self.parts.settings.url)) is not None:
            return _json({"error": why_not}, 400)
        options = self._endpoint.options(visit)
        if options is None:
            return self.stale(visit, form)
        return _json({"options": json.loads(options)})

    def stale(self, visit: Visit, form: Mapping[str, str]) -> Response:
        return _json({"error": _(_STALE)}, 400)

    def refuse(self, visit: Visit, refusal: Refusal) -> Response:
        return _json({"error": _(_STALE)}, 403)


class PasskeySignInEndpoint(SignInEndpoint, AsksForPasskey):
    """A passkey alone: the user name is not asked for."""

    PATH, PAGE = "/passkeys/sign-in", SignInEndpoint.PATH
    METHOD = PASSKEY

    def options(self, visit: Visit) -> str | None:
        return self.parts.passkey_sign_in.begin(visit.browser)

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        finish, answer = self.parts.passkey_sign_in.finish, answer_in(form)

        def check(may_wait: bool) -> PasskeyUse:
            return finish(answer, visit.browser, visit.actor, may_wait=may_wait)

        def begin(wrong: SignInPage, use: PasskeyUse) -> Response:
            return self.begin_with(visit, use.user, wrong, lambda: self.after_passkey(visit, use))

        wrong = SignInPage(form=self.form(visit), error=_(_WRONG))
        return await self.run_check(visit, wrong, check, begin)


class PasskeySecondFactorEndpoint(SecondFactorEndpoint, AsksForPasskey):
    """A passkey after the password."""

    PATH, PAGE = "/passkeys/second-factor", SecondFactorEndpoint.PATH
    METHOD = PASSKEY
    WRONG = _WRONG

    def options(self, visit: Visit) -> str | None:
        due = self.due(visit)
        return self.parts.passkey_sign_in.begin(visit.browser, due.user_id) if due else None

    def methods(
        self, due: SignInSession, visit: Visit, form: Mapping[str, str], *, may_wait: bool
    ) -> tuple[str, ...]:
        finish, answer = self.parts.passkey_sign_in.finish, answer_in(form)
        actor, user_id = visit.actor, due.user_id
        return finish(answer, visit.browser, actor, user_id, may_wait=may_wait).methods


class MakesPasskey(AsksForPasskey):
    """A page on which a user makes a passkey."""

    def options_for(self, visit: Visit, user_id: str) -> str | None:
        user, passkeys = self.parts.directory.load_user(user_id), self.parts.passkeys
        if user is None or passkeys.why_not_offered is not None:
            return None
        with self.parts.administration.reading() as work:
            existing = work.factors.passkeys(user_id)
        must_verify = user.password_hash is None
        return passkeys.registration_options(
            user_id, user.username, visit.browser, existing, must_verify_user=must_verify
        )

    def new_passkey(self, visit: Visit, user_id: str, form: Mapping[str, str]) -> NewPasskey:
        """The passkey in the form; `InvalidField` if it is none for this user and browser."""
        user = self.parts.directory.load_user(user_id)
        must_verify = user is None or user.password_hash is None
        return self.parts.passkeys.verify_registration(
            answer_in(form), user_id, visit.browser, must_verify_user=must_verify
        )


class RegisterPasskeyEndpoint(PasskeyEndpoint, MakesPasskey):
    """One more passkey of somebody who is signed in."""

    PATH, PAGE = "/passkeys/register", PasskeyEndpoint.PATH

    def options(self, visit: Visit) -> str | None:
        session = self.site.session(visit)
        if session is None or not self.site.is_fresh(session):
            return None
        return self.options_for(visit, session.user_id)

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        name = form.get("name", "")
        try:
            passkey = self.new_passkey(visit, session.user_id, form)
            with self.site.changing(session, visit) as work:
                codes = work.factors.add_passkey(passkey, name)
                work.sessions.note_factor(session, passkey.methods)
        except (AlreadyExists, InvalidField, NotAllowed) as error:
            log.info("page_refused", reason=str(error)[:_MAX_REASON])  # it may quote the answer
            page = AddPasskeyPage(form=self.form(visit), name=name, error=_in_words(error))
            return self.site.pages.answer(page, 400)
        return recovery_codes(self, codes) if codes else self.site.to("/account", done="passkey")


class FirstPasskeyEndpoint(FirstFactorEndpoint, MakesPasskey):
    """A passkey as the first factor, where one is required."""

    PATH, PAGE = "/passkeys/first", FirstFactorEndpoint.PATH

    def options(self, visit: Visit) -> str | None:
        due = self.due(visit)
        return self.options_for(visit, due.user_id) if due else None

    def add(self, due: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        try:
            passkey = self.new_passkey(visit, due.user_id, form)
            with self.adding(due, visit) as work:
                codes = work.factors.add_passkey(passkey, _(_NAME))
        except (InvalidField, NotAllowed):
            return self.show(visit)
        return self.complete(visit, due, passkey.methods, codes)


class PasskeyInvitationEndpoint(InvitationEndpoint, AsksForPasskey):
    """A passkey in place of a first password. It must verify the user, being both factors."""

    PATH = "/passkeys/invitation/{token}"
    PAGE = InvitationEndpoint.PATH

    def options(self, visit: Visit) -> str | None:
        invitation = self.find(visit)
        passkeys = self.parts.passkeys
        if invitation is None or invitation.needs_password or passkeys.why_not_offered:
            return None
        return passkeys.registration_options(
            invitation.user_id, invitation.username, visit.browser, [], must_verify_user=True
        )

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        return await self.site.queries.run(self.change, visit, form)

    def change(self, visit: Visit, form: Mapping[str, str]) -> Response:
        invitation = self.find(visit)
        if invitation is None:
            return self.gone()
        try:
            passkey = self.parts.passkeys.verify_registration(
                answer_in(form), invitation.user_id, visit.browser, must_verify_user=True
            )
            return self._accept_passkey(visit, invitation, passkey)
        except InvalidField:
            return self.show(visit)
        except (NotAllowed, InvalidCredentials):
            return self.gone()

    def _accept_passkey(self, visit: Visit, invitation: Invitation, new: NewPasskey) -> Response:
        actor = visit.actor.known_as(invitation.user_id)
        with self.parts.administration.changing(actor) as work:
            user_id, codes = work.invitations.accept_with_passkey(token_of(visit), new, _(_NAME))
        user = self.parts.directory.load_user(user_id)
        if user is None:
            return self.gone()
        use = PasskeyUse(user, new.methods, new.credential_id)
        cookie = self.begin(visit, use)[1]
        url = self.site.url(self.first_page(user) or "/account")
        page = RecoveryCodesPage(codes=tuple(codes), next_url=url)
        return self.site.sign_in(self.site.pages.answer(page), cookie)


def answer_in(form: Mapping[str, str]) -> Answer:
    """The answer of a passkey in a form; empty if there is none, which no check accepts."""
    try:
        answer = json.loads(form.get("credential", ""))
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _in_words(error: IssuerError) -> str:
    """Why a passkey was not added; the reason of a refused answer is for developers."""
    if isinstance(error, NotAllowed):
        return _(str(error))
    is_name = isinstance(error, InvalidField) and error.field == "name"
    return _(_BAD_NAME) if is_name else _(_NOT_ADDED)


def _json(members: Mapping[str, object], status: int = 200) -> Response:
    return JSONResponse(dict(members), status, headers={"Cache-Control": "no-store"})
