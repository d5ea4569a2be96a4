"""`/console/configuration`: export it as a manifest; plan another one, and apply that plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from starlette.responses import Response

from issuer import manifest
from issuer.authority import CredentialsNotKept
from issuer.background.workers import WorkerPool
from issuer.composition import Access
from issuer.errors import InUse, NotAllowed
from issuer.http.requests import MAX_BYTES as MAX_BYTES_OF_FORM
from issuer.manifest import Applied, InvalidManifest
from issuer.manifest.changes import Shift
from issuer.manifest.entries import TYPES
from issuer.provisioning.planning import MAX_BYTES, MadePlan, PlanRequest, applied_plan, made_plan
from issuer.web.console.screens.endpoint import ConsoleEndpoint
from issuer.web.console.screens.operator import NeedsSignIn, Operator
from issuer.web.console.screens.views import ConsolePage, Typed
from issuer.web.rendering import page_headers
from issuer.web.visit import Visit

_PATH = "/console/configuration"
_BAD_REQUEST, _CONFLICT = 400, 409
_AGAIN = (
    "Nothing was changed: this needs a sign-in of the last ten minutes. You are signed in now: look"
    " at the plan again."
)
_OUTDATED = (
    "Nothing was changed: the text or the configuration changed since the plan was made. This is"
    " the plan now."
)
_MAX_PROBLEMS, _MAX_LINES, _MAX_SHIFTS = 20, 500, 200


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """At most some `lines` of the changes and `shifts` of rights, of all that there are."""

    etag: str
    lines: tuple[str, ...]
    is_cut: bool
    change_count: int
    shifts: tuple[Shift, ...]
    shift_count: int


def shown_plan(made: MadePlan) -> ShownPlan:
    assert made.plan is not None
    steps, shifts = made.plan.steps, made.plan.shifts
    lines = list(islice((line for step in steps for line in step.lines()), _MAX_LINES + 1))
    return ShownPlan(
        made.etag,
        tuple(lines[:_MAX_LINES]),
        len(lines) > _MAX_LINES,
        len(steps),
        shifts[:_MAX_SHIFTS],
        len(shifts),
    )


def problems_in_words(error: InvalidManifest) -> str:
    first = [f"Line {each.line}: {each}" for each in error.problems[:_MAX_PROBLEMS]]
    more = error.total - len(first)
    return "; ".join([*first, *([f"and {more:,} more"] if more else [])])


@dataclass(frozen=True, kw_only=True)
class ConfigurationPage(ConsolePage):
    TEMPLATE = "console/configuration.html"
    title = "Configuration"
    plan: ShownPlan | None = None


@dataclass(frozen=True, kw_only=True)
class AppliedPage(ConsolePage):
    """Secrets of new clients, which are shown this once, and ids of new users."""

    TEMPLATE = "console/configuration_applied.html"
    title = "The manifest is applied"
    changes: int
    secrets: Mapping[str, str] = field(repr=False)
    user_ids: Mapping[str, str]
    warnings: Sequence[str]


class ManifestEndpoint(ConsoleEndpoint):
    """Needs what `/admin/v1/manifest` needs: the right to read all sections."""

    @classmethod
    def opens_for(cls, access: Access) -> bool:
        return all(access.holds(each.read) for each in TYPES.values())

    def require_write(self, operator: Operator) -> None:
        self.require_readable(operator)

    def require_readable(self, operator: Operator) -> None:
        for each in TYPES.values():
            operator.require(each.read)


class ConfigurationExportEndpoint(ManifestEndpoint):
    PATH = f"{_PATH}/export"

    @property
    def workers(self) -> WorkerPool:
        return self.site.plans

    def screen(self, operator: Operator, visit: Visit) -> Response:
        self.require_readable(operator)
        with self.parts.administration.reading(operator.actor, operator.held) as work:
            text = manifest.export(work)
        headers = page_headers(has_script=False, serves_request=False)
        headers["Content-Disposition"] = 'attachment; filename="issuer.yaml"'
        return Response(text, media_type="application/yaml", headers=headers)


class ConfigurationEndpoint(ManifestEndpoint):
    """One form: its text is planned, and applied only with the ETag of the plan that was shown."""

    PATH = _PATH
    LABEL = "Configuration"
    SIGN_IN = {"plan": NeedsSignIn.NEVER}
    MAX_FORM = 3 * MAX_BYTES + MAX_BYTES_OF_FORM  # percent-encoded

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        return await self.site.plans.run(self.change, visit, form)

    def screen(self, operator: Operator, visit: Visit) -> Response:
        self.require_readable(operator)
        return self._page(operator, visit, {})

    def go_on(self, operator: Operator, visit: Visit, kept: Mapping[str, str]) -> Response:
        """Nobody applies what only the session before the sign-in has seen."""
        return self._page(operator, visit, kept, error=_AGAIN)

    def act(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        to_do = self._apply if form.get("do") == "apply" else self._plan
        try:
            return to_do(operator, visit, form)
        except InvalidManifest as error:
            return self._page(operator, visit, form, problems_in_words(error), status=_BAD_REQUEST)
        except CredentialsNotKept:
            raise  # the frame asks which to keep
        except (InUse, NotAllowed) as error:
            return self._page(operator, visit, form, str(error), status=_CONFLICT)

    def _plan(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        made = made_plan(self.parts.administration, _request(operator, form))
        return self._page(operator, visit, form, plan=made)

    def _apply(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        def check(made: MadePlan) -> None:
            if made.etag != form.get("etag"):
                raise PlanChanged(made)

        try:
            made, applied = applied_plan(self.parts.administration, _request(operator, form), check)
        except PlanChanged as changed:
            return self._page(
                operator, visit, form, error=_OUTDATED, plan=changed.made, status=_CONFLICT
            )
        return self._applied(operator, visit, made, applied)

    def _applied(
        self, operator: Operator, visit: Visit, made: MadePlan, applied: Applied
    ) -> Response:
        assert made.plan is not None
        command = self.commands.command(
            ("apply", "-f", "issuer.yaml"), "POST", ("manifest", "apply")
        )
        number = len(made.plan.steps)
        if not applied.secrets and not applied.user_ids:
            text = f"The manifest is applied: {number:,} {_changes(number)}."
            return self.finished(_PATH, text, command, applied.warnings)
        page = AppliedPage(
            frame=self.frame(operator, visit),
            commands=(command,),
            changes=number,
            secrets=applied.secrets,
            user_ids=applied.user_ids,
            warnings=applied.warnings,
        )
        return self.site.pages.answer(page)

    def _page(
        self,
        operator: Operator,
        visit: Visit,
        form: Mapping[str, str],
        wrong: str = "",
        *,
        error: str = "",
        plan: MadePlan | None = None,
        status: int = 200,
    ) -> Response:
        page = ConfigurationPage(
            frame=self.frame(operator, visit),
            may_change=any(operator.holds(each.write) for each in TYPES.values()),
            commands=(
                self.commands.command(("export",), "GET", ("manifest",)),
                self.commands.command(("plan", "-f", "issuer.yaml"), "POST", ("manifest", "plan")),
            ),
            values=Typed(form),
            error=error,
            errors=Typed({"source": wrong} if wrong else {}),
            plan=shown_plan(plan) if plan else None,
        )
        return self.site.pages.answer(page, status)


class PlanChanged(Exception):
    """The plan is another one than that which was shown."""

    def __init__(self, made: MadePlan) -> None:
        super().__init__()
        self.made = made


def _request(operator: Operator, form: Mapping[str, str]) -> PlanRequest:
    source = form.get("source", "").replace("\r\n", "\n").encode()
    prune = form.get("prune") == "yes"
    allow = form.get("allow_unknown_scopes") == "yes"
    return PlanRequest(
        operator.actor,
        operator.held,
        source,
        prune,
        to_apply=True,
        allow_unknown_scopes=allow,
        keep=operator.kept,
    )


def _changes(number: int) -> str:
    return "change" if number == 1 else "changes"
