"""Which operations there are, for the router, `/explain` and `/openapi.json`."""

from collections.abc import Iterator
from typing import Any

from issuer.admin.scim.responses import MEDIA_TYPE
from issuer.explain.own_api import OwnRoute
from issuer.scopes import ISSUER_SCIM

PREFIX = "/scim/v2"
WITH_BODY = {"POST", "PUT", "PATCH"}
_OF_RESOURCE = {"GET": "Read", "PUT": "Replace", "PATCH": "Change", "DELETE": "Delete"}
_PRIVILEGED = (
    "Users and groups with rights at the issuer itself can be changed by issuer:admin only."
)

# The summary of each operation, by path and method.
OPERATIONS: dict[str, dict[str, str]] = {
    "/Users": {"GET": "Find users", "POST": "Create a user"},
    "/Users/.search": {"POST": "Find users"},
    "/Users/{id}": {method: f"{do} a user" for method, do in _OF_RESOURCE.items()},
    "/Groups": {"GET": "Find groups", "POST": "Create a group"},
    "/Groups/.search": {"POST": "Find groups"},
    "/Groups/{id}": {method: f"{do} a group" for method, do in _OF_RESOURCE.items()},
    "/.search": {"POST": "Find users and groups"},
    "/ServiceProviderConfig": {"GET": "What the service supports"},
    "/ResourceTypes": {"GET": "Kinds of resources"},
    "/ResourceTypes/{id}": {"GET": "One kind of resources"},
    "/Schemas": {"GET": "Attributes of all kinds of resources"},
    "/Schemas/{id}": {"GET": "Attributes of one schema"},
    "/Me": dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), "Not supported: 501"),
    "/Bulk": {"POST": "Not supported: 501"},
}

# Answered with 501 (RFC 7644 §3.7, §3.11).
NOT_SUPPORTED = {"/Me", "/Bulk"}


def scim_operations() -> Iterator[OwnRoute]:
    """Each operation with its scope; paths below that of the issuer."""
    for path, methods in OPERATIONS.items():
        for method in methods:
            answered = frozenset({method, "HEAD"} if method == "GET" else {method})
            note = "" if method == "GET" or "{id}" not in path else _PRIVILEGED
            yield OwnRoute(answered, PREFIX + path, (ISSUER_SCIM,), note)


def scim_paths(base: str) -> dict[str, Any]:
    """The description of every operation for `/openapi.json`."""
    return {
        f"{base}{PREFIX}{path}": {
            method.lower(): _describe(path, method, summary) for method, summary in methods.items()
        }
        for path, methods in OPERATIONS.items()
        if path not in NOT_SUPPORTED
    }


def _describe(path: str, method: str, summary: str) -> dict[str, Any]:
    body = {MEDIA_TYPE: {"schema": {"type": "object"}}}
    names: dict[str, str] = {}
    if path in {"/Users", "/Groups"} and method == "GET":
        names |= dict.fromkeys(("filter", "sortBy", "sortOrder"), "string")
        names |= dict.fromkeys(("startIndex", "count"), "integer")
    if path in {"/Users", "/Groups", "/Users/{id}", "/Groups/{id}"} and method != "DELETE":
        names |= dict.fromkeys(("attributes", "excludedAttributes"), "string")
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "query", "schema": {"type": kind}} for name, kind in names.items()
    ]
    if "{id}" in path:
        schema = {"type": "string"}
        parameters.append({"name": "id", "in": "path", "required": True, "schema": schema})
    described: dict[str, Any] = {
        "tags": ["SCIM 2.0"],
        "summary": f"{summary} (RFC 7644)",
        "security": [{"access_token": []}],
        "parameters": parameters,
        "responses": {
            "default": {"description": "A resource, a list, or an error", "content": body},
            "204": {"description": "Done"},
        },
    }
    if method in WITH_BODY:
        described["requestBody"] = {"required": True, "content": body}
    return described
