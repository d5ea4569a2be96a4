"""The form for a change of an audience; conflicts are shown."""

from dataclasses import dataclass, replace
from functools import partial

from starlette.responses import Response

from issuer.audiences import AUDIENCE, Audience, AudienceFields
from issuer.errors import InvalidField
from issuer.vocabulary import SigningAlgorithm
from issuer.web.console.audience_form import audience_as_typed, audience_options, typed_audience
from issuer.web.console.conflicts import differing
from issuer.web.console.field_errors import field_errors
from issuer.web.console.resource_action import ResourceAction
from issuer.web.console.views import Command, ConsolePage

_BAD_REQUEST, _CONFLICT = 400, 409


@dataclass(frozen=True)
class AudienceChange(ResourceAction):
    TYPE = AUDIENCE
    audience: Audience

    @property
    def key(self) -> str:
        return self.audience.id


@dataclass(frozen=True, kw_only=True)
class EditAudiencePage(ConsolePage):
    TEMPLATE = "console/edit_audience.html"
    audience: Audience
    algorithms: tuple[SigningAlgorithm, ...]

    @property
    def title(self) -> str:
        return f"Edit {self.audience.id}"


def edit_audience(change: AudienceChange) -> Response:
    return change.edit_form(_page(change), change.form)


def save_audience(change: AudienceChange) -> Response:
    """Unless the audience was changed since the form was shown."""
    form = change.form
    try:
        fields = typed_audience(form, change.key)
        with change.operator.work(AUDIENCE.write) as work:
            now = work.audiences.get(change.key)
            if is_same := form.get("version") == str(now.version):
                work.audiences.replace(change.key, fields)
    except InvalidField as error:
        return change.edit_form(_page(change), form, field_errors(error), _BAD_REQUEST)
    if not is_same:
        return _conflict(replace(change, audience=now))
    return change.finished(f"The audience {change.key} is changed.", _command(change, fields))


def _conflict(change: AudienceChange) -> Response:
    """Both versions: what was typed, and below it what the audience is now."""
    now = audience_as_typed(change.audience)
    names = {*now, "include_roles"}
    present = differing(now, change.form, names)
    return change.edit_form(_page(change), change.form, status=_CONFLICT, present=present)


def _page(change: AudienceChange) -> partial[EditAudiencePage]:
    algorithms = tuple(change.endpoint.parts.settings.signing_algorithms)
    return partial(EditAudiencePage, audience=change.audience, algorithms=algorithms)


def _command(change: AudienceChange, fields: AudienceFields) -> Command:
    patch = change.patch(change.audience, fields)
    return change.command(("update", change.key, *audience_options(patch)), "PATCH", body=patch)
