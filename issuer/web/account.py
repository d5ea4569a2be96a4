"""`/account`: what somebody may use, how they sign in, who acts for them, and what happened."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from issuer.audit.activity import IN_SIGHT_FOR, Activity, activity_of
from issuer.composition import UnitOfWork
from issuer.errors import NotFound
from issuer.languages import N_, NAMES, _
from issuer.operations import Creation, Operation
from issuer.sign_in.operations import OPERATIONS
from issuer.sign_in.passkeys import why_not_offered
from issuer.sign_in.sessions_store import SignInSession
from issuer.token_exchange import operations as delegations
from issuer.users import User
from issuer.web.site import PageEndpoint
from issuer.web.views import AccountPage, ConsentView, DelegationView, ProviderButton
from issuer.web.visit import Visit, own_page
from issuer.web.words import acting_in_words, issuer_name, name_of

_DONE = {
    "password": N_("Your password is set. You are signed out everywhere else."),
    "session": N_("That browser is signed out."),
    "sessions": N_("You are signed out everywhere else."),
    "consent": N_("The application no longer acts for you."),
    "delegation": N_("It no longer acts for you there."),
    "added": N_("The authenticator app is added. It is asked for when you sign in."),
    "passkey": N_("The passkey is added. You can sign in with it."),
    "removed": N_("It is removed."),
    "linked": N_("The account is linked. You can sign in with it."),
    "unlinked": N_("The account is unlinked. Whoever was signed in with it is signed out."),
    "profile": N_("Your profile is changed."),
    "sent": N_("A link is on its way to the new address, and works for an hour."),
    "stale": N_("The page was out of date, and nothing was changed. Here it is as it is now."),
    "gone": N_("That had ended already."),
}


class OwnPageEndpoint(PageEndpoint):
    """A page for somebody who is signed in; anybody else signs in first.

    A FRESH one changes how somebody signs in: a session that was left open is not enough.
    `PARAMETERS` of its query or form say what the page is about; they outlast the sign-in. A form
    that had to wait for it goes on by itself after it, if the page KEEPS_FORMS.
    """

    FRESH = False
    PARAMETERS: tuple[str, ...] = ()
    KEEPS_FORMS = False

    async def present(self, visit: Visit) -> Response:
        kept = await self.workers.run(self._kept_form, visit) if self.KEEPS_FORMS else None
        if kept is None:
            return await super().present(visit)
        return self.site.kept_forms.forget(await self.submit(visit, kept))

    def show(self, visit: Visit) -> Response:
        session = self.enough(visit)
        if session is None:
            return self.sign_in_first(visit, visit.query)
        return self.show_to(session, visit)

    def change(self, visit: Visit, form: Mapping[str, str]) -> Response:
        session = self.enough(visit)
        if session is None:
            return self.go_on_after_sign_in(visit, form)
        return self.change_for(session, visit, form)

    def enough(self, visit: Visit) -> SignInSession | None:
        """The session of the browser, unless this page needs a newer sign-in."""
        session = self.site.session(visit)
        is_enough = session is not None and (not self.FRESH or self.is_fresh(session))
        return session if is_enough else None

    def is_fresh(self, session: SignInSession) -> bool:
        return self.site.is_fresh(session)

    def sign_in_first(self, visit: Visit, given: Mapping[str, str]) -> Response:
        """And then back to this page."""
        return self.site.to("/sign-in", next=self._here(visit, given))

    def go_on_after_sign_in(self, visit: Visit, form: Mapping[str, str]) -> Response:
        """`sign_in_first`; what was sent counts when the person of this session has done that."""
        response, session = self.sign_in_first(visit, form), self.site.session(visit)
        if self.KEEPS_FORMS and session is not None:
            self.site.kept_forms.keep(response, session.id, self._here(visit, form), form)
        return response

    def _kept_form(self, visit: Visit) -> dict[str, str] | None:
        session, here = self.enough(visit), self._here(visit, visit.query)
        return self.site.kept_forms.of(visit.request, session.id, here) if session else None

    def _here(self, visit: Visit, given: Mapping[str, str]) -> str:
        """The page, with those of its parameters that are given."""
        kept = {name: given[name] for name in self.PARAMETERS if name in given}
        return own_page(self.path(visit), kept)

    def stale(self, visit: Visit, form: Mapping[str, str]) -> Response:
        return self.site.to("/account", done="stale")

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        """The page; by default it is part of the account page."""
        return self.site.to("/account")

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        raise NotImplementedError

    def apply(
        self, session: SignInSession, visit: Visit, what: str, do: Callable[[UnitOfWork], object]
    ) -> Response:
        """Do it as that user, who may change everything of their own."""
        try:
            with self.site.changing(session, visit) as work:
                do(work)
        except NotFound:
            what = "gone"
        return self.site.to("/account", done=what)


class AccountEndpoint(OwnPageEndpoint):
    PATH = "/account"

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        with self.parts.administration.reading() as work:
            page = self._page(session, visit, work)
        return self.site.pages.answer(page)

    def _page(self, session: SignInSession, visit: Visit, work: UnitOfWork) -> AccountPage:
        user = work.users.get(session.user_id)
        record = self.parts.directory.load_user(session.user_id)
        sessions = work.sessions.of_user(user.id)
        usable, has_more = work.inspections.usable_with(work.assignments.rights_of(user.id))
        done = _DONE.get(visit.query.get("done", ""))
        return AccountPage(
            user=user.username,
            opens_console=self.site.opens_console(record),
            form=self.site.form(visit, "/account"),
            name=user.name,
            username=user.username,
            email=user.email or "",
            email_verified=user.email_verified,
            language=NAMES.get(user.language or "", ""),
            usable=tuple(usable),
            has_more_usable=has_more,
            has_password=record is not None and record.password_hash is not None,
            factors=tuple(work.factors.of_user(user.id)),
            recovery_codes_left=work.factors.recovery_codes_left(user.id),
            why_no_passkeys=why_not_offered(self.parts.settings.url) or "",
            sessions=tuple(it for it in sessions if not it.second_factor_due),
            session_id=session.id,
            consents=self._consents(work, user.id),
            delegations=self._delegations(work, user.id),
            **self._elsewhere(work, user.id),
            activity=self._activity(work, user),
            done=_(done) if done else "",
        )

    def _elsewhere(self, work: UnitOfWork, user_id: str) -> dict[str, Any]:
        """The accounts that are linked, and where one can be."""
        issuers = self.parts.directory.issuers_of_people()
        names = {each.id: issuer_name(each) for each in issuers}
        linked = work.identities.of_user(user_id)
        has_account = {each.issuer for each in linked}
        return {
            "identities": tuple(
                each.model_copy(
                    update={
                        "issuer": names.get(each.issuer, each.issuer),
                        "name": each.name or each.subject,
                    }
                )
                for each in linked
            ),
            "providers": tuple(
                ProviderButton(provider.id, names[provider.id])
                for provider in issuers
                if provider.is_shown and provider.id not in has_account
            ),
        }

    def _activity(self, work: UnitOfWork, user: User) -> tuple[Activity, ...]:
        """What happened since the user was created: another user may have had the id before."""
        since = max(user.created_at, self.parts.clock() - IN_SIGHT_FOR)
        return tuple(
            replace(each, about=self._name(each.client_id)) if each.client_id else each
            for each in activity_of(work.audit_log, user.id, since)
        )

    def _consents(self, work: UnitOfWork, user_id: str) -> tuple[ConsentView, ...]:
        views = []
        for consent in work.consents.of_user(user_id):
            name, agent_os = self._name(consent.client_id), self._agent_os(work, consent.audience)
            acting = acting_in_words(work, (one.acting for one in consent.acting))
            views.append(ConsentView(consent.client_id, name, agent_os, consent.granted_at, acting))
        return tuple(views)

    def _delegations(self, work: UnitOfWork, user_id: str) -> tuple[DelegationView, ...]:
        return tuple(
            DelegationView(
                delegation.client_id,
                self._name(delegation.client_id),
                self._agent_os(work, delegation.audience),
                self._name(delegation.from_client),
                delegation.expires_at,
            )
            for delegation in work.delegations.of_user(user_id)
        )

    def _name(self, client_id: str) -> str:
        client = self.parts.directory.load_client(client_id)
        return name_of(client) if client else client_id

    def _agent_os(self, work: UnitOfWork, audience_id: str | None) -> str:
        if audience_id is None:
            return ""
        try:
            return work.audiences.get(audience_id).name or audience_id
        except NotFound:
            return audience_id


class SignOutElsewhereEndpoint(OwnPageEndpoint):
    """The button below the sessions: every other one ends."""

    PATH = "/account/sign-out-elsewhere"

    def purpose(self, visit: Visit) -> str:
        return "/account"

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        return self.apply(
            session, visit, "sessions", lambda work: work.sessions.end_others(session)
        )


def account_form(operation: Operation[Any]) -> type[PageEndpoint]:
    """The endpoint of forms on the account page that end what they name, by this operation."""

    class Endpoint(OwnPageEndpoint):
        PATH = f"/account/{operation.on.plural}"
        OPERATION = operation

        def purpose(self, visit: Visit) -> str:
            return "/account"

        def change_for(
            self, session: SignInSession, visit: Visit, form: Mapping[str, str]
        ) -> Response:
            declared, user_id = self.OPERATION, session.user_id
            item, done = form.get(declared.parameter, ""), declared.on.name
            return self.apply(session, visit, done, lambda work: declared.do(work, user_id, item))

    return Endpoint


_OPERATIONS: tuple[Operation[Any] | Creation[Any], ...] = (*OPERATIONS, *delegations.OPERATIONS)
ENDING = [
    account_form(each) for each in _OPERATIONS if isinstance(each, Operation) and each.by_the_person
]
