"""The operations of SCIM: from a request to its response, each in one transaction."""

from typing import Any
from urllib.parse import unquote

from scim2_models import (
    Context,
    NotFoundException,
    PreconditionFailedException,
    Resource,
    ResponseParameters,
)
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from issuer.admin.representations import parsed_json
from issuer.admin.scim.description import PREFIX
from issuer.admin.scim.groups import ScimGroups
from issuer.admin.scim.queries import read_search
from issuer.admin.scim.resources import ScimResources, Stored, version_of
from issuer.admin.scim.responses import MEDIA_TYPE, json_response
from issuer.admin.scim.schemas import PROVIDER
from issuer.admin.scim.users import ScimUsers
from issuer.composition import Access
from issuer.http.requests import is_known
from issuer.scopes import ISSUER_SCIM

_LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_MEDIA_TYPES = {MEDIA_TYPE, "application/json"}
_MAX_VALUES = 100_000
_KINDS: dict[str, type[ScimResources]] = {each.endpoint: each for each in (ScimUsers, ScimGroups)}


def operate(access: Access, path: str, request: Request, body: bytes) -> Response:
    """The response to an authenticated request; errors are those of the domain and library."""
    with PROVIDER:
        sent = _parse(request, body) if request.method in {"POST", "PUT", "PATCH"} else None
        return _Operation(access, request, sent).answer(path)


class _Operation:
    def __init__(self, access: Access, request: Request, sent: Any) -> None:
        self._access = access
        self._request = request
        self._sent = sent
        self._url = access.administration.settings.url

    def answer(self, path: str) -> Response:
        collection, _, rest = path.removeprefix("/").partition("/")
        kind = _KINDS.get(f"/{collection}")
        if rest == ".search" or path == "/.search":
            return self._search([kind] if kind else [*_KINDS.values()], self._sent)
        if kind is None:
            return self._description(collection)
        if not rest and self._request.method == "GET":
            return self._search([kind], self._parameters())
        if not rest:
            return self._create(kind)
        if self._request.method == "GET":
            return self._read(kind)
        return self._change(kind)

    def _create(self, kind: type[ScimResources]) -> Response:
        shown = self._response_parameters(kind)
        with self._access.work(ISSUER_SCIM) as work:
            resources = kind(work, self._url)
            stored = resources.get(resources.create(self._sent))
            body = resources.shown(stored, shown)
        headers = {"Location": resources.location(stored.id), "ETag": version_of(stored)}
        return json_response(body, 201, headers)

    def _read(self, kind: type[ScimResources]) -> Response:
        shown = self._response_parameters(kind)
        with self._access.reading(ISSUER_SCIM) as work:
            resources = kind(work, self._url)
            stored = resources.get(self._id)
            body = resources.shown(stored, shown)
        headers = {"ETag": version_of(stored)}
        if self._names_version("if-none-match", stored):
            return Response(status_code=304, headers=headers)
        return json_response(body, 200, headers)

    def _change(self, kind: type[ScimResources]) -> Response:
        shown, method = self._response_parameters(kind), self._request.method
        with self._access.work(ISSUER_SCIM) as work:
            resources = kind(work, self._url)
            self._require_preconditions(resources.get(self._id))
            if method == "DELETE":
                resources.delete(self._id)
                return Response(status_code=204)
            if method == "PUT":
                resources.replace(self._id, self._sent)
            else:
                resources.patch(self._id, self._sent)
            stored = resources.get(self._id)
            headers = {"ETag": version_of(stored)}
            is_asked_for = shown.attributes or shown.excluded_attributes
            if method == "PATCH" and not kind.answers_patch and not is_asked_for:
                return Response(status_code=204, headers=headers)
            body = resources.shown(stored, shown)
        return json_response(body, 200, headers)

    def _search(self, kinds: list[type[ScimResources]], sent: Any) -> Response:
        """A page of several kinds: the resources of one after those of the other."""
        search = read_search(_union(kinds), sent)
        offset, left = (search.start_index or 1) - 1, search.count or 0
        found: list[dict[str, Any]] = []
        total = 0
        with self._access.reading(ISSUER_SCIM) as work:
            for kind in kinds:
                page, number = kind(work, self._url).page(search, offset, left)
                found += page
                total += number
                offset, left = max(0, offset - number), left - len(page)
        return json_response(_list_response(found, total, search.start_index or 1))

    def _description(self, collection: str) -> Response:
        """What the service says about itself (RFC 7644 §4)."""
        if collection == "ServiceProviderConfig":
            assert PROVIDER.config is not None
            return json_response(self._document(PROVIDER.config, f"/{collection}"))
        described = {"Schemas": PROVIDER.schemas, "ResourceTypes": PROVIDER.resource_types}
        documents = {
            str(each.id): self._document(each, f"/{collection}/{each.id}")
            for each in described[collection]
        }
        if "id" not in self._request.path_params:
            if "filter" in self._request.query_params:  # RFC 7644 §4
                raise HTTPException(403, "These resources cannot be filtered.")
            return json_response(_list_response([*documents.values()], len(documents), 1))
        if (document := documents.get(self._id)) is None:
            raise NotFoundException(detail=f"There is no {self._id!r} in {collection}.")
        return json_response(document)

    def _document(self, described: Resource[Any], path: str) -> dict[str, Any]:
        document: dict[str, Any] = described.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
        location = f"{self._url}{PREFIX}{path}"
        kind = type(described).__name__
        return {**document, "meta": {"resourceType": kind, "location": location}}

    @property
    def _id(self) -> str:
        return unquote(self._request.path_params["id"])

    def _parameters(self) -> dict[str, str]:
        return dict(self._request.query_params)

    def _response_parameters(self, kind: type[ScimResources]) -> ResponseParameters[Any]:
        names = ("attributes", "excludedAttributes")
        sent = {name: text for name, text in self._parameters().items() if name in names}
        of_kind: Any = ResponseParameters[kind.model]  # type: ignore[name-defined]
        shown: ResponseParameters[Any] = of_kind.model_validate(sent)
        return shown

    def _require_preconditions(self, stored: Stored) -> None:
        """RFC 9110 §13.1.1, §13.1.2."""
        if "if-match" in self._request.headers and not self._names_version("if-match", stored):
            raise PreconditionFailedException(detail="The resource has changed.")
        if self._names_version("if-none-match", stored):
            raise PreconditionFailedException(detail="The resource has not changed.")

    def _names_version(self, header: str, stored: Stored) -> bool:
        return is_known(self._request.headers.getlist(header), version_of(stored)[2:])


def _parse(request: Request, body: bytes) -> Any:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        raise HTTPException(415, f"Send {MEDIA_TYPE}.")
    try:
        parsed = parsed_json(body, _MAX_VALUES)
    except ValueError:
        raise HTTPException(400, "The body is not JSON.") from None
    if not isinstance(parsed, dict):
        raise HTTPException(400, "The body is not an object.")
    return parsed


def _union(kinds: list[type[ScimResources]]) -> Any:
    union: Any = kinds[0].model
    for each in kinds[1:]:
        union |= each.model
    return union


def _list_response(found: list[dict[str, Any]], total: int, start: int) -> dict[str, Any]:
    return {
        "schemas": [_LIST],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(found),
        "Resources": found,
    }
