"""Signing in with an account of a trusted issuer: the way there."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from issuer.directory import UserRecord
from issuer.directory.records import TrustedIssuerRecord
from issuer.federation.metadata import ProviderAway, ProviderProblem
from issuer.http.cookies import PROVIDER_REQUEST
from issuer.http.requests import see_other
from issuer.languages import _
from issuer.scopes import ISSUER_ADMIN
from issuer.sign_in.authorization_request import VALID_FOR
from issuer.sign_in.parameters import LOGIN, SELECT_ACCOUNT
from issuer.sign_in.sessions_store import SignInSession
from issuer.web.console.screens.answers import Notices
from issuer.web.console.screens.views import Notice
from issuer.web.navigation import FlowEndpoint
from issuer.web.views import ProblemPage, ProviderButton
from issuer.web.visit import Visit
from issuer.web.words import issuer_name

LOCAL = "local"  # names the page with the password where `only` sends people elsewhere at once
_ISSUER = "issuer"
_AWAY, _RETRY_AFTER = 503, "10"
_PROMPT = "login"
_TRIED = "You only tried it: nothing was changed."


class BeginsElsewhere(FlowEndpoint):
    """A page from which a browser is sent to a trusted issuer."""

    def providers(self) -> list[TrustedIssuerRecord]:
        """The trusted issuers where people sign in now, in order of id."""
        return [each for each in self.parts.directory.issuers_of_people() if each.is_shown]

    def provider_buttons(self) -> tuple[ProviderButton, ...]:
        found = self.providers()
        return tuple(ProviderButton(e.id, issuer_name(e), e.is_only_way) for e in found)

    def named_provider(self, given: Mapping[str, str]) -> TrustedIssuerRecord | None:
        """The trusted issuer that a form or a query names, if people sign in there."""
        return next((each for each in self.providers() if each.id == given.get(_ISSUER)), None)

    def must_go_elsewhere(self, user: UserRecord, at: str = "") -> str:
        """Why this user may not sign in here, or `at` that issuer; empty if they may."""
        only = self.parts.sessions.only_way_of(user)
        if only is None or only.id == at:
            return ""
        return _(
            "Sign in with %(provider)s. Only administrators sign in here without it.",
            provider=issuer_name(only),
        )

    async def begin_at(self, visit: Visit, issuer: TrustedIssuerRecord, **about: Any) -> Response:
        """Send the browser there; `about` as for `ProviderRequests.new`."""
        requests = self.parts.provider_requests
        prompt, max_age, hint = await self.site.queries.run(self._parameters, visit)
        about = {"max_age": max_age, **about}
        request = requests.new(issuer, request_id=visit.request_id, next=visit.next, **about)
        if request.max_age == 0:
            prompt = _PROMPT
        try:
            url = await self.parts.provider_sign_in().url_for(issuer, request, prompt, hint)
        except (ProviderAway, ProviderProblem) as error:
            return self.away(visit, issuer, error, is_trial=request.is_trial)
        response = see_other(url)
        cookie, sealed = PROVIDER_REQUEST + request.id, requests.seal(request)
        self.site.cookies.keep_request(
            visit.request, response, cookie, sealed, self.parts.request_began_at, VALID_FOR
        )
        return response

    def away(
        self,
        visit: Visit,
        issuer: TrustedIssuerRecord,
        error: ProviderAway | ProviderProblem,
        *,
        is_trial: bool = False,
    ) -> Response:
        """The page for a provider that cannot be used now. Whoever is signed in stays that."""
        reason = error.reason if isinstance(error, ProviderProblem) else str(error)
        self.site.checks.unavailable(issuer, reason)
        if is_trial:
            return self.tried(issuer.id, f"It failed: {reason}.")
        name = issuer_name(issuer)
        page = ProblemPage(
            heading=_("%(provider)s cannot be reached", provider=name),
            sentence=_(
                "Nothing was changed here. Try again in a moment. If it stays away, tell whoever"
                " runs %(provider)s.",
                provider=name,
            ),
            way_back=self.local_path(visit),
            way_back_says=_("Back to the sign-in"),
        )
        response = self.site.pages.problem(page, _AWAY)
        response.headers["Retry-After"] = _RETRY_AFTER
        return response

    def may_try(self, session: SignInSession) -> bool:
        """Whether it is the session of somebody who may change where people sign in."""
        user = self.parts.directory.load_user(session.user_id)
        return user is not None and ISSUER_ADMIN in self.site.scopes_here(user)

    def tried(self, issuer_id: str, result: str) -> Response:
        """To the page of the trusted issuer in the console, which says how a trial ended."""
        notices = Notices(self.site.cookies, self.parts.notices)
        page = self.site.to(f"/console/trusted-issuers/{issuer_id}")
        return notices.keep(page, Notice(f"{result} {_TRIED}"))

    def local_path(self, visit: Visit) -> str:
        """The sign-in page, with the password, also where people are sent elsewhere at once."""
        query = {"request": visit.request_id, "next": visit.next, LOCAL: "1"}
        return self.site.url("/sign-in", **query)

    def _parameters(self, visit: Visit) -> tuple[str | None, int | None, str | None]:
        """`prompt`, `max_age` and `login_hint` for the trusted issuer.

        Somebody who is signed in comes here to be somebody else, or to sign in again.
        """
        request, session = self.open_request(visit), self.site.session(visit)
        prompt = _PROMPT if session is not None else None
        if request is None:
            return prompt, (0 if visit.next and session is not None else None), None
        asks_again = not request.prompt.isdisjoint({LOGIN, SELECT_ACCOUNT})
        asks_again |= self.parts.flow.needs_fresh_sign_in(request)
        return prompt, (0 if asks_again else request.max_age), request.login_hint


class ElsewhereEndpoint(BeginsElsewhere):
    """The buttons of the sign-in page."""

    PATH, PAGE = "/sign-in/with", "/sign-in"

    def show(self, visit: Visit) -> Response:
        return self.site.to(self.PAGE, request=visit.request_id, next=visit.next)

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        issuer = await self.site.queries.run(self.named_provider, form)
        if issuer is None:  # it was disabled meanwhile
            return self.site.to(self.PAGE, request=visit.request_id, next=visit.next)
        return await self.begin_at(visit, issuer)
