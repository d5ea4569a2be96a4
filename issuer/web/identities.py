"""Accounts at trusted issuers, of people who are signed in and of those who are invited."""

from collections.abc import Mapping

from starlette.responses import Response

from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import NotAllowed
from issuer.languages import _
from issuer.sign_in.sessions_store import SignInSession
from issuer.web.account import OwnPageEndpoint
from issuer.web.invitation import InvitationEndpoint, token_of
from issuer.web.providers import BeginsElsewhere
from issuer.web.views import ConfirmPage, ProblemPage
from issuer.web.visit import Visit
from issuer.web.words import issuer_name


class LinkEndpoint(OwnPageEndpoint, BeginsElsewhere):
    """Sends the browser to the trusted issuer; the account is linked when it comes back."""

    PATH = "/account/link"
    FRESH = True
    PARAMETERS = ("issuer",)

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        issuer = self.named_provider(visit.query)
        if issuer is None:
            return self.site.to("/account", done="gone")
        name = issuer_name(issuer)
        page = ConfirmPage(
            form=self.form(visit),
            action=self.PATH,
            what=_("Link your account at %(provider)s?", provider=name),
            why=_(
                "You sign in there now, and can then sign in here with it. Whoever runs"
                " %(provider)s can sign in as you.",
                provider=name,
            ),
            button=_("Continue with %(name)s", name=name),
            named=("issuer", issuer.id),
            leads_elsewhere=True,
        )
        return self.site.pages.answer(page)

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        session = await self.site.queries.run(self.site.session, visit)
        if session is None or not await self.site.queries.run(self.site.is_fresh, session):
            return self.sign_in_first(visit, form)
        issuer = await self.site.queries.run(self.named_provider, form)
        if issuer is None:
            return self.site.to("/account", done="gone")
        return await self.begin_at(visit, issuer, session_id=session.id, max_age=None)


class TrialEndpoint(OwnPageEndpoint, BeginsElsewhere):
    """Sends an administrator to a trusted issuer, shown or not, to try whether people can sign in.

    The page of the trusted issuer in the console says how that ended. Nothing is changed.
    """

    PATH = "/sign-in/try"
    PARAMETERS = ("issuer",)
    IS_TRANSLATED = False

    def providers(self) -> list[TrustedIssuerRecord]:
        return [each for each in self.parts.directory.issuers_of_people() if each.is_for_people]

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        if (issuer := self._issuer(session, visit.query)) is None:
            return self.site.to("/account", done="gone")
        page = ConfirmPage(
            form=self.form(visit),
            action=self.PATH,
            what=f"Try to sign in with {issuer_name(issuer)}?",
            why="You sign in there now, as people will, and then read what this issuer got and what"
            " a sign-in would do. Nothing is changed, and you stay signed in here as you are.",
            button=f"Continue with {issuer_name(issuer)}",
            named=("issuer", issuer.id),
            leads_elsewhere=True,
            way_back=f"/console/trusted-issuers/{issuer.id}",
        )
        return self.site.pages.answer(page)

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        session = await self.site.queries.run(self.enough, visit)
        if session is None:
            return self.sign_in_first(visit, form)
        issuer = await self.site.queries.run(self._issuer, session, form)
        if issuer is None:
            return self.site.to("/account", done="gone")
        about = {"session_id": session.id, "max_age": None, "is_trial": True}
        return await self.begin_at(visit, issuer, **about)

    def _issuer(
        self, session: SignInSession, given: Mapping[str, str]
    ) -> TrustedIssuerRecord | None:
        return self.named_provider(given) if self.may_try(session) else None


class UnlinkEndpoint(OwnPageEndpoint):
    PATH = "/account/unlink"
    FRESH = True
    PARAMETERS = ("identity",)

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        with self.parts.administration.reading() as work:
            linked = {each.id: each for each in work.identities.of_user(session.user_id)}
        identity = linked.get(visit.query.get("identity", ""))
        if identity is None:
            return self.site.to("/account", done="gone")
        issuer = self.parts.directory.trusted_issuer(identity.issuer)
        name = issuer_name(issuer) if issuer else identity.issuer
        page = ConfirmPage(
            form=self.form(visit),
            action=self.PATH,
            what=_("Unlink your account at %(provider)s?", provider=name),
            why=_(
                "You cannot sign in with it afterwards. Browsers that signed in with it are signed"
                " out, perhaps this one too, and what applications may do from there ends."
            ),
            button=_("Unlink"),
            named=("identity", identity.id),
            is_dangerous=True,
        )
        return self.site.pages.answer(page)

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        user_id, named = session.user_id, form.get("identity", "")
        try:
            return self.apply(
                session, visit, "unlinked", lambda work: work.identities.unlink_own(user_id, named)
            )
        except NotAllowed as error:
            page = ProblemPage(
                heading=_("The account stays linked"),
                sentence=str(error),
                way_back=f"{self.site.base}/account",
                way_back_says=_("To your account"),
            )
            return self.site.pages.problem(page)


class InvitedElsewhereEndpoint(InvitationEndpoint):
    """The buttons of an invitation: it is accepted when the browser comes back."""

    PATH, PAGE = "/invitation/{token}/with", "/invitation/{token}"

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        issuer = await self.site.queries.run(self.named_provider, form)
        invitation = await self.site.queries.run(self.find, visit)
        if invitation is None or issuer is None:
            return self.gone()
        return await self.begin_at(visit, issuer, invitation=token_of(visit), max_age=None)
