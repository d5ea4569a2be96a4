"""Operations on resources and on their parts, and the parts themselves: lists and items."""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from inspect import Parameter, Signature
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import create_model
from pydantic.fields import FieldInfo

from issuer.admin.access import Caller, Changer
from issuer.admin.problems import documented
from issuer.admin.representations import (
    Cursor,
    Done,
    IfMatch,
    Kept,
    Limit,
    Page,
    Tried,
    done,
    is_of_dry_run,
    never_stored,
    page,
    page_of,
    require_unchanged,
    tagged,
)
from issuer.admin.routes import admin_router, location
from issuer.fields.fields import Fields
from issuer.operations import Creation, Operation, PartOf
from issuer.resources import ResourceType


def operations_router(
    operations: Sequence[Operation[Any] | Creation[Any]], *parts: PartOf[Any, Any]
) -> APIRouter:
    """A router for operations on resources of one type, and for their parts."""
    first = operations[0]
    owner = first.on.owner if isinstance(first, Creation) else first.owner
    router = admin_router(f"/{owner.plural}/{{{owner.key}}}", owner.plural)
    for part in parts:
        if part.lists:
            _add_list(router, part)
        if part.reads:
            _add_item(router, part)
    for each in operations:
        if isinstance(each, Creation):
            _add_creation(router, each)
        elif each.patch is None:  # PATCH of the owner does it
            _add(router, each)
    return router


def _add_list(router: APIRouter, part: PartOf[Any, Any]) -> None:
    OwnerId = Annotated[str, Path(alias=part.owner.key)]  # noqa: N806 - a type

    @router.get(
        f"/{part.plural}",
        name=part.listed or f"list_{part.plural}",
        description=part.lists,
        response_model=Page[part.model],  # type: ignore[name-defined]
    )
    def list_items(
        caller: Caller, owner_id: OwnerId, limit: Limit = 50, cursor: Cursor = None
    ) -> Any:
        with caller.work(part.owner.read) as work:
            work.collection(part.owner).get(owner_id)
            if part.page is not None:
                read = partial(part.page, work, owner_id)
                return page(part.plural, read, part.position, cursor, limit)
            assert part.items is not None
            items = part.items(work, owner_id)
        return page_of(part.plural, items, part.position, cursor, limit)


def _add_item(router: APIRouter, part: PartOf[Any, Any]) -> None:
    read = part.item
    assert read is not None

    def read_item(caller: Caller, response: Response, owner_id: str, key: str = "") -> Any:
        with caller.work(part.owner.read) as work:
            return tagged(response, read(work, owner_id, key))

    parameters = {"response": Response, **_keys(part.owner, part.parameter)}
    router.add_api_route(
        _path(part.plural, *([f"{{{part.parameter}}}"] if part.parameter else [])),
        _with_parameters(read_item, parameters),
        methods=["GET"],
        name=f"read_{part.segment}",
        description=part.reads,
        response_model=part.model,
    )


def _add_creation(router: APIRouter, creation: Creation[Any]) -> None:
    part = creation.on

    def create(caller: Caller, response: Response, owner_id: str, fields: Any = None) -> Any:
        with caller.work(part.owner.write) as work:
            created = creation.run(work, owner_id, fields)
        response.headers["Location"] = location(caller, *creation.path(owner_id, created))
        if part.reads and part.key:
            tagged(response, creation.stored(created))
        if creation.once:
            never_stored(response)
        return created

    parameters: dict[str, Any] = {"response": Response, **_keys(part.owner)}
    if creation.fields is not None:
        parameters["fields"] = creation.fields
    router.add_api_route(
        _path(part.plural),
        _with_parameters(create, parameters),
        methods=["POST"],
        status_code=201,
        name=creation.name,
        description=_text(creation),
        response_model=creation.created,
        response_model_exclude_unset=True,
        responses=documented("not-allowed") if creation.is_refusable else {},
    )


def _add(router: APIRouter, operation: Operation[Any]) -> None:
    owner, part = operation.owner, operation.part
    named, model = part and part.named, operation.fields if operation.has_body else None
    if model and operation.gives_rights:
        model = _with_kept(model)

    def run(
        caller: Changer,
        owner_id: str,
        key: str = "",
        if_match: IfMatch = None,
        details: Any = None,
        **query: Any,
    ) -> Any:
        selected = frozenset(each.name for each in operation.flags if query[each.name])
        question, target, called = None, None, ""
        item = _read(named, {**query, operation.parameter: key}) if named else key
        fields = (details or model()) if model else _read(operation.fields, query)
        with caller.work(owner.write) as work:
            if operation.gives_rights:
                work.new_privileges.keep(*(getattr(fields, name) for name in Kept.model_fields))
            if caller.dry_run or is_of_dry_run(if_match):  # first, as on the command line
                if part and part.find:
                    _, called = part.find_all(work, [key])
                question = work.question(operation, owner_id, item, called, selected, fields)
            if operation.is_on_one and (caller.dry_run or if_match is not None):
                target = operation.target(work, owner_id, item)
                require_unchanged(if_match, target)
            if caller.dry_run:
                selected |= operation.overrides(question)
            answer = operation.do(work, owner_id, item, selected, fields)
            tried = done(caller, if_match, target, question)
        return tried or (answer if operation.answers else None)

    parameters = _keys(owner, operation.parameter)
    in_query = _in_query(operation)
    parameters |= {
        name: Annotated[each.annotation, *each.metadata, Query(description=each.description)]
        for name, each in in_query.items()
    }
    parameters |= {"caller": Changer, "if_match": IfMatch}
    parameters |= {"details": model | None} if model else {}
    defaults = {name: each.default for name, each in in_query.items()}
    problems = ["credentials-not-kept", "members-not-kept"] if operation.gives_rights else []
    problems += ["not-allowed"] if operation.is_refusable else []
    run.__annotations__["return"] = operation.answers or Done
    _, _, *path = operation.path("", f"{{{operation.parameter}}}" if operation.parameter else "")
    router.add_api_route(
        _path(*path),
        _with_parameters(run, parameters, **defaults, details=None),
        methods=[operation.method],
        name=operation.name,
        description=_text(operation),
        response_model=operation.answers and operation.answers | Tried,
        responses=documented(*problems),
    )


@cache
def _with_kept(fields: type[Fields]) -> Any:
    return create_model(fields.__name__, __base__=(fields, Kept), __doc__=fields.__doc__)


def _in_query(operation: Operation[Any]) -> dict[str, FieldInfo]:
    """What names the item beside the path, what else may be given without a body, and flags."""
    names = operation.part.named if operation.part else None
    models = [names, None if operation.has_body else operation.fields]
    fields = {name: it for each in models if each for name, it in each.model_fields.items()}
    flags = {
        each.name: FieldInfo(annotation=bool, default=False, description=each.about)
        for each in operation.flags
    }
    return {name: it for name, it in (fields | flags).items() if name != operation.parameter}


def _read(model: type[Fields] | None, values: Mapping[str, Any]) -> Any:
    return model and model.read({name: values[name] for name in model.model_fields})


def _keys(owner: ResourceType[Any, Any], parameter: str = "") -> dict[str, Any]:
    keys = {"owner_id": Annotated[str, Path(alias=owner.key)]}
    return keys | ({"key": Annotated[str, Path(alias=parameter)]} if parameter else {})


def _with_parameters(run: Any, parameters: dict[str, Any], **defaults: Any) -> Any:
    """The function as FastAPI reads it from a signature; `If-Match` may be left out."""
    defaults = {"if_match": None, **defaults}
    run.__signature__ = Signature(
        [
            Parameter(
                name,
                Parameter.KEYWORD_ONLY,
                default=defaults.get(name, Parameter.empty),
                annotation=annotation,
            )
            for name, annotation in {"caller": Caller, **parameters}.items()
        ]
    )
    return run


def _path(*segments: str) -> str:
    return "".join(f"/{segment}" for segment in segments)


def _text(declared: Operation[Any] | Creation[Any]) -> str:
    return "\n\n".join(filter(None, (declared.summary, declared.more)))
