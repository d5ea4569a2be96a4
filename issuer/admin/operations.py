"""Operations on resources and on their parts, and the lists of the parts."""

from collections.abc import Sequence
from inspect import Parameter, Signature
from typing import Annotated, Any

from fastapi import APIRouter, Path

from issuer.admin.access import Caller
from issuer.admin.representations import Cursor, IfMatch, Limit, Page, page_of, require_match
from issuer.admin.routes import admin_router
from issuer.operations import Operation, PartOf


def operations_router(operations: Sequence[Operation[Any]], *parts: PartOf[Any, Any]) -> APIRouter:
    """A router for operations on resources of one type, and for the lists of their parts."""
    owner = operations[0].owner
    router = admin_router(f"/{owner.plural}/{{{owner.key}}}", owner.plural)
    for part in parts:
        _add_list(router, part)
    for operation in operations:
        _add(router, operation)
    return router


def _add_list(router: APIRouter, part: PartOf[Any, Any]) -> None:
    OwnerId = Annotated[str, Path(alias=part.owner.key)]  # noqa: N806 - a type

    @router.get(
        f"/{part.plural}",
        name=f"list_{part.plural}",
        description=part.lists,
        response_model=Page[part.model],  # type: ignore[name-defined]
    )
    def list_items(
        caller: Caller, owner_id: OwnerId, limit: Limit = 50, cursor: Cursor = None
    ) -> Any:
        with caller.work(part.owner.read) as work:
            work.collection(part.owner).get(owner_id)
            items = part.items(work, owner_id)
        return page_of(part.plural, items, part.position, cursor, limit)


def _add(router: APIRouter, operation: Operation[Any]) -> None:
    owner, key_name = operation.owner, operation.parameter

    def run(caller: Caller, owner_id: str, key: str = "", if_match: IfMatch = None) -> None:
        with caller.work(owner.write) as work:
            if if_match is not None:
                require_match(if_match, operation.target(work, owner_id, key))
            operation.run(work, owner_id, key)

    taken: dict[str, Any] = {"caller": Caller, "owner_id": Annotated[str, Path(alias=owner.key)]}
    if key_name:
        taken["key"] = Annotated[str, Path(alias=key_name)]
    if operation.is_on_one:
        taken["if_match"] = IfMatch
    run.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter(
                name,
                Parameter.KEYWORD_ONLY,
                default=None if name == "if_match" else Parameter.empty,
                annotation=kind,
            )
            for name, kind in taken.items()
        ]
    )
    _, _, *path = operation.path("", f"{{{key_name}}}" if key_name else "")
    router.add_api_route(
        "".join(f"/{each}" for each in path),
        run,
        methods=[operation.method],
        name=operation.name,
        description="\n\n".join(filter(None, (operation.summary, operation.more))),
    )
