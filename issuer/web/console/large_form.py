"""Screens whose forms may be larger than those of other pages."""

from typing import ClassVar

from starlette.requests import Request

from issuer.http_forms import parameters, receive_body
from issuer.web.console.endpoint import ConsoleEndpoint


class LargeFormEndpoint(ConsoleEndpoint):
    """Takes forms of at most `MAX_FORM` bytes, but only from people who are signed in."""

    MAX_FORM: ClassVar[int]

    async def receive(self, request: Request) -> dict[str, str]:
        """Not parsed on the event loop."""
        if not await self.site.queries.run(self._is_signed_in, request):
            return await super().receive(request)
        body = await receive_body(request, self.MAX_FORM)
        return await self.site.queries.run(parameters, body)

    def _is_signed_in(self, request: Request) -> bool:
        return self.site.session(self.site.visit(request)) is not None
