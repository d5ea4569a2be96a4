"""`/console/audiences/{key}`: one audience, who may do what there, and what happened to it."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.responses import Response

from issuer.algorithms import AlgorithmInUse
from issuer.audiences import AUDIENCE, Audience
from issuer.fields.times import in_seconds
from issuer.vocabulary import SigningAlgorithm
from issuer.web.console.audience_delete import delete_audience
from issuer.web.console.audience_edit import AudienceChange, edit_audience, save_audience
from issuer.web.console.audience_form import audience_as_typed
from issuer.web.console.audience_uses import AudienceUses, audience_uses
from issuer.web.console.audiences import LIST
from issuer.web.console.endpoint import ConsoleEndpoint, Operator
from issuer.web.console.matrix_filters import PARAMETERS, MatrixFilters
from issuer.web.console.permitted import is_permitted
from issuer.web.console.recent_events import RecentEvents, recent_events
from issuer.web.console.recent_sign_in import NeedsSignIn
from issuer.web.console.rights_at import RightsMatrix, rights_at
from issuer.web.console.views import ConsolePage, Typed
from issuer.web.visit import Visit

_CONNECT = ("issuer", "connect", "claude-code")
_CREATE = ("issuer", "client", "create", "ci-bot")
_EXAMPLE = "https://os.example/mcp"
_CHANGES: dict[str, Callable[[AudienceChange], Response]] = {
    "save": save_audience,
    "delete": delete_audience,
}


@dataclass(frozen=True, kw_only=True)
class AudiencePage(ConsolePage):
    """`signs_now` is the algorithm of its tokens at this moment, `verified` are those of its keys.

    `may_delete`: only an admin may, if something with rights at the issuer itself uses it.
    `is_own`: it is that of the issuer's admin API. `connect` and `first_client` are commands.
    """

    TEMPLATE = "console/audience.html"
    audience: Audience
    may_delete: bool
    signs_now: SigningAlgorithm
    verified: tuple[SigningAlgorithm, ...]
    default_ttl: int
    is_own: bool
    connect: str
    first_client: str
    uses: AudienceUses
    matrix: RightsMatrix
    events: tuple[RecentEvents, ...] | None

    @property
    def title(self) -> str:
        return self.audience.name or self.audience.id


class OneAudienceEndpoint(ConsoleEndpoint):
    """`?edit=yes` is the form for a change; the other parameters filter and page the matrix."""

    PATH = f"{LIST}/{{key:path}}"
    READ = AUDIENCE.read
    WRITE = AUDIENCE.write
    PARAMETERS = ("edit", *PARAMETERS)
    SIGN_IN = dict.fromkeys(_CHANGES, NeedsSignIn.IF_PROTECTED)

    def screen(self, operator: Operator, visit: Visit) -> Response:
        audience = self._audience(operator, visit)
        if "edit" in visit.query:
            self._require_may_change(operator, audience)
            typed = {**audience_as_typed(audience), "version": str(audience.version)}
            return edit_audience(AudienceChange(self, operator, visit, typed, audience))
        page = self._page(operator, visit, audience)
        return self.site.pages.answer(page, 400 if page.errors else 200)

    def act(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        audience = self._audience(operator, visit)
        self._require_may_change(operator, audience)
        if change := _CHANGES.get(form.get("do", "")):
            return change(AudienceChange(self, operator, visit, form, audience))
        return self.stale(visit, form)

    def _audience(self, operator: Operator, visit: Visit) -> Audience:
        with operator.work(AUDIENCE.read) as work:
            return work.audiences.get(visit.request.path_params["key"])

    def _page(self, operator: Operator, visit: Visit, audience: Audience) -> AudiencePage:
        url, now = self.site.base + self.path(visit), self.parts.clock()
        filters, key = MatrixFilters.read(visit.query), audience.id
        with operator.work(AUDIENCE.read) as work:
            uses = audience_uses(work, key)
            may_delete = is_permitted(work.audiences.authorize_release, key)
            matrix = rights_at(operator, work, audience, filters, url)
        signing = _signing(audience)
        return AudiencePage(
            frame=self.frame(operator, visit),
            may_change=operator.may_change(AUDIENCE.write, is_protected=self._is_own(audience)),
            commands=(self.commands.command(("audience", "show", key), "GET", ("audiences", key)),),
            errors=Typed({"resource": filters.error} if filters.error else {}),
            audience=audience,
            may_delete=may_delete,
            signs_now=signing.at(now),
            verified=tuple(sorted(signing.published(now))),
            default_ttl=in_seconds(self.parts.settings.access_token_ttl),
            is_own=self._is_own(audience),
            connect=shlex.join([*_CONNECT, next(iter(audience.resources), _EXAMPLE)]),
            first_client=shlex.join([*_CREATE, "--audience", key, "--role", "web-runner"]),
            uses=uses,
            matrix=matrix,
            events=recent_events(operator, key),
        )

    def _is_own(self, audience: Audience) -> bool:
        """Whether it is that of the issuer, which only admins may change."""
        return audience.id == self.parts.settings.url

    def _require_may_change(self, operator: Operator, audience: Audience) -> None:
        operator.require_may_change(AUDIENCE.write, is_protected=self._is_own(audience))


def _signing(audience: Audience) -> AlgorithmInUse:
    assert audience.signing_alg is not None
    return AlgorithmInUse(audience.signing_alg, audience.previous_alg, audience.alg_changes_at)
