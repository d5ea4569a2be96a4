"""`/account/profile` and `/account/email`: people change their own name, language and address."""

from collections.abc import Mapping
from dataclasses import replace

from starlette.responses import Response

from issuer.errors import InvalidField, NotAllowed
from issuer.http.cookies import LANGUAGE
from issuer.languages import LANGUAGES, N_, _
from issuer.sign_in.own_profile import NewAddress
from issuer.sign_in.sessions_store import SignInSession
from issuer.users import User
from issuer.web.account import OwnPageEndpoint
from issuer.web.rendering import LANGUAGE_KEPT
from issuer.web.views import ConfirmPage, EmailPage, ProblemPage, ProfilePage
from issuer.web.visit import Visit

_BAD_NAME = N_("A name has at most 255 characters that can be printed.")
_BAD_ADDRESS = N_("This is not an e-mail address.")
_NAME, _EMAIL = "name", "email"


class OwnProfileEndpoint(OwnPageEndpoint):
    def profile_of(self, session: SignInSession) -> tuple[User, bool]:
        """The user, and whether somebody else keeps name and address."""
        with self.parts.administration.reading() as work:
            user = work.users.get(session.user_id)
            return user, work.own_profile.is_kept_elsewhere(user.id)


class ProfileEndpoint(OwnProfileEndpoint):
    PATH = "/account/profile"

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        return self.site.pages.answer(self._page(session, visit))

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        language = form.get("language", "")
        chosen = language if language in LANGUAGES else None
        patch = {_NAME: form.get(_NAME, "").strip(), "language": chosen}
        try:
            with self.site.changing(session, visit) as work:
                work.own_profile.change(session.user_id, patch)
        except InvalidField:
            page, errors = self._page(session, visit), {_NAME: _(_BAD_NAME)}
            page = replace(page, name=form.get(_NAME, ""), language=language, errors=errors)
            return self.site.pages.answer(page, 400)
        response = self.site.to("/account", done="profile")
        if chosen:
            self.site.cookies.set(response, LANGUAGE, chosen, LANGUAGE_KEPT)
        return response

    def _page(self, session: SignInSession, visit: Visit) -> ProfilePage:
        user, is_kept = self.profile_of(session)
        return ProfilePage(
            user=user.username,
            form=self.form(visit),
            name=user.name,
            language=user.language or "",
            is_kept_elsewhere=is_kept,
        )


class EmailEndpoint(OwnProfileEndpoint):
    """An address gives a way to set another password, so an open session is not enough."""

    PATH = "/account/email"
    FRESH = KEEPS_FORMS = True

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        return self.site.pages.answer(self._page(session, visit))

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        email = form.get(_EMAIL, "").strip()
        try:
            with self.site.changing(session, visit) as work:
                is_sent = work.own_profile.ask_for(session.user_id, email)
        except (InvalidField, NotAllowed) as error:
            sentence = _(_BAD_ADDRESS if isinstance(error, InvalidField) else str(error))
            page = self._page(session, visit)
            page = replace(page, email=email, errors={_EMAIL: sentence})
            return self.site.pages.answer(page, 400)
        return self.site.to("/account", done="sent" if is_sent else "profile")

    def _page(self, session: SignInSession, visit: Visit) -> EmailPage:
        user, is_kept = self.profile_of(session)
        return EmailPage(
            user=user.username,
            form=self.form(visit),
            email=user.email or "",
            is_kept_elsewhere=is_kept,
        )


class ConfirmEmailEndpoint(OwnPageEndpoint):
    """The link that was sent. It counts for whoever asked for it alone, who signs in with it."""

    PATH = "/account/email/{token}"

    def path(self, visit: Visit) -> str:
        return self.PATH.format(**visit.request.path_params)

    def purpose(self, visit: Visit) -> str:
        return self.path(visit)

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        if (found := self._find(session, visit)) is None:
            return self._gone()
        page = ConfirmPage(
            form=self.form(visit),
            action=self.path(visit),
            what=_("Use %(email)s?", email=found.email),
            why=_("It becomes the address of your account. The one before is told of it."),
            button=_("Confirm"),
        )
        return self.site.pages.answer(page)

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        token = visit.request.path_params["token"]
        try:
            with self.site.changing(session, visit) as work:
                work.own_profile.confirm(session.user_id, token)
        except NotAllowed:
            return self._gone()
        return self.site.to("/account", done="profile")

    def _find(self, session: SignInSession, visit: Visit) -> NewAddress | None:
        with self.parts.administration.reading() as work:
            return work.own_profile.find(session.user_id, visit.request.path_params["token"])

    def _gone(self) -> Response:
        page = ProblemPage(
            heading=_("This link does not work any more"),
            sentence=_(
                "It was used already, is older than an hour, is for somebody else than is signed in"
                " here, or the account has changed since. Nothing was changed now."
            ),
            way_back=f"{self.site.base}/account",
            way_back_says=_("To your account"),
        )
        return self.site.pages.problem(page)
