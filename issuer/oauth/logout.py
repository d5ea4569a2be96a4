"""The logout endpoint (OpenID Connect RP-Initiated Logout 1.0)."""

from collections.abc import Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from issuer.audit import Actor
from issuer.http.cookies import LOGOUT_REQUEST
from issuer.http.requests import caller, see_other
from issuer.oauth.browser_endpoint import BrowserEndpoint
from issuer.sign_in.authorization_request import RequestProblem
from issuer.sign_in.logout import LogoutRequest

LOGOUT_PATH = "/oauth2/logout"
_PAGE_PATH = "/sign-out"


class LogoutEndpoint(BrowserEndpoint):
    """Signs out at once for a client that shows the ID token of this session; else it asks."""

    EVENT = "logout_refused"
    SIGNS_OUT = True

    async def _answer(self, request: Request, parameters: Sequence[tuple[str, str]]) -> Response:
        outcome = await self._queries.run(self._decide, request, parameters, caller(request))
        if isinstance(outcome, RequestProblem):
            return self._page(outcome)
        logout, is_signed_out = outcome
        if is_signed_out and (logout.return_to or logout.ui_locale is None):
            response = see_other(logout.return_to or self._base_url + _PAGE_PATH)
        else:
            response = see_other(f"{self._base_url}{_PAGE_PATH}?request={logout.id}")
            sealed = self._people.logout_requests.seal(logout)
            self._keep(request, response, LOGOUT_REQUEST + logout.id, sealed)
        if is_signed_out:
            self._cookies.sign_out(response)
        return response

    def _decide(
        self, request: Request, parameters: Sequence[tuple[str, str]], actor: Actor
    ) -> tuple[LogoutRequest, bool] | RequestProblem:
        """The request, and whether nobody is signed in any more."""
        logout = self._people.logout_requests.validate(parameters)
        if isinstance(logout, RequestProblem):
            return logout
        # Also one that waits for its second factor, which opens nothing else.
        if (session := self._session(request, self._people.sessions.of_browser)) is None:
            return (logout if logout.redirects_unasked else replace(logout, return_to=None)), True
        if logout.session_id != session.id:  # the client has not shown that it knows it: ask
            return logout, False
        self._people.sessions.sign_out(session, actor.known_as(session.user_id))
        return logout, True
