"""What commands use of the administration, over the admin API."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Self

from pydantic import TypeAdapter

from issuer.cli.confirming import current_confirmation
from issuer.cli.remote.admin_api import AdminApiClient
from issuer.cli.remote.target import needs_host
from issuer.cli.remote.transaction import parsed
from issuer.cli.remote.work import ServerWork
from issuer.errors import InvalidField, IssuerError
from issuer.explain.explaining import Explanation, Preview, PreviewRequest, Question, Subject
from issuer.inspection.components import InspectionReport
from issuer.review.proposals import Proposal
from issuer.review.reviewing import Review

_EXPLANATION = TypeAdapter(Explanation)


class ServerAdministration:
    """Units of work at a server, and what needs none."""

    def __init__(self, server: str) -> None:
        self._api = AdminApiClient(server)

    def __getattr__(self, name: str) -> Any:
        raise needs_host(self._api.issuer)

    settings = None  # of the server
    passwords = SimpleNamespace(prepared=str)  # by the server

    def close(self) -> None:
        self._api.close()

    def reading(self) -> AbstractContextManager[ServerWork]:
        return ServerWork.begin(self._api)

    def changing(self, _: object) -> AbstractContextManager[ServerWork]:
        return ServerWork.begin(self._api, current_confirmation())

    changing_keys = changing

    @property
    def inspector(self) -> Self:
        return self

    def inspect(
        self, _: Callable[..., object], audience_id: str, url: str | None = None
    ) -> InspectionReport:
        if url is not None:
            raise IssuerError(
                f"--url works on the host of the issuer: {self._api.issuer} inspects the URL of the"
                " audience."
            )
        answer = self._api.send("POST", ("audiences", audience_id, "inspection"))
        return parsed(InspectionReport, answer.json())

    @property
    def explainer(self) -> SimpleNamespace:
        return SimpleNamespace(own_api=SimpleNamespace(), explain=self._explain)

    def _explain(self, question: Question) -> Explanation:
        made = self._post("explain", question)
        listing, by = made["listing"], [made["scope"]] if made["scope"] else []
        shown = frozenset(listing) if isinstance(listing, list) else listing
        decision = {**made, "by": by, "listing": shown}
        return _EXPLANATION.validate_python({**made, "decision": decision})

    def preview(self, request: PreviewRequest) -> Preview:
        try:
            made = self._post("preview", request)
        except InvalidField as error:
            raise (IssuerError(error.message) if error.field == "scope" else error) from None
        return Preview(made["claims"], made["bytes"])

    def _post(self, about: str, asked: Subject) -> dict[str, Any]:
        body = asked.model_dump(mode="json", exclude_unset=True)
        members: dict[str, Any] = self._api.send("POST", (about,), body=body).json()
        return members

    def review(self, unused_for: timedelta) -> Review:
        return parsed(Review, self._api.send("GET", ("review",), _period(unused_for)).json())

    def propose(self, name: str, unused_for: timedelta) -> Proposal:
        made = self._api.send("GET", ("review", name), _period(unused_for)).json()
        before, after = (
            {place: frozenset(scopes) for place, scopes in made[which].items()}
            for which in ("held", "enough")
        )
        return Proposal(made["change_count"], before, after, made["manifest"], made["note"])


def _period(unused_for: timedelta) -> dict[str, str]:
    return {"unused_for": f"{unused_for.total_seconds():.0f}s"}
