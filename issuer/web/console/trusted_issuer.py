"""`/console/trusted-issuers/{key}`: one trusted issuer, its keys, and who trusts it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.responses import Response

from issuer.clients import CLIENT
from issuer.trusted_issuers import TRUSTED_ISSUER, TrustedIssuerResource
from issuer.web.console.endpoint import Operator
from issuer.web.console.key_fetching import FetchingEndpoint
from issuer.web.console.keys_of_others import KeysOfOthers, followed_keys, given_keys
from issuer.web.console.large_form import LargeFormEndpoint
from issuer.web.console.permitted import is_permitted
from issuer.web.console.recent_events import RecentEvents, recent_events
from issuer.web.console.recent_sign_in import NeedsSignIn
from issuer.web.console.trusted_issuer_action import (
    TrustedIssuerAction,
    delete,
    disable,
    edit,
    enable,
    fetch_keys,
    save,
)
from issuer.web.console.trusted_issuer_form import MAX_FORM, trusted_issuer_as_typed
from issuer.web.console.trusted_issuers import LIST
from issuer.web.console.views import ConsolePage
from issuer.web.visit import Visit

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
