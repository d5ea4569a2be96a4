"""Screens whose forms may be larger than those of other pages."""

from typing import ClassVar

from starlette.requests import Request

from issuer.errors import Forbidden
from issuer.http.requests import parameters, receive_body
from issuer.web.console.endpoint import ConsoleEndpoint


class LargeFormEndpoint(ConsoleEndpoint):
    """Takes forms of at most `MAX_FORM` bytes, but only from people who may send them."""

    MAX_FORM: ClassVar[int]

    async def receive(self, request: Request) -> dict[str, str]:
        """Not parsed on the event loop."""
        if not await self.site.queries.run(self._may_send, request):
            return await super().receive(request)
        body = await receive_body(request, self.MAX_FORM)
        return await self.site.queries.run(parameters, body)

    def _may_send(self, request: Request) -> bool:
        visit = self.site.visit(request)
        if (session := self.site.session(visit)) is None:
            return False
        try:
            self.require_write(self.operator(session, visit))
        except Forbidden:
            return False
        return True
