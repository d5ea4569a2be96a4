"""Routes of the admin API: what happens before, after and around every operation."""

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from inspect import signature
from itertools import chain
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from issuer import scopes
from issuer.admin.access import authenticate
from issuer.admin.parts import admin_parts
from issuer.admin.problems import ProblemRaised, rendered, shortened
from issuer.admin.representations import Done, StrictJsonRequest, Tried, require_json
from issuer.composition import Access
from issuer.http.etags import etag_of
from issuer.http.requests import is_known
from issuer.http.streaming import StreamedText
from issuer.vocabulary import ADMIN_API

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
_KEPT_IN_304 = ("ETag", "Vary", "Cache-Control")  # RFC 9110 §15.4.5
_OF_PARAMETERS = {"cursor": "invalid-cursor", "if_match": "precondition-failed"}
_CONDITIONAL = {
    "parameters": [
        {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "schema": {"type": "string"},
            "description": "ETags of cached representations: 304 if one of them is current.",
        }
    ],
    "responses": {"304": {"description": "Not modified"}},
}
_TRIED: dict[str, Any] = {"description": "Dry run: nothing was changed", "model": Tried}
_MAX_WARNING = 1_000
PRIVILEGED = "A change to what holds or grants rights at the issuer itself requires issuer:admin."


def location(caller: Access, *parts: str) -> str:
    """The absolute URL of a resource; each part may contain any character."""
    path = "/".join(quote(part, safe="") for part in parts)
    return f"{caller.administration.settings.url}{ADMIN_API}/{path}"


@dataclass(frozen=True)
class Required:
    """The scopes for an operation: any of `alternatives`, each of which may be several.

    An empty one is met by any scope of the issuer. `note` is a further requirement that the path
    alone cannot tell; it concerns admins only where no scope is required.
    """

    alternatives: tuple[tuple[str, ...], ...]
    note: str = ""


def requires(
    *alternatives: str | tuple[str, ...], note: str = ""
) -> Callable[[Endpoint], Endpoint]:
    """The scopes of an operation; without this, those to read or write what its tag names."""
    each = tuple((one,) if isinstance(one, str) else one for one in alternatives)

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.required = Required(each, note)  # type: ignore[attr-defined]
        return endpoint

    return mark


class AdminRoute(APIRoute):
    """Authenticates and checks rights before parsing: no body is read for a caller without rights.

    Operations may require more scopes, depending on the body. One that returns nothing answers
    204. Problems that follow from the path, the parameters and the body are documented here.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **described: Any) -> None:
        reads = "GET" in described["methods"]
        if reads:
            described["openapi_extra"] = _CONDITIONAL
        if not hasattr(endpoint, "required"):
            scope = f"issuer:{described['tags'][0]}:{'read' if reads else 'write'}"
            requires(scope, note="" if reads else PRIVILEGED)(endpoint)
        self.required: Required = endpoint.required  # type: ignore[attr-defined]
        if unknown := {*chain(*self.required.alternatives)} - scopes.ISSUER_SCOPES:
            raise LookupError(f"There are no scopes {unknown}, which {path} requires.")
        returned = endpoint.__annotations__.get("return", Any)
        if returned in {None, Done}:
            described |= {"status_code": 204, "response_model": None}
        if returned == Done:
            described["responses"] = {200: _TRIED, **(described["responses"] or {})}
        super().__init__(path, endpoint, **described)
        if HTTPStatus.UNAUTHORIZED in self.responses:  # routers make routes again to include them
            return
        parameters = signature(endpoint).parameters
        named = [each for each in self.responses if isinstance(each, str)]
        if "{" in path:
            named.insert(0, "not-found")
        named += [problem for name, problem in _OF_PARAMETERS.items() if name in parameters]
        has_body = self.body_field is not None or "requestBody" in (self.openapi_extra or {})
        others = {key: each for key, each in self.responses.items() if key not in named}
        self.responses = {**rendered(named, has_body=has_body), **others}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        method = next(iter(self.methods or ()))
        body_is_required = self.body_field is None or self.body_field.field_info.is_required()
        dependants = [self.dependant, *self.dependant.dependencies]
        parameters = {each.alias for one in dependants for each in one.query_params}

        def admit(request: Request) -> None:
            authenticate(request).require_any(self.required.alternatives)
            _require_known_parameters(request, parameters)

        async def answer(request: Request) -> Response:
            await run_in_threadpool(admit, request)
            if self.body_field is not None and (body_is_required or _has_body(request)):
                require_json(request)
            names = request.path_params.items()
            request.scope["path_params"] = {name: unquote(value) for name, value in names}
            request = StrictJsonRequest(request.scope, request.receive)
            if method == "GET":
                return _conditional(request, await handle(request))
            try:
                await request.body()  # however slowly it comes
            except ClientDisconnect:
                raise ProblemRaised("malformed-request", "The body ends too early.") from None
            async with admin_parts(request).turns.turn():
                response = await handle(request)
            access: Access = request.state.access
            if access.dry_run:
                response.headers["Dry-Run"] = "true"
            if response.status_code == HTTPStatus.NO_CONTENT:
                for warning in access.warnings:
                    # In ASCII. Others ignore it (RFC 9111 §5.5); kubectl prints it likewise.
                    text = json.dumps(warning[:_MAX_WARNING])
                    response.headers.append("Warning", f"299 - {text}")
            return response

        return answer


def admin_router(prefix: str, tag: str) -> APIRouter:
    """A router for the operations of one resource."""
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        route_class=AdminRoute,
        generate_unique_id_function=lambda route: route.name,  # the name in generated clients
    )


def _conditional(request: Request, response: Response) -> Response:
    """304 for a representation that the caller has cached (RFC 9110 §13.1.2).

    What is made while it is sent has no ETag: its bytes are not known before.
    """
    if isinstance(response, StreamedText):
        return response
    response.headers.setdefault("ETag", etag_of(bytes(response.body)))
    if not is_known(request.headers.getlist("if-none-match"), response.headers["ETag"]):
        return response
    headers = {name: response.headers[name] for name in _KEPT_IN_304 if name in response.headers}
    return Response(status_code=304, headers=headers)


def _has_body(request: Request) -> bool:
    """RFC 9112 §6: whether the request has a body, also an empty one of some type."""
    names = {"content-type", "transfer-encoding"}.intersection(request.headers)
    return bool(names) or request.headers.get("content-length", "0") != "0"


def _require_known_parameters(request: Request, known: set[str]) -> None:
    """422 for an unknown query parameter: a misspelled filter would list too much."""
    names = [name for name, _ in request.query_params.multi_items()]
    errors = [
        {"field": shortened(name), "message": "is not a query parameter of this operation"}
        for name in dict.fromkeys(names)
        if name not in known
    ] + [
        {"field": name, "message": "may appear only once"}
        for name in dict.fromkeys(names)
        if name in known and names.count(name) > 1
    ]
    if errors:
        raise ProblemRaised.of_fields(errors)
