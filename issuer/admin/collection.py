"""The operations of every collection: list, create, read, patch, delete."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import create_model

from issuer.admin.access import Caller, Changer
from issuer.admin.problems import documented
from issuer.admin.representations import (
    AllowUnknownScopes,
    Cursor,
    Done,
    IfMatch,
    Kept,
    Limit,
    MergePatch,
    Page,
    Search,
    WithWarnings,
    cursor_after,
    done,
    key_before,
    never_stored,
    page,
    require_match,
    require_unchanged,
    tagged,
    warnings_about,
)
from issuer.admin.routes import PRIVILEGED, admin_router, location, requires
from issuer.database.store import ListQuery
from issuer.fields.fields import Fields
from issuer.resources import ResourceType

_NOTHING_KEPT = Kept()


@dataclass(frozen=True)
class Descriptions:
    """What OpenAPI says; `cascade`, of that parameter of DELETE, for what others can use."""

    list: str
    create: str
    read: str
    patch: str
    delete: str
    cascade: str | None = None


def collection_router(
    resource_type: ResourceType[Any, Any],
    descriptions: Descriptions,
    *,
    patch_problems: tuple[str, ...] = (),
    convertor: str = "",
    note: str = PRIVILEGED,
    note_of_create: str = PRIVILEGED,
) -> APIRouter:
    """A router with the five operations, to which the special ones of a resource are added.

    `patch_problems` are documented for PATCH beside those of all. `convertor` is that of the key
    in the path: `:path` if a key may have slashes. `note` says what changes may require beside the
    scope, `note_of_create` what new resources may.
    """
    router = admin_router(f"/{resource_type.plural}", resource_type.plural)
    path = f"/{{{resource_type.key}{convertor}}}"
    _add_list(router, resource_type, descriptions.list)
    _add_create(router, resource_type, descriptions.create, note_of_create)
    _add_read(router, path, resource_type, descriptions.read)
    _add_patch(router, path, resource_type, descriptions.patch, patch_problems, note)
    _add_delete(router, path, resource_type, descriptions, note)
    return router


def _add_list(router: APIRouter, resource_type: ResourceType[Any, Any], text: str) -> None:
    @router.get(
        "",
        name=f"list_{resource_type.attribute}",
        description=text,
        response_model=Page[resource_type.listed_model],  # type: ignore[name-defined]
    )
    def list_resources(
        caller: Caller, limit: Limit = 50, cursor: Cursor = None, search: Search = None
    ) -> Any:
        kind = resource_type.plural
        with caller.work(resource_type.read) as work:
            if search is None:
                read = work.collection(resource_type).page
                found = page(kind, read, resource_type.key_of, cursor, limit)
                return Page[Any](
                    items=resource_type.listed(work, found.items), next_cursor=found.next_cursor
                )
            kind = f"{kind} {search}"
            part = work.listed(
                resource_type, ListQuery(limit, search, after=key_before(kind, cursor))
            )
            next_cursor = cursor_after(kind, part.next)
            return Page[Any](items=part.items, next_cursor=next_cursor)


def _add_create(
    router: APIRouter, resource_type: ResourceType[Any, Any], text: str, note: str
) -> None:
    New = _new(resource_type)  # noqa: N806 - a type
    AllowUnknown = _allow_unknown(resource_type)  # noqa: N806 - a type

    @router.post(
        "",
        name=f"create_{resource_type.name}",
        description=text,
        status_code=201,
        response_model=_created(resource_type),
        responses=documented("already-exists", *_not_kept(resource_type)),
    )
    @requires(resource_type.write, note=note)
    def create(
        caller: Caller,
        fields: New,  # type: ignore[valid-type]
        response: Response,
        allow_unknown_scopes: AllowUnknown = False,  # type: ignore[valid-type]
    ) -> Any:
        with caller.work(resource_type.write) as work:
            if allow_unknown_scopes:
                work.allow_unknown_scopes()
            work.new_privileges.keep(*(getattr(fields, name, []) for name in Kept.model_fields))
            collection = work.collection(resource_type)
            own = {name: getattr(fields, name) for name in resource_type.fields.model_fields}
            created = collection.create(resource_type.fields.model_construct(**own))
            key = resource_type.key_of(created)
            tagged(response, collection.get(key))
        response.headers["Location"] = location(caller, resource_type.plural, key)
        if resource_type.shown_once(created):
            never_stored(response)
        return _warned(created, work.warnings)


def _add_read(
    router: APIRouter, path: str, resource_type: ResourceType[Any, Any], text: str
) -> None:
    Key = _key(resource_type)  # noqa: N806 - a type

    @router.get(
        path,
        name=f"read_{resource_type.name}",
        description=text,
        response_model=resource_type.model,
    )
    def read(caller: Caller, key: Key, response: Response) -> Any:  # type: ignore[valid-type]
        with caller.work(resource_type.read) as work:
            return tagged(response, work.collection(resource_type).get(key))


def _add_patch(
    router: APIRouter,
    path: str,
    resource_type: ResourceType[Any, Any],
    text: str,
    problems: tuple[str, ...],
    note: str,
) -> None:
    Key = _key(resource_type)  # noqa: N806 - a type
    AllowUnknown = _allow_unknown(resource_type)  # noqa: N806 - a type

    @router.patch(
        path,
        name=f"patch_{resource_type.name}",
        description=text,
        response_model=_with_warnings(resource_type.model),
        responses=documented(*problems, *_not_kept(resource_type), "not-allowed"),
    )
    @requires(resource_type.write, note=note)
    def patch(
        caller: Changer,
        key: Key,  # type: ignore[valid-type]
        patch: MergePatch,
        response: Response,
        allow_unknown_scopes: AllowUnknown = False,  # type: ignore[valid-type]
        if_match: IfMatch = None,
    ) -> Any:
        kept = Kept.taken_from(patch) if resource_type.gives_rights else _NOTHING_KEPT
        with caller.work(resource_type.write) as work:
            if allow_unknown_scopes:
                work.allow_unknown_scopes()
            work.new_privileges.keep(kept.keep_credentials, kept.keep_members)
            collection = work.collection(resource_type)
            if if_match is not None or caller.dry_run:
                before = collection.get(key)
                require_match(if_match, before)
            patched = collection.update(key, patch)
        tagged(response, before if caller.dry_run else patched)
        return _warned(patched, work.warnings)


def _add_delete(
    router: APIRouter,
    path: str,
    resource_type: ResourceType[Any, Any],
    descriptions: Descriptions,
    note: str,
) -> None:
    Key = _key(resource_type)  # noqa: N806 - a type
    Cascade = Annotated[bool, Query(description=descriptions.cascade)]  # noqa: N806 - a type

    @requires(resource_type.write, note=note)
    def delete_cascading(
        caller: Changer,
        key: Key,  # type: ignore[valid-type]
        cascade: Cascade = False,
        if_match: IfMatch = None,
    ) -> Done:
        with caller.work(resource_type.write) as work:
            found = work.collection(resource_type).get(key)
            require_unchanged(if_match, found)
            question = work.delete(resource_type, key, cascade=cascade)
            return done(caller, if_match, found, question)

    @requires(resource_type.write, note=note)
    def delete(caller: Changer, key: Key, if_match: IfMatch = None) -> Done:  # type: ignore[valid-type]
        return delete_cascading(caller, key, if_match=if_match)

    in_use = ("in-use",) if descriptions.cascade else ()
    router.delete(
        path,
        name=f"delete_{resource_type.name}",
        description=descriptions.delete,
        responses=documented(*in_use, "not-allowed"),
    )(delete_cascading if descriptions.cascade else delete)


def _key(resource_type: ResourceType[Any, Any]) -> Any:
    return Annotated[str, Path(alias=resource_type.key)]


def _allow_unknown(resource_type: ResourceType[Any, Any]) -> Any:
    has_scopes = "scopes" in resource_type.fields.model_fields
    return Annotated[bool, Depends(_unknown_scopes if has_scopes else _no_option)]


def _not_kept(resource_type: ResourceType[Any, Any]) -> tuple[str, ...]:
    return ("credentials-not-kept", "members-not-kept") if resource_type.gives_rights else ()


async def _unknown_scopes(allow_unknown_scopes: AllowUnknownScopes = False) -> bool:
    return allow_unknown_scopes


async def _no_option() -> bool:
    return False


@cache
def _model_with_warnings(model: type[Fields]) -> Any:
    return create_model(
        f"{model.__name__}WithWarnings",
        __base__=(model, WithWarnings),
        __doc__=f"The same as {model.__name__}, with warnings.",
    )


def _with_warnings(model: type[Fields]) -> Any:
    """The model of an answer to a change, which may have warnings as well."""
    return _model_with_warnings(model) | model


def _created(resource_type: ResourceType[Any, Any]) -> Any:
    """The model of an answer to POST: not all resources have members that are shown once."""
    model = resource_type.model
    answers = _with_warnings(model) if "scopes" in model.model_fields else model
    created = resource_type.created
    return answers if created is None else _with_warnings(created) | answers


def _new(resource_type: ResourceType[Any, Any]) -> Any:
    """The model of the body of POST."""
    fields: type[Fields] = resource_type.fields
    if not resource_type.gives_rights:
        return fields
    bases = (fields, Kept)
    return create_model(f"New{fields.__name__}", __base__=bases, __doc__=fields.__doc__)


def _warned(resource: Any, more: Sequence[str]) -> Any:
    """With `more` warnings beside those about its scopes."""
    model: type[Fields] = type(resource)
    if not (warnings := [*warnings_about(getattr(resource, "scopes", ())), *more]):
        return resource
    return _model_with_warnings(model).model_construct(**dict(resource), warnings=warnings)
