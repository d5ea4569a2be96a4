"""`/console/explain/token`: does a token of another issuer authenticate a client, or why not?"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import Response

from issuer.clients import CLIENT
from issuer.errors import InvalidField, NotFound
from issuer.fields.text import readable_json
from issuer.web.console.screens.keys_of_others import FetchingEndpoint, fetch_first
from issuer.web.console.screens.operator import NeedsSignIn, Operator
from issuer.web.console.screens.resource_form import field_errors
from issuer.web.console.screens.views import ConsolePage
from issuer.web.visit import Visit

if TYPE_CHECKING:  # few deployments have trusted issuers
    from issuer.clients.trusted_tokens import TrustFinding

_BAD_REQUEST = 400


@dataclass(frozen=True, slots=True)
class TokenVerdict:
    """What each trust of the client says to the token, and its claims as JSON, not verified."""

    trusts: "tuple[TrustFinding, ...]"
    claims: str

    @property
    def is_accepted(self) -> bool:
        return any(not each.rule for each in self.trusts)


@dataclass(frozen=True, kw_only=True)
class ExplainTokenPage(ConsolePage):
    """`verdict` is None before a token was given."""

    TEMPLATE = "console/explain_token.html"
    title = "Explain a token"
    verdict: TokenVerdict | None = None


class ExplainTokenEndpoint(FetchingEndpoint):
    """The token is in the body of a form: it is in no URL and no log, is not stored or used up.

    `?client=` fills in the client.
    """

    PATH = "/console/explain/token"
    READ = CLIENT.read
    PARAMETERS = ("client",)
    SIGN_IN = {"": NeedsSignIn.NEVER}

    def screen(self, operator: Operator, visit: Visit) -> Response:
        return self._page(operator, visit, visit.query.get("client", ""))

    def act(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        client_id = form.get("client", "").strip()
        try:
            verdict = self._verdict(operator, client_id, form)
        except InvalidField as error:
            return self._page(operator, visit, client_id, field_errors(error))
        return self._page(operator, visit, client_id, verdict=verdict)

    def _verdict(self, operator: Operator, client_id: str, form: Mapping[str, str]) -> TokenVerdict:
        with operator.work(CLIENT.read) as work:
            if not work.clients.exists(client_id):
                raise InvalidField("client", str(NotFound("client", client_id)))
        if not (token := "".join(form.get("token", "").split())):
            raise InvalidField("token", "Paste the token.")
        found = self.parts.administration.client_assertions.explained(client_id, token)
        fetch_first(form, found.fetch_keys)
        try:
            claims = readable_json(found.unverified_claims)
        except RecursionError:
            raise InvalidField("token", "Its claims are nested too deeply.") from None
        return TokenVerdict(found.trusts, claims)

    def _page(
        self,
        operator: Operator,
        visit: Visit,
        client_id: str,
        errors: Mapping[str, str] | None = None,
        verdict: TokenVerdict | None = None,
    ) -> Response:
        """Without the token: what proves who somebody is, is typed again."""
        cli = ("client", "trust", "explain", client_id)
        commands = (self.commands.command(cli),) if client_id else ()
        page = partial(ExplainTokenPage, verdict=verdict, commands=commands)
        status = _BAD_REQUEST if errors else 200
        return self.form_page(operator, visit, page, {"client": client_id}, errors, status)
