"""`/console`: leads to the first screen that the person may see."""

from starlette.responses import Response

from issuer.web.console.endpoint import ConsoleEndpoint, Operator
from issuer.web.console.menu import PATH, menu
from issuer.web.visit import Visit


class StartEndpoint(ConsoleEndpoint):
    PATH = PATH

    def screen(self, operator: Operator, visit: Visit) -> Response:
        entries = menu(operator, PATH)
        return self.site.to(entries[0].path if entries else "/account")
