"""`/console/configuration`: export it as a manifest; plan another one, and apply that plan."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

from starlette.responses import Response

from issuer import manifest
from issuer.authority import NotKept
from issuer.errors import InUse, NotAllowed
from issuer.http.requests import MAX_BYTES as MAX_BYTES_OF_FORM
from issuer.manifest import InvalidManifest
from issuer.manifest.applying import Applied
from issuer.manifest.entries import TYPES
from issuer.operations.commands import APPLY, EXPORT, PLAN
from issuer.provisioning.planning import MAX_BYTES, PlanRequest, PlanResult, apply_plan, make_plan
from issuer.web.console.screens.operator import NeedsSignIn
from issuer.web.console.screens.screen import CONFLICT, ConsoleScreen

_PATH = "/console/configuration"
_AGAIN = (
    "Nothing was changed: this needs a sign-in of the last ten minutes. You are signed in now: look"
    " at the plan again."
)
_OUTDATED = (
    "Nothing was changed: the text or the configuration changed since the plan was made. This is"
    " the plan now."
)
_MAX_RESOURCES, _MAX_CHARACTERS = 100, 50_000  # of the manifest that the page shows
_MAX_PROBLEMS, _MAX_LINES, _MAX_SHIFTS = 20, 500, 200


def plan_shown(made: PlanResult) -> dict[str, Any]:
    """Some `lines` of the changes and some `shifts` of rights, for the template."""
    assert made.plan is not None
    steps, shifts = made.plan.steps, made.plan.shifts
    lines = list(islice((line for step in steps for line in step.lines()), _MAX_LINES + 1))
    return {
        "etag": made.etag,
        "lines": lines[:_MAX_LINES],
        "is_cut": len(lines) > _MAX_LINES,
        "change_count": len(steps),
        "shifts": shifts[:_MAX_SHIFTS],
        "shift_count": len(shifts),
    }


def problems_in_words(error: InvalidManifest) -> str:
    first = [f"Line {each.line}: {each}" for each in error.problems[:_MAX_PROBLEMS]]
    more = error.total - len(first)
    return "; ".join([*first, *([f"and {more:,} more"] if more else [])])


class ManifestScreen(ConsoleScreen):
    """Needs what `/admin/v1/manifest` needs: the right to read all sections."""

    @classmethod
    def scopes(cls) -> Iterable[str]:
        return [each.read for each in TYPES.values()]


class ConfigurationExportScreen(ManifestScreen):
    PATH = f"{_PATH}/export"

    def show(self) -> Response:
        """In a thread for plans, while it is sent."""
        return self.stream(self._pieces, "application/yaml", "issuer.yaml")

    @contextmanager
    def _pieces(self) -> Iterator[Iterator[str]]:
        operator = self.operator
        with self.parts.administration.reading(operator.actor, operator.held) as work:
            yield manifest.export(work)


class ConfigurationScreen(ManifestScreen):
    """One form: its text is planned, and applied only with the ETag of the plan that was shown."""

    PATH = _PATH
    LABEL = "Configuration"
    SIGN_IN = {"plan": NeedsSignIn.NEVER}
    MAX_FORM = 3 * MAX_BYTES + MAX_BYTES_OF_FORM  # percent-encoded
    SLOW = ("POST",)

    def show(self) -> Response:
        return self._page({}, now=self._now())

    def _now(self) -> tuple[str, bool] | None:
        """The beginning of the manifest of the configuration as it is, and whether there is more.

        None if there are more resources than a page can show: nothing is read then.
        """
        operator = self.operator
        with self.parts.administration.reading(operator.actor, operator.held) as work:
            counts = (work.collection(each).count(_MAX_RESOURCES + 1) for each in TYPES.values())
            if any(number > _MAX_RESOURCES for number in counts):
                return None
            text = "".join(manifest.export(work))
        cut = text[:_MAX_CHARACTERS].rpartition("\n")[0]
        return (text, False) if len(text) <= _MAX_CHARACTERS else (cut, True)

    def go_on(self, kept: Mapping[str, str]) -> Response:
        """Nobody applies what only the session before the sign-in has seen."""
        return self._page(kept, error=_AGAIN)

    def act(self) -> Response:
        try:
            return self._apply() if self.form.get("do") == "apply" else self._plan()
        except InvalidManifest as error:
            return self._page(self.form, problems_in_words(error))
        except NotKept:
            raise  # the frame asks which to keep
        except (InUse, NotAllowed) as error:
            return self._page(self.form, str(error), status=CONFLICT)

    def _plan(self) -> Response:
        return self._page(self.form, plan=make_plan(self.parts.administration, self._request()))

    def _apply(self) -> Response:
        def check(made: PlanResult) -> None:
            if made.etag != self.form.get("etag"):
                raise PlanChanged(made)

        try:
            made, applied = apply_plan(self.parts.administration, self._request(), check)
        except PlanChanged as changed:
            return self._page(self.form, error=_OUTDATED, plan=changed.made, status=CONFLICT)
        assert made.plan is not None
        return self._result_page(len(made.plan.steps), applied)

    def _result_page(self, changes: int, applied: Applied) -> Response:
        """Secrets of new clients are shown this once, with ids of new users."""
        if not applied.secrets and not applied.user_ids:
            noun = "change" if changes == 1 else "changes"
            text = f"The manifest is applied: {changes:,} {noun}."
            return self.finished(" ".join([text, *applied.warnings]), APPLY)
        return self.answer(
            "configuration_applied",
            "The manifest is applied",
            is_scripted=bool(applied.secrets),
            commands=(APPLY,),
            changes=changes,
            secrets=applied.secrets,
            user_ids=applied.user_ids,
            warnings=applied.warnings,
        )

    def _page(
        self, typed: Mapping[str, str], wrong: str = "", plan: PlanResult | None = None, **more: Any
    ) -> Response:
        return self.answer(
            "configuration",
            "Configuration",
            may_change=any(self.operator.holds(each.write) for each in TYPES.values()),
            commands=(EXPORT, PLAN),
            values=typed,
            errors={"source": wrong} if wrong else {},
            plan=plan_shown(plan) if plan else None,
            shows_now=not (typed or wrong or plan),
            **{"now": None, **more},
        )

    def _request(self) -> PlanRequest:
        return PlanRequest(
            self.operator.actor,
            self.operator.held,
            self.form.get("source", "").replace("\r\n", "\n").encode(),
            self.form.get("prune") == "yes",
            to_apply=True,
            allow_unknown_scopes=self.form.get("allow_unknown_scopes") == "yes",
            keep=self.operator.kept,
        )


class PlanChanged(Exception):
    """The plan is another one than that which was shown."""

    def __init__(self, made: PlanResult) -> None:
        super().__init__()
        self.made = made
