"""`/console/audiences`: the AgentOS deployments that tokens are issued for, and new ones."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from starlette.responses import Response

from issuer.algorithms import AlgorithmInUse
from issuer.audiences import AUDIENCE, Audience, AudienceFields
from issuer.clients import CLIENT
from issuer.composition import UnitOfWork
from issuer.errors import InUse, InvalidField
from issuer.fields.times import in_seconds
from issuer.vocabulary import SigningAlgorithm
from issuer.web.console.rights.effective_rights import one_a_line
from issuer.web.console.rights.rights_at import PARAMETERS, MatrixFilters, RightsMatrix, rights_at
from issuer.web.console.screens.collection import ListEndpoint, ResourceAction, differing
from issuer.web.console.screens.commands import as_options
from issuer.web.console.screens.endpoint import ConsoleEndpoint
from issuer.web.console.screens.form_fields import field_errors, lifetime_as_typed, typed_lifetime
from issuer.web.console.screens.operator import NeedsSignIn, Operator, is_permitted
from issuer.web.console.screens.recent_events import RecentEvents, recent_events
from issuer.web.console.screens.views import (
    MOST_COUNTED,
    Command,
    ConsolePage,
    Listing,
    Typed,
    counted,
    listing,
)
from issuer.web.visit import Visit
from issuer.web.words import segment

_OPTIONS = {
    "name": "--name",
    "signing_alg": "--signing-alg",
    "access_token_ttl": "--access-token-ttl",
    "resources": "--resource",
}
_SWITCHES = {"include_roles": ("--include-roles", "--no-roles")}


def typed_audience(form: Mapping[str, str], audience_id: str = "") -> AudienceFields:
    """The audience of a form, or that of this id changed; `InvalidField` if it cannot be one."""
    return AudienceFields.read(
        {
            "id": audience_id or form.get("id", "").strip(),
            "name": form.get("name", "").strip(),
            "signing_alg": form.get("signing_alg") or None,
            "access_token_ttl": typed_lifetime(form.get("access_token_ttl", "")),
            "include_roles": "include_roles" in form,
            "resources": form.get("resources", "").split(),
        }
    )


def audience_as_typed(audience: Audience) -> dict[str, str]:
    """The fields of the form for a change, for the audience as it is."""
    typed = {"include_roles": "yes"} if audience.include_roles else {}
    return typed | {
        "name": audience.name,
        "signing_alg": audience.signing_alg or "",
        "access_token_ttl": lifetime_as_typed(audience.access_token_ttl),
        "resources": one_a_line(audience.resources),
    }


def audience_options(members: Mapping[str, Any]) -> list[str]:
    """The options of `issuer audience create` and `update` that give these members."""
    return as_options(members, _OPTIONS, _SWITCHES)


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
        return f"{counted(self.clients)} client{'s' if self.clients != 1 else ''}"

    @property
    def assigned_in_words(self) -> str:
        if self.assigned == 1:
            return "1 client or user"
        return f"{counted(self.assigned)} clients and users"


def audience_uses(work: UnitOfWork, audience_id: str) -> AudienceUses:
    return AudienceUses(
        work.clients.count_at(audience_id, MOST_COUNTED),
        work.assignments.count_at(audience_id, MOST_COUNTED),
    )


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


_BAD_REQUEST, _CONFLICT = 400, 409


@dataclass(frozen=True)
class AudienceChange(ResourceAction):
    TYPE = AUDIENCE
    audience: Audience

    @property
    def key(self) -> str:
        return self.audience.id


@dataclass(frozen=True, kw_only=True)
class EditAudiencePage(ConsolePage):
    TEMPLATE = "console/edit_audience.html"
    audience: Audience
    algorithms: tuple[SigningAlgorithm, ...]

    @property
    def title(self) -> str:
        return f"Edit {self.audience.id}"


def edit_audience(change: AudienceChange) -> Response:
    return change.edit_form(_page(change), change.form)


def save_audience(change: AudienceChange) -> Response:
    """Unless the audience was changed since the form was shown."""
    form = change.form
    try:
        fields = typed_audience(form, change.key)
        with change.operator.work(AUDIENCE.write) as work:
            now = work.audiences.get(change.key)
            if is_same := form.get("version") == str(now.version):
                work.audiences.replace(change.key, fields)
    except InvalidField as error:
        return change.edit_form(_page(change), form, field_errors(error), _BAD_REQUEST)
    if not is_same:
        return _conflict(replace(change, audience=now))
    return change.finished(f"The audience {change.key} is changed.", _command(change, fields))


def _conflict(change: AudienceChange) -> Response:
    """Both versions: what was typed, and below it what the audience is now."""
    now = audience_as_typed(change.audience)
    names = {*now, "include_roles"}
    present = differing(now, change.form, names)
    return change.edit_form(_page(change), change.form, status=_CONFLICT, present=present)


def _page(change: AudienceChange) -> partial[EditAudiencePage]:
    algorithms = tuple(change.endpoint.parts.settings.signing_algorithms)
    return partial(EditAudiencePage, audience=change.audience, algorithms=algorithms)


def _command(change: AudienceChange, fields: AudienceFields) -> Command:
    patch = change.patch(change.audience, fields)
    return change.command(("update", change.key, *audience_options(patch)), "PATCH", body=patch)


_NAMED = 5


def delete_audience(change: AudienceChange) -> Response:
    """Once its id was typed; what uses it loses it only if the page said so."""
    if not change.is_confirmed:
        return _asked(change)
    if not change.has_typed(change.key):
        return _asked(change, f"Type {change.key} to confirm.")
    cascade = change.form.get("cascade") == "yes"
    try:
        with change.operator.work(AUDIENCE.write) as work:
            work.audiences.delete(change.key, cascade=cascade)
    except InUse:  # since the page was shown
        return _asked(change)
    command = change.deletion(cascade=cascade)
    return change.endpoint.finished(LIST, f"The audience {change.key} is deleted.", command)


def _asked(change: AudienceChange, error: str = "") -> Response:
    names: list[str] = []
    with change.operator.work(AUDIENCE.read) as work:
        work.audiences.authorize_release(change.key)
        uses = audience_uses(work, change.key)
        if change.operator.holds(CLIENT.read):
            names = work.clients.ids_at(change.key, "", _NAMED)
    fields = {"do": "delete"} | ({"cascade": "yes"} if uses else {})
    return change.endpoint.ask(
        change.operator,
        change.visit,
        f"Delete the audience {change.key}?",
        _ends(uses, names),
        "Delete audience",
        fields,
        commands=(change.deletion(cascade=bool(uses)),),
        typed=change.key,
        error=error,
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
