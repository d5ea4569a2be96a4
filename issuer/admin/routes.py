"""The one kind of route this API has: what happens before and after every operation."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from issuer.admin.access import authenticate
from issuer.admin.bodies import StrictJsonRequest, require_json
from issuer.admin.problems import ProblemRaised, shortened
from issuer.catalogue import needs_of


class AdminRoute(APIRoute):
    """Authenticate, check rights, then read: nothing is parsed for a caller without rights.

    The rights are those in `catalogue/own_routes.py`; an operation that has no line there does not
    start. An operation may require more, since some rights depend on what is in the body.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        method = next(iter(self.methods or ()))
        needs = needs_of(method, self.path)
        parameters = {each.alias for each in self.dependant.query_params}

        def admit(request: Request) -> None:
            authenticate(request).require_any(needs)
            _require_known_parameters(request, parameters)

        async def answer(request: Request) -> Response:
            await run_in_threadpool(admit, request)
            if self.body_field is not None:
                require_json(request)
            return await handle(StrictJsonRequest(request.scope, request.receive))

        return answer


def admin_router(prefix: str, tag: str) -> APIRouter:
    """A router for the operations of one resource."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=AdminRoute)


def _require_known_parameters(request: Request, known: set[str]) -> None:
    """422 for a query parameter that would be ignored: a misspelled filter shows too much."""
    given = [name for name, _ in request.query_params.multi_items()]
    errors = [
        {"field": shortened(name), "message": "is not a query parameter of this operation"}
        for name in dict.fromkeys(given)
        if name not in known
    ] + [
        {"field": name, "message": "may be given once"}
        for name in dict.fromkeys(given)
        if name in known and given.count(name) > 1
    ]
    if errors:
        raise ProblemRaised.of_fields(errors)
