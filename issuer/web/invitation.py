"""`/invitation/…`: somebody sets the first password."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from starlette.responses import Response

from issuer.directory import UserRecord
from issuer.errors import InvalidField, NotAllowed, TooManyRequests
from issuer.sign_in.invitations import Invitation
from issuer.users import NewPassword
from issuer.web.password import allowed_password, as_field
from issuer.web.sessions import SigningInEndpoint
from issuer.web.views import InvitationPage, ProblemPage
from issuer.web.visit import Visit

_METHODS = ("pwd",)  # RFC 8176


class InvitationEndpoint(SigningInEndpoint):
    """Looking at the link uses nothing up: previews of chat programs do that, too."""

    PATH = "/invitation/{token}"

    def path(self, visit: Visit) -> str:
        return f"/invitation/{token_of(visit)}"

    def purpose(self, visit: Visit) -> str:
        return f"/invitation {token_of(visit)}"

    def show(self, visit: Visit) -> Response:
        invitation = self.find(visit)
        if invitation is None:
            return self.gone()
        return self.site.pages.answer(self._page(visit, invitation))

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        invitation = await self.site.queries.run(self.find, visit)
        if invitation is None:
            return self.gone()
        username = invitation.username
        try:
            allowed = await self.site.queries.run(allowed_password, form, username)
            hashed = partial(self.parts.sign_in.passwords.prepared, allowed)
            new = await self.site.checks.hashed(visit.request, username, hashed)
            return await self.site.queries.run(self._accept, visit, invitation, new)
        except InvalidField as error:
            page = replace(self._page(visit, invitation), errors={error.field: error.message})
            return await self.site.queries.run(self.site.pages.answer, page, 400)
        except TooManyRequests as error:
            sentence = f"Too many attempts. Try again in {error.retry_after} seconds."
            page = replace(self._page(visit, invitation), errors={"": sentence})
            return await self.too_many(error, partial(self.site.pages.answer, page))

    def stale(self, visit: Visit, form: Mapping[str, str]) -> Response:
        return self.show(visit)

    def _accept(self, visit: Visit, invitation: Invitation, password: NewPassword) -> Response:
        actor = visit.actor.known_as(invitation.user_id)
        try:
            with self.parts.administration.changing(actor) as work:
                user_id = work.invitations.accept_with_password(token_of(visit), password)
        except InvalidField as error:
            raise as_field(error) from None
        except NotAllowed:
            return self.gone()
        user = self.parts.directory.load_user(user_id)
        if user is None:
            return self.gone()
        user = replace(user, password_hash=password.hash)  # not what it became since
        visit = replace(visit, next=self.first_page(user))
        return self.after_password(visit, user, _METHODS)

    def first_page(self, user: UserRecord) -> str:
        """Where somebody begins who is new here; empty for the account."""
        return "/console" if self.site.opens_console(user) else ""

    def find(self, visit: Visit) -> Invitation | None:
        with self.parts.administration.reading() as work:
            return work.invitations.find(token_of(visit))

    def _page(self, visit: Visit, invitation: Invitation) -> InvitationPage:
        can_use_passkey = self.parts.factors.passkeys.why_not_offered is None
        return InvitationPage(
            form=self.form(visit),
            action=self.path(visit),
            name=invitation.name,
            username=invitation.username,
            expires_at=invitation.expires_at,
            offers_passkey=can_use_passkey and not invitation.needs_password,
        )

    def gone(self) -> Response:
        page = ProblemPage(
            heading="This invitation does not work any more",
            sentence="It was used already, is too old, or was replaced by a newer one. If you have"
            " a password, sign in; else ask for a new invitation.",
            way_back=f"{self.site.base}/sign-in",
            way_back_says="Sign in",
        )
        return self.site.pages.problem(page)


def token_of(visit: Visit) -> str:
    token: str = visit.request.path_params["token"]
    return token
