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
        return self.site.pages.answer(HomePage(user=user.username if user else ""))
