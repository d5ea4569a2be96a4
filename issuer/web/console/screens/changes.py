"""Changes that every resource has: its members, by a form; disable and enable; delete by typing."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from issuer.errors import AlreadyExists, InUse, InvalidField
from issuer.resources import ResourceType
from issuer.web.console.screens.action import ResourceAction
from issuer.web.console.screens.collection import BAD_REQUEST, CONFLICT
from issuer.web.console.screens.resource_form import allow_if_ticked, field_errors
from issuer.web.console.screens.views import Command

_NO_MEMBERS = {"version", "confirmed", "allow_unknown_scopes"}


def changes_of(
    resource_type: ResourceType[Any, Any],
) -> Mapping[str, Callable[[ResourceAction], Response]]:
    """What the forms of a page may ask for, by the field `do`."""
    changes = {"save": save, "delete": delete}
    if "disabled" in resource_type.fields.model_fields:
        changes |= {"enable": enable, "disable": disable}
    return changes


def edit(action: ResourceAction) -> Response:
    typed = action.endpoint.typed(action)
    return action.edit_form({**typed, "version": str(action.resource.version)})


def save(action: ResourceAction) -> Response:
    """Unless the resource was changed since the form was shown."""
    if action.is_outdated:
        return conflict(action)
    endpoint, form = action.endpoint, action.form
    try:
        fields = endpoint.FORM.read(form, action.resource)
        if question := endpoint.before_saving(action, fields):
            return question
        with action.operator.work(action.type.write) as work:
            allow_if_ticked(work, form)
            collection = work.collection(action.type)
            now = replace(action, resource=collection.get(action.key))
            if not now.is_outdated:
                collection.replace(action.key, fields)
    except InvalidField as error:
        return action.edit_form(form, field_errors(error), BAD_REQUEST)
    except AlreadyExists as error:
        return action.edit_form(form, {endpoint.taken(form, error): str(error)}, CONFLICT)
    if now.is_outdated:
        return conflict(now)
    sentence = f"The {action.type.kind} {endpoint.name_of(fields)} is changed."
    return action.finished(sentence, endpoint.update_command(action, fields))


def conflict(action: ResourceAction) -> Response:
    """Both versions: what was typed, and at each field that differs what the resource is now."""
    now, form = action.endpoint.FORM.typed(action.resource), action.form
    return action.edit_form(
        {**form, "version": str(action.resource.version)},
        status=CONFLICT,
        present={
            name: now.get(name, "") or "empty"
            for name in {*now, *action.kept} - _NO_MEMBERS
            if now.get(name, "").split() != form.get(name, "").split()
        },
        error=f"Somebody changed the {action.type.kind} meanwhile, and nothing was saved. Below"
        " each field that differs is what it is now. Saving again replaces that.",
    )


def disable(action: ResourceAction) -> Response:
    return action.confirmed(
        action.endpoint.before_disabling(action),
        _switch(action, "--disabled"),
        lambda work: work.collection(action.type).update(action.key, {"disabled": True}),
        action.says(action.endpoint.DISABLED),
    )


def enable(action: ResourceAction) -> Response:
    return action.done(
        lambda work: work.collection(action.type).update(action.key, {"disabled": False}),
        action.says(action.endpoint.ENABLED),
        _switch(action, "--enabled"),
    )


def delete(action: ResourceAction) -> Response:
    """Once its name was typed; what uses it loses it only if the page said so."""
    cascade, endpoint = action.form.get("cascade") == "yes", action.endpoint
    is_typed = action.has_typed(action.name) or not (cascade or endpoint.IS_ALWAYS_TYPED)
    if not (action.is_confirmed and is_typed):
        return _ask_to_delete(action)
    try:
        with action.operator.work(action.type.write) as work:
            work.collection(action.type).delete(action.key, cascade=cascade)
    except InUse:  # since the page was shown
        return _ask_to_delete(replace(action, form={"do": action.form["do"]}))
    command = _deletion(action, cascade=cascade)
    return endpoint.finished(endpoint.LIST, action.says(endpoint.DELETED), command)


def _ask_to_delete(action: ResourceAction) -> Response:
    endpoint = action.endpoint
    with action.operator.work(action.type.read) as work:
        said = endpoint.before_deletion(work, action)
    return action.ask(
        action.says(endpoint.DELETE),
        said.why,
        said.button or f"Delete {action.type.kind}",
        _deletion(action, cascade=said.cascade),
        {"cascade": "yes"} if said.cascade else {},
        typed=action.name if said.cascade or endpoint.IS_ALWAYS_TYPED else "",
    )


def _switch(action: ResourceAction, option: str) -> Command:
    body = {"disabled": option == "--disabled"}
    return action.command(("update", action.key, option), "PATCH", body=body)


def _deletion(action: ResourceAction, *, cascade: bool) -> Command:
    """With `cascade`, also what uses it."""
    cli = ("delete", action.key, *(("--cascade",) if cascade else ()))
    return action.command(cli, "DELETE", query="cascade=true" if cascade else "")
