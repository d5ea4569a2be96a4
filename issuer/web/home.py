"""`/`: what this is."""

from starlette.responses import Response

from issuer.web.site import PageEndpoint
from issuer.web.views import HomePage
from issuer.web.visit import Visit


class HomeEndpoint(PageEndpoint):
    PATH = "/"

    def show(self, visit: Visit) -> Response:
        session = self.site.session(visit)
        user = self.parts.directory.load_user(session.user_id) if session else None
        page = HomePage(
            user=user.username if user else "", opens_console=self.site.opens_console(user)
        )
        return self.site.pages.answer(page)
