"""`/console/trusted-issuers`: others whose tokens authenticate clients here, and new ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from issuer.trusted_issuers import TRUSTED_ISSUER, TrustedIssuerResource
from issuer.vocabulary import TokenAlgorithm
from issuer.web.console.endpoint import Operator
from issuer.web.console.large_form import LargeFormEndpoint
from issuer.web.console.list_endpoint import ListEndpoint
from issuer.web.console.listing import listing
from issuer.web.console.trusted_issuer_form import (
    KINDS,
    MAX_FORM,
    trusted_issuer_options,
    typed_trusted_issuer,
    usual,
)
from issuer.web.console.views import ConsolePage, Listing
from issuer.web.visit import Visit
from issuer.web.words import segment

LIST = "/console/trusted-issuers"


@dataclass(frozen=True, kw_only=True)
class TrustedIssuersPage(ConsolePage):
    TEMPLATE = "console/trusted_issuers.html"
    title = "Trusted issuers"
    listing: Listing[TrustedIssuerResource]


@dataclass(frozen=True, kw_only=True)
class NewTrustedIssuerPage(ConsolePage):
    """`kind` is one of `kinds`."""

    TEMPLATE = "console/new_trusted_issuer.html"
    title = "New trusted issuer"
    kind: str
    kinds: tuple[str, ...] = KINDS
    algorithms: tuple[TokenAlgorithm, ...] = tuple(TokenAlgorithm)


class TrustedIssuersEndpoint(ListEndpoint, LargeFormEndpoint):
    """The list; with `?new=` the form for a new one of that kind."""

    PATH = LIST
    TYPE = TRUSTED_ISSUER
    READ = TRUSTED_ISSUER.read
    PARAMETERS = ("new",)
    MAX_FORM = MAX_FORM

    def screen(self, operator: Operator, visit: Visit) -> Response:
        if "new" in visit.query:
            operator.require(TRUSTED_ISSUER.write)
            return self.show_form(operator, visit, usual(_kind(visit.query["new"])))
        with operator.work(TRUSTED_ISSUER.read) as work:
            found = listing(work, visit, self.site.base + LIST, TRUSTED_ISSUER)
        return self.show_list(operator, visit, TrustedIssuersPage, found)

    def create(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        fields = typed_trusted_issuer(form)
        with operator.work(TRUSTED_ISSUER.write) as work:
            created = work.trusted_issuers.create(fields)
        members = fields.model_dump(mode="json", exclude_defaults=True)
        command = self.creation([created.id, *trusted_issuer_options(members)], members)
        text = f"The trusted issuer {created.id} is created. Clients name it in their trusts."
        return self.finished(f"{LIST}/{segment(created.id)}", text, command)

    def new_page(
        self, operator: Operator, visit: Visit, form: Mapping[str, str]
    ) -> partial[NewTrustedIssuerPage]:
        return partial(NewTrustedIssuerPage, kind=_kind(form.get("kind", "")))


def _kind(name: str) -> str:
    return name if name in KINDS else KINDS[0]
