"""`/console/explain/token`: does a token of another issuer authenticate a client, or why not?"""

from typing import Any

from starlette.responses import Response

from issuer.clients.client import CLIENT
from issuer.clients.operations import explain_token
from issuer.errors import InvalidField, NotFound
from issuer.fields.text import readable_json
from issuer.web.console.screens.keys_of_others import fetch_first
from issuer.web.console.screens.operator import NeedsSignIn
from issuer.web.console.screens.resource_form import field_errors
from issuer.web.console.screens.screen import ConsoleScreen


class ExplainTokenScreen(ConsoleScreen):
    """The token is in the body of a form: it is in no URL and no log, is not stored or used up.

    `?client=` fills in the client.
    """

    PATH = "/console/explain/token"
    READ = CLIENT.read
    PARAMETERS = ("client",)
    SIGN_IN = {"": NeedsSignIn.NEVER}

    def show(self) -> Response:
        return self._page(self.visit.query.get("client", ""))

    def act(self) -> Response:
        client_id = self.form.get("client", "").strip()
        try:
            return self._page(client_id, verdict=self._verdict(client_id))
        except InvalidField as error:
            return self._page(client_id, errors=field_errors(error))

    def _verdict(self, client_id: str) -> dict[str, Any]:
        """What each trust of the client says to the token, and its claims as JSON, not verified."""
        with self.operator.work(CLIENT.read) as work:
            if not work.clients.exists(client_id):
                raise InvalidField("client", str(NotFound("client", client_id)))
        if not (token := "".join(self.form.get("token", "").split())):
            raise InvalidField("token", "Paste the token.")
        found = self.parts.administration.client_assertions.explained(client_id, token)
        fetch_first(self.form, found.fetch_keys)
        try:
            claims = readable_json(found.unverified_claims)
        except RecursionError:
            raise InvalidField("token", "Its claims are nested too deeply.") from None
        is_accepted = any(not each.rule for each in found.trusts)
        return {"trusts": found.trusts, "claims": claims, "is_accepted": is_accepted}

    def _page(self, client_id: str, **shown: Any) -> Response:
        """Without the token: what proves who somebody is, is typed again."""
        return self.answer(
            "explain_token",
            "Explain a token",
            commands=(explain_token(client_id),) if client_id else (),
            values={"client": client_id},
            **{"verdict": None, **shown},
        )
