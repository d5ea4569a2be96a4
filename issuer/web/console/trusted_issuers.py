"""`/console/trusted-issuers`: others whose tokens authenticate clients here, and new ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from issuer.clients import CLIENT
from issuer.trusted_issuers import TRUSTED_ISSUER, TrustedIssuerResource
from issuer.vocabulary import TokenAlgorithm
from issuer.web.console.screens.collection import ListEndpoint
from issuer.web.console.screens.endpoint import LargeFormEndpoint
from issuer.web.console.screens.keys_of_others import (
    FetchingEndpoint,
    KeysOfOthers,
    followed_keys,
    given_keys,
)
from issuer.web.console.screens.operator import NeedsSignIn, Operator, is_permitted
from issuer.web.console.screens.recent_events import RecentEvents, recent_events
from issuer.web.console.screens.views import ConsolePage, Listing, listing
from issuer.web.console.trusted_issuer_change import (
    KINDS,
    LIST,
    MAX_FORM,
    TrustedIssuerAction,
    delete,
    disable,
    edit,
    enable,
    fetch_keys,
    save,
    trusted_issuer_as_typed,
    trusted_issuer_options,
    typed_trusted_issuer,
    usual,
)
from issuer.web.visit import Visit
from issuer.web.words import segment


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


_SHOWN = 50  # clients
_ACTIONS: dict[str, Callable[[TrustedIssuerAction], Response]] = {
    "save": save,
    "enable": enable,
    "disable": disable,
    "delete": delete,
    "fetch-keys": fetch_keys,
}


@dataclass(frozen=True, kw_only=True)
class TrustedIssuerPage(ConsolePage):
    """`clients` trust it, and there are `more`; None without the scope to read clients.

    `is_protected`: a client with rights at the issuer itself relies on it.
    """

    TEMPLATE = "console/trusted_issuer.html"
    issuer: TrustedIssuerResource
    is_protected: bool
    keys: KeysOfOthers
    clients: tuple[str, ...] | None
    more: bool
    events: tuple[RecentEvents, ...] | None

    @property
    def title(self) -> str:
        return self.issuer.id


class OneTrustedIssuerEndpoint(FetchingEndpoint, LargeFormEndpoint):
    """`?edit=yes` is the form for a change."""

    PATH = f"{LIST}/{{key:path}}"
    READ = TRUSTED_ISSUER.read
    WRITE = TRUSTED_ISSUER.write
    PARAMETERS = ("edit",)
    SIGN_IN = {"fetch-keys": NeedsSignIn.NEVER}
    MAX_FORM = MAX_FORM

    def screen(self, operator: Operator, visit: Visit) -> Response:
        issuer, is_protected = self._issuer(operator, visit)
        if "edit" in visit.query:
            operator.require_may_change(TRUSTED_ISSUER.write, is_protected=is_protected)
            typed = {**trusted_issuer_as_typed(issuer), "version": str(issuer.version)}
            return edit(TrustedIssuerAction(self, operator, visit, typed, issuer))
        page = self._page(operator, visit, issuer, is_protected=is_protected)
        return self.site.pages.answer(page)

    def act(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        issuer, is_protected = self._issuer(operator, visit)
        operator.require_may_change(TRUSTED_ISSUER.write, is_protected=is_protected)
        if action := _ACTIONS.get(form.get("do", "")):
            return action(TrustedIssuerAction(self, operator, visit, form, issuer))
        return self.stale(visit, form)

    def _issuer(self, operator: Operator, visit: Visit) -> tuple[TrustedIssuerResource, bool]:
        """The trusted issuer of the URL, and whether it is protected from this operator."""
        with operator.work(TRUSTED_ISSUER.read) as work:
            issuer = work.trusted_issuers.get(visit.request.path_params["key"])
            return issuer, not is_permitted(work.trusted_issuers.authorize_change, issuer.id)

    def _page(
        self,
        operator: Operator,
        visit: Visit,
        issuer: TrustedIssuerResource,
        *,
        is_protected: bool,
    ) -> TrustedIssuerPage:
        key, clients = issuer.id, None
        if operator.holds(CLIENT.read):
            with operator.work(TRUSTED_ISSUER.read) as work:
                clients = work.trusted_issuers.clients_of(key, _SHOWN + 1)
        cli, path = ("trusted-issuer", "show", key), ("trusted-issuers", key)
        return TrustedIssuerPage(
            frame=self.frame(operator, visit),
            may_change=operator.may_change(TRUSTED_ISSUER.write, is_protected=is_protected),
            commands=(self.commands.command(cli, "GET", path),),
            issuer=issuer,
            is_protected=is_protected,
            keys=self._keys(issuer),
            clients=None if clients is None else tuple(clients[:_SHOWN]),
            more=len(clients or ()) > _SHOWN,
            events=recent_events(operator, key),
        )

    def _keys(self, issuer: TrustedIssuerResource) -> KeysOfOthers:
        if "jwks" in issuer.keys:
            return given_keys(issuer.keys["jwks"])
        assertions = self.parts.administration.client_assertions
        return followed_keys(assertions.key_set_of_issuer(issuer.id))
