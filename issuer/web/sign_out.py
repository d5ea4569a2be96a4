"""`/sign-out`: asks, and signs out; also for an application that asked for it."""

from collections.abc import Mapping

from starlette.responses import Response

from issuer.http.cookies import LOGOUT_REQUEST
from issuer.http.requests import see_other
from issuer.sign_in.logout import LogoutRequest
from issuer.web.applications import name_of
from issuer.web.site import PageEndpoint
from issuer.web.views import SignedOutPage, SignOutPage
from issuer.web.visit import Visit


class SignOutEndpoint(PageEndpoint):
    PATH = "/sign-out"

    def show(self, visit: Visit) -> Response:
        session = self.site.session_of_browser(visit)
        user = self.parts.directory.load_user(session.user_id) if session else None
        if user is None:
            return self.site.pages.answer(SignedOutPage())
        request = self._request(visit)
        client_id = request.client_id if request else None
        client = self.parts.directory.load_client(client_id) if client_id else None
        name = name_of(client) if client else ""
        page = SignOutPage(user=user.username, form=self.form(visit), application=name)
        return self.site.pages.answer(page)

    def change(self, visit: Visit, form: Mapping[str, str]) -> Response:
        session = self.site.session_of_browser(visit)
        if session is not None:
            actor = visit.actor.known_as(session.user_id)
            self.parts.people.sessions.sign_out(session, actor)
        request = self._request(visit)
        if request is None or request.return_to is None:
            return self.site.signed_out(self.site.to(self.PATH))
        response = see_other(request.return_to)
        self.site.cookies.delete(response, LOGOUT_REQUEST + request.id)
        return self.site.signed_out(response)

    def _request(self, visit: Visit) -> LogoutRequest | None:
        sealed = self.site.cookies.value(visit.request, LOGOUT_REQUEST + visit.request_id)
        request = self.parts.people.logout_requests.open(sealed) if sealed else None
        return request if request and request.id == visit.request_id else None
