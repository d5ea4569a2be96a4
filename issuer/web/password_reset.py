"""`/password-reset`: a link to set another password, sent to whoever has the address."""

from collections.abc import Mapping
from functools import partial

from starlette.responses import Response

from issuer.errors import TooManyRequests
from issuer.fields.networks import network_of
from issuer.languages import N_, _, ngettext
from issuer.sign_in.password_resets import PasswordReset
from issuer.users import NewPassword
from issuer.web.invitation import NewPasswordEndpoint, token_of
from issuer.web.site import PageEndpoint
from issuer.web.views import NewPasswordPage, PasswordResetPage, ProblemPage
from issuer.web.visit import Visit

_MISSING = N_("Enter your user name or your e-mail address.")
_MAX_NAME = 1_024
_SENT = "sent"


class PasswordResetEndpoint(PageEndpoint):
    """One answer for every name, before anybody has looked at it: it tells nothing of a user."""

    PATH = "/password-reset"

    def show(self, visit: Visit) -> Response:
        page = PasswordResetPage(form=self.form(visit), is_sent=_SENT in visit.query)
        return self.site.pages.answer(page)

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        name = form.get("username", "").strip()[:_MAX_NAME]
        page = partial(PasswordResetPage, form=self.form(visit), name=name)
        if not name:
            return await self.site.queries.run(self.site.pages.answer, page(error=_(_MISSING)), 400)
        try:
            await self.site.limits.password_resets.count(network_of(visit.actor.address))
        except TooManyRequests as error:
            sentence = ngettext(
                "Too many requests. Try again in %(num)s second.",
                "Too many requests. Try again in %(num)s seconds.",
                error.retry_after,
            )
            return await self.too_many(error, partial(self.site.pages.answer, page(error=sentence)))
        self.parts.administration.request_password_reset(name, visit.actor)
        return self.site.to(self.PATH, sent="yes", request=visit.request_id, next=visit.next)


class PasswordResetLinkEndpoint(NewPasswordEndpoint[PasswordReset]):
    """Who sets a password here signs in with it next, second factor included."""

    PATH = "/password-reset/{token}"

    def find(self, visit: Visit) -> PasswordReset | None:
        with self.parts.administration.reading(held=()) as work:
            return work.password_resets.find(token_of(visit))

    def accept(self, visit: Visit, link: PasswordReset, password: NewPassword) -> Response:
        actor = visit.actor.known_as(link.user_id)
        with self.parts.administration.changing(actor, held=()) as work:
            work.password_resets.complete(token_of(visit), password)
        return self.site.to("/sign-in", switch="yes", done="password")

    def page(self, visit: Visit, link: PasswordReset, errors: dict[str, str]) -> NewPasswordPage:
        return NewPasswordPage(
            form=self.form(visit),
            action=self.path(visit),
            username=link.username,
            expires_at=link.expires_at,
            errors=errors,
        )

    def gone(self) -> Response:
        page = ProblemPage(
            heading=_("This link does not work any more"),
            sentence=_(
                "It was used already, is older than half an hour, or the account has changed since."
                " Nothing was changed now."
            ),
            way_back=f"{self.site.base}/password-reset",
            way_back_says=_("Ask for another link"),
        )
        return self.site.pages.problem(page)
