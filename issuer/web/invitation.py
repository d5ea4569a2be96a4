"""`/invitation/…`: somebody sets the first password; and what all such links share."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Generic, TypeVar

from starlette.responses import Response

from issuer.directory import UserRecord
from issuer.errors import InvalidField, NotAllowed, TooManyRequests
from issuer.languages import _
from issuer.sign_in.invitations import Invitation
from issuer.sign_in.password_resets import PasswordReset
from issuer.users import NewPassword
from issuer.web.password import allowed_password, as_field
from issuer.web.providers import BeginsElsewhere
from issuer.web.sessions import SigningInEndpoint
from issuer.web.views import InvitationPage, ProblemPage, WebPage
from issuer.web.visit import Visit
from issuer.web.words import too_many_attempts

_METHODS = ("pwd",)  # RFC 8176


Link = TypeVar("Link", Invitation, PasswordReset)


class NewPasswordEndpoint(SigningInEndpoint, Generic[Link]):
    """A link with which somebody sets a password, once.

    Looking at it uses nothing up: previews of chat programs do that, too.
    """

    def find(self, visit: Visit) -> Link | None:
        """What the link is for, unless it does not work any more."""
        raise NotImplementedError

    def page(self, visit: Visit, link: Link, errors: dict[str, str]) -> WebPage:
        """For a worker thread: it may query."""
        raise NotImplementedError

    def accept(self, visit: Visit, link: Link, password: NewPassword) -> Response:
        """Use the link; `NotAllowed` if another request was faster."""
        raise NotImplementedError

    def gone(self) -> Response:
        """The link does not work any more."""
        raise NotImplementedError

    def path(self, visit: Visit) -> str:
        return super().path(visit).format(token=token_of(visit))

    def purpose(self, visit: Visit) -> str:
        return self.path(visit)

    def show(self, visit: Visit) -> Response:
        link = self.find(visit)
        return self.gone() if link is None else self._page(visit, link, {})

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        link = await self.site.queries.run(self.find, visit)
        if link is None:
            return self.gone()
        username = link.username
        try:
            allowed = await self.site.queries.run(allowed_password, form, username)
            hashed = partial(self.parts.passwords.prepared, allowed)
            new = await self.site.checks.hash(visit.request, username, hashed)
            return await self.site.queries.run(self._accept, visit, link, new)
        except InvalidField as error:
            errors = {error.field: error.message}
            return await self.site.queries.run(self._page, visit, link, errors, 400)
        except TooManyRequests as error:
            sentence = too_many_attempts(error)
            return await self.too_many(error, partial(self._page, visit, link, {"": sentence}))

    def stale(self, visit: Visit, form: Mapping[str, str]) -> Response:
        return self.show(visit)

    def _page(self, visit: Visit, link: Link, wrong: dict[str, str], status: int = 200) -> Response:
        return self.site.pages.answer(self.page(visit, link, wrong), status)

    def _accept(self, visit: Visit, link: Link, password: NewPassword) -> Response:
        try:
            return self.accept(visit, link, password)
        except InvalidField as error:
            raise as_field(error) from None
        except NotAllowed:
            return self.gone()


class InvitationEndpoint(BeginsElsewhere, NewPasswordEndpoint[Invitation]):
    """The first password."""

    PATH = "/invitation/{token}"

    def accept(self, visit: Visit, link: Invitation, password: NewPassword) -> Response:
        actor = visit.actor.known_as(link.user_id)
        with self.parts.administration.changing(actor) as work:
            user_id = work.invitations.accept_with_password(token_of(visit), password)
        user = self.parts.directory.load_user(user_id)
        if user is None:
            return self.gone()
        user = replace(user, password_hash=password.hash)  # not what it became since
        visit = replace(visit, next=self.first_page(user))
        return self.after_first_factor(visit, user, _METHODS)

    def first_page(self, user: UserRecord) -> str:
        """Where somebody begins who is new here; empty for the account."""
        return "/console" if self.site.opens_console(user) else ""

    def find(self, visit: Visit) -> Invitation | None:
        with self.parts.administration.reading() as work:
            return work.invitations.find(token_of(visit))

    def page(self, visit: Visit, link: Invitation, errors: dict[str, str]) -> InvitationPage:
        user = self.parts.directory.load_user(link.user_id)
        elsewhere = self.must_go_elsewhere(user) if user else ""
        can_use_passkey = self.parts.passkeys.why_not_offered is None
        is_offered = can_use_passkey and not link.needs_password and not elsewhere
        buttons = () if link.needs_password else self.provider_buttons()
        providers = tuple(each for each in buttons if each.is_only or not elsewhere)
        return InvitationPage(
            form=self.form(visit),
            action=self.path(visit),
            name=link.name,
            username=link.username,
            expires_at=link.expires_at,
            errors=errors,
            elsewhere=elsewhere,
            offers_passkey=is_offered,
            providers=providers,
            leads_elsewhere=bool(providers),
        )

    def gone(self) -> Response:
        page = ProblemPage(
            heading=_("This invitation does not work any more"),
            sentence=_(
                "It was used already, is too old, or was replaced by a newer one. If you have a"
                " password, sign in; else ask for a new invitation."
            ),
            way_back=f"{self.site.base}/sign-in",
            way_back_says=_("Sign in"),
        )
        return self.site.pages.problem(page)


def token_of(visit: Visit) -> str:
    token: str = visit.request.path_params["token"]
    return token
