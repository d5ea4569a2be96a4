"""The form for a change of an audience; conflicts are shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.responses import Response

from issuer.audiences import AUDIENCE, Audience, AudienceFields
from issuer.errors import InvalidField
from issuer.vocabulary import SigningAlgorithm
from issuer.web.console.audience_form import audience_as_typed, audience_options, typed_audience
from issuer.web.console.conflicts import differing, meanwhile
from issuer.web.console.endpoint import ConsoleEndpoint, Operator
from issuer.web.console.field_errors import field_errors
from issuer.web.console.views import Command, ConsolePage, Typed
from issuer.web.visit import Visit

_BAD_REQUEST, _CONFLICT = 400, 409


@dataclass(frozen=True)
class AudienceChange:
    """Who changes which audience, and what the form says."""

    endpoint: ConsoleEndpoint
    operator: Operator
    visit: Visit
    audience: Audience
    form: Mapping[str, str]

    @property
    def id(self) -> str:
        return self.audience.id


@dataclass(frozen=True, kw_only=True)
class EditAudiencePage(ConsolePage):
    """`present` is what the audience is now, where it was changed since the form was shown."""

    TEMPLATE = "console/edit_audience.html"
    audience: Audience
    algorithms: tuple[SigningAlgorithm, ...]
    present: Typed = field(default_factory=Typed)

    @property
    def title(self) -> str:
        return f"Edit {self.audience.id}"


def edit_audience(
    change: AudienceChange,
    values: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
    status: int = 200,
    present: Mapping[str, str] | None = None,
) -> Response:
    page = EditAudiencePage(
        frame=change.endpoint.frame(change.operator, change.visit),
        audience=change.audience,
        algorithms=tuple(change.endpoint.parts.settings.signing_algorithms),
        values=Typed(values),
        errors=Typed(errors or {}),
        present=Typed(present or {}),
        error=meanwhile("audience") if present is not None else "",
    )
    return change.endpoint.site.pages.answer(page, status)


def save_audience(change: AudienceChange) -> Response:
    """Unless the audience was changed since the form was shown."""
    form = change.form
    try:
        fields = typed_audience(form, change.id)
        with change.operator.work(AUDIENCE.write) as work:
            now = work.audiences.get(change.id)
            if is_same := form.get("version") == str(now.version):
                work.audiences.replace(change.id, fields)
    except InvalidField as error:
        return edit_audience(change, form, field_errors(error), _BAD_REQUEST)
    if not is_same:
        return _conflict(replace(change, audience=now))
    path = change.endpoint.path(change.visit)
    text = f"The audience {change.id} is changed."
    return change.endpoint.finished(path, text, _update(change, fields))


def _conflict(change: AudienceChange) -> Response:
    """Both versions: what was typed, and below it what the audience is now."""
    now = audience_as_typed(change.audience)
    names = {*now, "include_roles"}
    present = differing(now, change.form, names)
    return edit_audience(change, change.form, status=_CONFLICT, present=present)


def _update(change: AudienceChange, fields: AudienceFields) -> Command:
    before, after = _members(change.audience), _members(fields)
    patch = {name: value for name, value in after.items() if before[name] != value}
    cli = ("audience", "update", change.id, *audience_options(patch))
    return change.endpoint.commands.command(cli, "PATCH", ("audiences", change.id), patch)


def _members(fields: AudienceFields) -> dict[str, Any]:
    return fields.model_dump(mode="json", include=set(AudienceFields.model_fields))
