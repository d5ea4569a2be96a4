"""`/console/audiences`: the AgentOS deployments that tokens are issued for, and rights there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from starlette.responses import Response

from issuer.audiences import AUDIENCE, Audience, AudienceFields
from issuer.clients.client import CLIENT
from issuer.composition import UnitOfWork
from issuer.errors import NotAllowed, TooManyRequests
from issuer.fields.times import in_seconds
from issuer.operations import commands
from issuer.settings import Settings
from issuer.status.agent_os import agent_os_states
from issuer.values import lazy_property
from issuer.vocabulary import SigningAlgorithm
from issuer.web.console.rights.rights_at import PARAMETERS, MatrixFilters, RightsMatrix
from issuer.web.console.screens.collection import CollectionScreen
from issuer.web.console.screens.operator import NeedsSignIn, is_permitted
from issuer.web.console.screens.resource import Action, Deletion, ResourceScreen, changes_of
from issuer.web.console.screens.resource_form import ResourceForm
from issuer.web.console.screens.screen import CONFLICT
from issuer.web.console.screens.views import MOST_COUNTED, count_text

_EXAMPLE = "https://os.example/mcp"
_NAMED = 5
TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class AudienceUses:
    """`clients` that may request its tokens; `assigned` principals have a role at exactly it.

    Neither is counted beyond `MOST_COUNTED`.
    """

    clients: int
    assigned: int

    def __bool__(self) -> bool:
        return bool(self.clients or self.assigned)

    @property
    def clients_in_words(self) -> str:
        return f"{count_text(self.clients)} client{'s' if self.clients != 1 else ''}"

    @property
    def assigned_in_words(self) -> str:
        if self.assigned == 1:
            return "1 client, user or group"
        return f"{count_text(self.assigned)} clients, users and groups"


class AudienceForm(ResourceForm[AudienceFields, Audience]):
    def choices(self, settings: Settings) -> Mapping[str, Sequence[SigningAlgorithm]]:
        """The first is used unless another one is chosen."""
        return {"signing_alg": settings.signing_algorithms}


FORM = AudienceForm(AUDIENCE)


class AudiencesScreen(CollectionScreen):
    FORM = FORM
    SIGN_IN = {"": NeedsSignIn.IF_PROTECTED}

    def about(self, work: UnitOfWork, resources: Sequence[Audience]) -> dict[str, Any]:
        """How each AgentOS is, by audience."""
        return {"states": {each.audience.id: each for each in agent_os_states(work, resources)}}


class OneAudienceScreen(ResourceScreen):
    """The parameters of its query filter and page the matrix."""

    FORM = FORM
    PARAMETERS = ("edit", *PARAMETERS)
    NOT_TYPED = "Type {name} to confirm."

    def inspect(self) -> Response:
        """Ask its AgentOS now; the page then shows the result, or why there is none."""
        opening = partial(self.operator.work, AUDIENCE.write)
        try:
            report = self.parts.administration.inspector.inspect(opening, self.key)
        except NotAllowed as error:
            return self.page(error=str(error), status=CONFLICT)
        except TooManyRequests as error:
            busy = "Two inspections are running. Try again in a minute."
            response = self.page(error=busy, status=TOO_MANY)
            response.headers["Retry-After"] = str(error.retry_after)
            return response
        found = len(report.findings)
        findings = f"{found or 'no'} finding{'' if found == 1 else 's'}"
        done = f"The AgentOS is inspected: {findings}."
        return self.finished(done, commands.inspect(self.key))

    ACTIONS: ClassVar[Mapping[str, Action]] = {**changes_of(AUDIENCE), "inspect": inspect}
    SIGN_IN = dict.fromkeys(ACTIONS, NeedsSignIn.IF_PROTECTED)

    @lazy_property
    def is_protected(self) -> bool:
        """Whether it is that of the issuer, which only admins may change."""
        return self.key == self.parts.settings.url

    def page(self, **shown: Any) -> Response:
        """With the commands to connect an AgentOS and to create a first client.

        `signs_now` is the algorithm of its tokens at this moment, `verified` are those of its keys.
        `may_delete`: only an admin may, if something with rights at the issuer itself uses it.
        """
        audience: Audience = self.resource
        url, now = self.site.base + self.path, self.parts.clock()
        filters, key = MatrixFilters.read(self.visit.query), audience.id
        with self.operator.work(AUDIENCE.read) as work:
            uses = _uses(work, key)
            may_delete = is_permitted(work.audiences.authorize_release, key)
            matrix = RightsMatrix(self.operator, work, audience, filters, url).shown()
            inspection = work.inspections.find(key)
        signing = audience.algorithm
        wrong = {"resource": filters.error} if filters.error else {}
        return super().page(
            may_delete=may_delete,
            signs_now=signing.at(now),
            verified=tuple(sorted(signing.published(now))),
            default_ttl=in_seconds(self.parts.settings.access_token_ttl),
            connect=commands.connect(next(iter(audience.resources), _EXAMPLE)),
            uses=uses,
            matrix=matrix,
            inspection=inspection,
            inspects_daily=self.parts.settings.daily_inspection,
            **{"errors": wrong, **shown},
        )

    def before_deletion(self, work: UnitOfWork) -> Deletion:
        work.audiences.authorize_release(self.key)
        uses, names = _uses(work, self.key), list[str]()
        if self.operator.holds(CLIENT.read):
            names = work.clients.ids_at(self.key, "", _NAMED)
        return Deletion(_ends(uses, names), cascade=bool(uses))


def _uses(work: UnitOfWork, audience_id: str) -> AudienceUses:
    return AudienceUses(
        work.clients.count_at(audience_id, MOST_COUNTED),
        work.assignments.count_at(audience_id, MOST_COUNTED),
    )


def _ends(uses: AudienceUses, names: list[str]) -> str:
    """What ends with it, as sentences."""
    sentences = [
        "Every token for it is revoked: an AgentOS with the verifier refuses them within 10"
        " seconds. They stay revoked if the id is used again."
    ]
    if uses.clients:
        among = f" ({', '.join(names)})" if names else ""
        if 0 < len(names) < uses.clients:
            among = f", among them {', '.join(names)},"
        verb = "gets" if uses.clients == 1 else "get"
        sentences.append(f"{uses.clients_in_words}{among} {verb} no more tokens for it.")
    if uses.assigned:
        verb = "loses" if uses.assigned == 1 else "lose"
        sentences.append(f"{uses.assigned_in_words} {verb} the roles assigned at it.")
    if not uses:
        sentences.append("No client may ask for its tokens, and no role is assigned at it.")
    return " ".join([*sentences, "This cannot be undone."])
