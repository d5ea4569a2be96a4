"""The screen of one resource: its page, the form for a change, and what ends it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, TypeVar

from starlette.responses import Response

from issuer.errors import InvalidField
from issuer.resources import ResourceType
from issuer.web.console.screens.action import (
    ResourceAction,
    ResourceChanges,
)
from issuer.web.console.screens.changes import changes_of, edit
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.recent_events import RecentEvents, recent_events
from issuer.web.console.screens.resource_form import field_errors
from issuer.web.console.screens.views import ConsolePage, Typed
from issuer.web.visit import Visit

PageT = TypeVar("PageT", bound="ResourcePage")


@dataclass(frozen=True, kw_only=True)
class ResourcePage(ConsolePage):
    """`is_protected`: only an admin may change it."""

    type: ResourceType[Any, Any]
    resource: Any
    is_protected: bool
    events: tuple[RecentEvents, ...] | None

    @property
    def title(self) -> str:
        return getattr(self.resource, "name", "") or self.type.key_of(self.resource)

    @property
    def templates(self) -> tuple[str, ...]:
        return f"console/{self.type.name}.html", "console/resource.html"


class ResourceEndpoint(ResourceChanges):
    """The page of one resource; a parameter of its query that FORMS names shows a form instead.

    ACTIONS are what its forms ask for, by default what every resource has.
    """

    BELOW = "/{key:path}"
    PARAMETERS: tuple[str, ...] = ("edit",)
    FORMS: ClassVar[Mapping[str, Callable[[ResourceAction], Response]]] = {"edit": edit}
    ACTIONS: ClassVar[Mapping[str, Callable[[ResourceAction], Response]]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "FORM" in vars(cls) and "ACTIONS" not in vars(cls):
            cls.ACTIONS = changes_of(cls.TYPE)

    def screen(self, operator: Operator, visit: Visit) -> Response:
        action = self._action(operator, visit, visit.query)
        for name, show in self.FORMS.items():
            if name in visit.query:
                self._require_may_change(action)
                return show(action)
        page = self.page(action)
        return self.site.pages.answer(page, 400 if page.errors else 200)

    def act(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        action = self._action(operator, visit, form)
        try:
            if do := self.ACTIONS.get(form.get("do", "")):
                self._require_may_change(action)
                return do(action)
            return self.act_otherwise(action)
        except InvalidField as error:
            return self.site.pages.answer(self.page_with_errors(action, error), 400)

    def act_otherwise(self, action: ResourceAction) -> Response:
        """What no right to change the resource itself decides."""
        return self.stale(action.visit, action.form)

    def page(self, action: ResourceAction) -> ResourcePage:
        return self.page_of(ResourcePage, action)()

    def page_of(self, page: type[PageT], action: ResourceAction) -> partial[PageT]:
        """Makes the page with what that of every resource has."""
        operator, is_protected = action.operator, action.is_protected
        return partial(
            page,
            frame=self.frame(operator, action.visit),
            may_change=operator.may_change(self.TYPE.write, is_protected=is_protected),
            commands=(action.command(("show", action.key), "GET"),),
            type=self.TYPE,
            resource=action.resource,
            is_protected=is_protected,
            events=recent_events(operator, action.key),
        )

    def page_with_errors(self, action: ResourceAction, error: InvalidField) -> ResourcePage:
        """The page with what is wrong at the fields of its forms."""
        errors = Typed(field_errors(error))
        return replace(self.page(action), values=Typed(action.form), errors=errors)

    def is_protected(self, operator: Operator, resource: Any) -> bool:
        """Whether it has, or gives, rights at the issuer itself. The domain decides it too."""
        return False

    def _action(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> ResourceAction:
        with operator.work(self.TYPE.read) as work:
            resource = work.collection(self.TYPE).get(visit.request.path_params["key"])
        is_protected = self.is_protected(operator, resource)
        return ResourceAction(self, operator, visit, form, resource, is_protected)

    def _require_may_change(self, action: ResourceAction) -> None:
        action.operator.require_may_change(self.TYPE.write, is_protected=action.is_protected)
