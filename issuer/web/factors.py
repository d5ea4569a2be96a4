"""`/account/…`: add and remove second factors, and make new recovery codes."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby

from segno import make
from starlette.responses import Response

from issuer.errors import InvalidField, NotAllowed, NotFound
from issuer.languages import N_, _
from issuer.sign_in.second_factor import TotpSetup
from issuer.sign_in.sessions_store import SignInSession
from issuer.web.account import OwnPageEndpoint
from issuer.web.site import PageEndpoint
from issuer.web.views import AddPasskeyPage, AuthenticatorPage, ConfirmPage, RecoveryCodesPage
from issuer.web.visit import Visit

TOTP_METHODS = ("otp", "mfa")  # RFC 8176
_BORDER = 4
_WRONG = N_("This code is not valid now. Enter the one that the app shows.")


def qr_path(text: str) -> tuple[str, int]:
    """The path of lines for the dark modules, and how many modules a row has."""
    rows = [list(row) for row in make(text, error="m", micro=False).matrix_iter(border=_BORDER)]
    return "".join(_line(y, row) for y, row in enumerate(rows)), len(rows)


def _line(y: int, row: list[int]) -> str:
    text, x = "", 0
    for is_dark, run in groupby(row):
        length = len(list(run))
        text += f"M{x} {y}.5h{length}" if is_dark else ""
        x += length
    return text


class AuthenticatorEndpoint(OwnPageEndpoint):
    """A new secret, which counts after a code that proves that the app has it."""

    PATH = "/account/authenticator"
    FRESH = True

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        try:
            with self.parts.administration.reading() as work:
                setup = work.factors.begin_totp(session.user_id)
        except NotAllowed:
            return self.site.to("/account")
        return self.site.pages.answer(authenticator_page(self, visit, setup))

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        sealed, code = form.get("setup", ""), form.get("code", "")
        try:
            with self.site.changing(session, visit) as work:
                codes = work.factors.confirm_totp(session.user_id, sealed, code)
                work.sessions.note_factor(session, TOTP_METHODS)
        except InvalidField:
            page = authenticator_page_again(self, visit, session.user_id, sealed)
            return self.site.pages.answer(page, 400)
        except NotFound:
            return self.site.to("/account", done="gone")
        return recovery_codes(self, codes) if codes else self.site.to("/account", done="added")


class RemoveFactorEndpoint(OwnPageEndpoint):
    PATH = "/account/remove-factor"
    FRESH = KEEPS_FORMS = True
    PARAMETERS = ("factor",)

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        factor_id = visit.query.get("factor", "")
        with self.parts.administration.reading() as work:
            factors = work.factors.of_user(session.user_id)
        for factor in factors:
            if factor.id == factor_id:
                page = ConfirmPage(
                    form=self.form(visit),
                    action=self.PATH,
                    what=_("Remove the authenticator app?")
                    if factor.kind == "totp"
                    else _("Remove %(name)s?", name=factor.name),
                    why=self._without_factors()
                    if len(factors) == 1
                    else _("You cannot sign in with it afterwards."),
                    button=_("Remove"),
                    named=("factor", factor.id),
                    is_dangerous=True,
                )
                return self.site.pages.answer(page)
        return self.site.to("/account", done="gone" if factor_id else "")

    def _without_factors(self) -> str:
        if self.parts.settings.second_factor == "required":
            return _(
                "You cannot sign in with it afterwards. You set up another one when you sign in"
                " next."
            )
        return _("You cannot sign in with it afterwards. Then your password alone is enough.")

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        factor_id = form.get("factor", "")
        return self.apply(
            session, visit, "removed", lambda work: work.factors.remove(session.user_id, factor_id)
        )


class RecoveryCodesEndpoint(OwnPageEndpoint):
    PATH = "/account/recovery-codes"
    FRESH = KEEPS_FORMS = True

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        page = ConfirmPage(
            form=self.form(visit),
            action=self.PATH,
            what=_("Make new recovery codes?"),
            why=_("Your earlier ones stop working."),
            button=_("Make new codes"),
        )
        return self.site.pages.answer(page)

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        try:
            with self.site.changing(session, visit) as work:
                codes = work.factors.renew_recovery_codes(session.user_id)
        except NotAllowed:
            return self.site.to("/account", done="gone")
        return recovery_codes(self, codes, replaces=True)


class PasskeyEndpoint(OwnPageEndpoint):
    """Only shows the page: its script asks for the passkey and sends it."""

    PATH = "/account/passkey"
    FRESH = True

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        if self.parts.passkeys.why_not_offered is not None:
            return self.site.to("/account")
        return self.site.pages.answer(AddPasskeyPage(form=self.form(visit)))

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        return self.site.to(self.PATH)


def authenticator_page(page: PageEndpoint, visit: Visit, setup: TotpSetup) -> AuthenticatorPage:
    path, size = qr_path(setup.uri)
    return AuthenticatorPage(
        form=page.form(visit),
        action=page.path(visit),
        setup=setup.sealed,
        secret=setup.secret,
        uri=setup.uri,
        qr_path=path,
        qr_size=size,
    )


def authenticator_page_again(
    page: PageEndpoint, visit: Visit, user_id: str, sealed: str
) -> AuthenticatorPage:
    """With the same secret, after a wrong code; with a new one if it is not of this user."""
    with page.parts.administration.reading() as work:
        setup = work.factors.resume_totp(user_id, sealed) or work.factors.begin_totp(user_id)
    return replace(authenticator_page(page, visit, setup), error=_(_WRONG))


def recovery_codes(page: PageEndpoint, codes: list[str], *, replaces: bool = False) -> Response:
    """They are shown once, in the answer to the form: nothing keeps them for another page."""
    url = page.site.url("/account")
    shown = RecoveryCodesPage(codes=tuple(codes), next_url=url, replaces=replaces)
    return page.site.pages.answer(shown)
