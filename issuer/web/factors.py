"""`/account/…`: add and remove second factors, and make new recovery codes."""

from collections.abc import Mapping

from starlette.responses import Response

from issuer.errors import InvalidField, NotAllowed, NotFound
from issuer.sign_in.session import SignInSession
from issuer.web.account import OwnPageEndpoint
from issuer.web.qr import qr_path
from issuer.web.views import AddPasskeyPage, AuthenticatorPage, ConfirmPage, RecoveryCodesPage
from issuer.web.visit import Visit

_WRONG = "This code is not valid now. Enter the one that the app shows."


class AuthenticatorEndpoint(OwnPageEndpoint):
    """First a new secret, then a code that proves that the app has it."""

    PATH = "/account/authenticator"
    FRESH = True

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        with self.parts.administration.reading() as work:
            setup = work.factors.pending_totp(session.user_id)
        if setup is None:
            return self.site.pages.answer(self._begin_page(visit))
        path, size = qr_path(setup.uri)
        page = AuthenticatorPage(
            user=session.user_id,
            form=self.form(visit),
            action=self.PATH,
            secret=setup.secret,
            uri=setup.uri,
            qr_path=path,
            qr_size=size,
            error=_WRONG if visit.query.get("wrong") else "",
        )
        return self.site.pages.answer(page)

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        try:
            with self.parts.administration.changing(visit.actor.known_as(session.user_id)) as work:
                if "code" not in form:
                    work.factors.begin_totp(session.user_id)
                    return self.site.to(self.PATH)
                codes = work.factors.confirm_totp(session.user_id, form["code"])
        except InvalidField:
            return self.site.to(self.PATH, wrong="1")
        except (NotAllowed, NotFound):
            return self.site.to("/account", done="gone")
        return recovery_codes(self, codes) if codes else self.site.to("/account", done="added")

    def _begin_page(self, visit: Visit) -> ConfirmPage:
        return ConfirmPage(
            form=self.form(visit),
            action=self.PATH,
            what="Add an authenticator app",
            why="You will need your phone: it shows six digits that change every 30 seconds, which"
            " you enter after your password. Nobody can sign in with your password alone.",
            button="Show the QR code",
        )


class RemoveFactorEndpoint(OwnPageEndpoint):
    PATH = "/account/remove-factor"
    FRESH = True

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        factor_id = visit.query.get("factor", "")
        with self.parts.administration.reading() as work:
            factors = work.factors.of_user(session.user_id)
        for each in factors:
            if each.id == factor_id:
                page = ConfirmPage(
                    form=self.form(visit),
                    action=self.PATH,
                    what=f"Remove {each.name or 'the authenticator app'}?",
                    why="You cannot sign in with it afterwards."
                    + (" Then your password alone is enough." if len(factors) == 1 else ""),
                    button="Remove",
                    factor_id=each.id,
                )
                return self.site.pages.answer(page)
        return self.site.to("/account", done="gone")

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        factor_id = form.get("factor", "")
        return self.done(
            session, visit, "removed", lambda work: work.factors.remove(session.user_id, factor_id)
        )


class RecoveryCodesEndpoint(OwnPageEndpoint):
    PATH = "/account/recovery-codes"
    FRESH = True

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        page = ConfirmPage(
            form=self.form(visit),
            action=self.PATH,
            what="Make new recovery codes?",
            why="Your earlier ones stop working.",
            button="Make new codes",
        )
        return self.site.pages.answer(page)

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        try:
            with self.parts.administration.changing(visit.actor.known_as(session.user_id)) as work:
                codes = work.factors.renew_recovery_codes(session.user_id)
        except NotAllowed:
            return self.site.to("/account", done="gone")
        return recovery_codes(self, codes)


class PasskeyEndpoint(OwnPageEndpoint):
    """Only shows the page: its script asks for the passkey and sends it."""

    PATH = "/account/passkey"
    FRESH = True

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        if self.parts.factors.passkeys.why_not_offered is not None:
            return self.site.to("/account")
        return self.site.pages.answer(AddPasskeyPage(form=self.form(visit)))

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        return self.site.to(self.PATH)


def recovery_codes(page: OwnPageEndpoint, codes: list[str]) -> Response:
    """They are shown once, in the answer to the form: nothing keeps them for another page."""
    url = page.site.to("/account").headers["location"]
    return page.site.pages.answer(RecoveryCodesPage(codes=tuple(codes), next_url=url))
