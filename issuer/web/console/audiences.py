"""`/console/audiences`: the AgentOS deployments that tokens are issued for, and new ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from issuer.audiences import AUDIENCE, Audience
from issuer.vocabulary import SigningAlgorithm
from issuer.web.console.audience_form import audience_options, typed_audience
from issuer.web.console.endpoint import Operator
from issuer.web.console.list_endpoint import ListEndpoint
from issuer.web.console.listing import listing
from issuer.web.console.recent_sign_in import NeedsSignIn
from issuer.web.console.views import ConsolePage, Listing
from issuer.web.visit import Visit
from issuer.web.words import segment

LIST = "/console/audiences"


@dataclass(frozen=True, kw_only=True)
class AudiencesPage(ConsolePage):
    """`own` is the id of the issuer's own audience."""

    TEMPLATE = "console/audiences.html"
    title = "Audiences"
    own: str
    listing: Listing[Audience]

    @property
    def has_no_agent_os(self) -> bool:
        return [each.id for each in self.listing.items] == [self.own] and not self.listing.search


@dataclass(frozen=True, kw_only=True)
class NewAudiencePage(ConsolePage):
    """The first of `algorithms` is used unless another one is chosen."""

    TEMPLATE = "console/new_audience.html"
    title = "New audience"
    algorithms: tuple[SigningAlgorithm, ...]


class AudiencesEndpoint(ListEndpoint):
    """The list; with `?new=yes` the form for a new audience."""

    PATH = LIST
    TYPE = AUDIENCE
    READ = AUDIENCE.read
    PARAMETERS = ("new",)
    SIGN_IN = {"": NeedsSignIn.IF_PROTECTED}

    def screen(self, operator: Operator, visit: Visit) -> Response:
        if "new" in visit.query:
            operator.require(AUDIENCE.write)
            return self.show_form(operator, visit, {})
        with operator.work(AUDIENCE.read) as work:
            found = listing(work, visit, self.site.base + LIST, AUDIENCE)
        page = partial(AudiencesPage, own=self.parts.settings.url)
        return self.show_list(operator, visit, page, found)

    def create(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        fields = typed_audience(form)
        with operator.work(AUDIENCE.write) as work:
            created = work.audiences.create(fields)
        members = fields.model_dump(mode="json", exclude_defaults=True)
        command = self.creation([created.id, *audience_options(members)], members)
        text = f"The audience {created.id} is created."
        return self.finished(f"{LIST}/{segment(created.id)}", text, command)

    def new_page(
        self, operator: Operator, visit: Visit, form: Mapping[str, str]
    ) -> partial[NewAudiencePage]:
        algorithms = tuple(self.parts.settings.signing_algorithms)
        return partial(NewAudiencePage, algorithms=algorithms)
