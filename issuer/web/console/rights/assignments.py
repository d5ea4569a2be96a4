"""Roles assigned to a client, a user or a group: the section that shows them, and its forms."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from starlette.responses import Response

from issuer.audiences import AUDIENCE
from issuer.clients.client import CLIENT
from issuer.composition import UnitOfWork
from issuer.directory import ClientRecord, Rights, UserRecord
from issuer.errors import InvalidField, NotFound
from issuer.fields.fields import Fields, Reason
from issuer.fields.ids import fold_id
from issuer.fields.times import has_ended, in_json, instant_from
from issuer.groups import GROUP
from issuer.operations import About
from issuer.resources import Command, ResourceType
from issuer.roles import ROLE, Assignment
from issuer.roles.operations import RolesOf, command_of, sentence_of
from issuer.users import USER
from issuer.values import lazy_property
from issuer.web.console.screens.operator import Operator, readable
from issuer.web.console.screens.resource import ResourceScreen
from issuer.web.console.screens.resource_form import some_keys
from issuer.web.console.screens.views import MOST_COUNTED, PAGE, Listing, count_text

_PLACES = 5
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Holder:
    """A client, user or group; `more` assignments of the role are not among `places`."""

    kind: str
    id: str
    name: str
    disabled: bool
    places: tuple[Assignment, ...]
    more: int


def holders(
    operator: Operator, work: UnitOfWork, role: str, after: str, url: str
) -> Listing[Holder]:
    """The part of who has the role that begins after the id; `url` is that of the role's page."""
    ids = work.assignments.principals_assigned(role, fold_id(after), PAGE + 1)
    shown = ids[:PAGE]
    number = work.assignments.count_assigned(role, MOST_COUNTED)
    kinds = readable(operator, GROUP)
    items = [each for kind in kinds for each in _of_kind(work, kind, role, shown)]
    return Listing(
        tuple(sorted(items, key=lambda each: fold_id(each.id))),
        count_text(number),
        next_url=f"{url}?{urlencode({'after': shown[-1]})}" if len(ids) > PAGE else "",
        first_url=url if after else "",
    )


def _of_kind(
    work: UnitOfWork, kind: ResourceType[Any, Any], role: str, ids: Sequence[str]
) -> Iterator[Holder]:
    found = {fold_id(kind.key_of(each)): each for each in work.collection(kind).named(ids)}
    assigned = work.assignments.of_each(list(found))
    for folded, principal in found.items():
        places = [each for each in assigned.get(folded, ()) if each.role == role]
        if not places:
            continue  # it has ended since
        places.sort(key=lambda each: each.audience or "")
        key, more = kind.key_of(principal), max(0, len(places) - _PLACES)
        name = principal.username if kind is USER else principal.name or key
        disabled = getattr(principal, "disabled", False)
        yield Holder(kind.kind, key, name, disabled, tuple(places[:_PLACES]), more)


def assignments_section(
    operator: Operator, work: UnitOfWork, key: str, audiences: tuple[str, ...] = ()
) -> dict[str, Any]:
    """For the template, what roles `key` holds, and how many `more` are not listed.

    Some roles and audiences are to choose from; others can be typed. Without `audiences`, some are
    read.
    """
    held = work.assignments.roles_of(key)
    return {
        "held": held[:_SHOWN],
        "more": max(0, len(held) - _SHOWN),
        "roles": some_keys(operator, work, ROLE),
        "audiences": audiences[:_SHOWN] or some_keys(operator, work, AUDIENCE),
    }


class PrincipalScreen(ResourceScreen):
    """The page of a client, a user or a group, with the section and its forms.

    What a role gives decides who may assign it, not what the principal has.
    """

    ROLES: ClassVar[RolesOf]
    ON_OTHERS = ("assign", "unassign")

    @lazy_property
    def record(self) -> ClientRecord | UserRecord:
        """With the rights that it has now."""
        directory = self.parts.directory
        load = directory.load_client if self.TYPE is CLIENT else directory.load_user
        if (record := load(self.key)) is None:
            raise NotFound(self.TYPE.kind, self.key)
        return record

    @lazy_property
    def rights(self) -> Rights:
        """The rights that it has now."""
        return self.record.rights

    @lazy_property
    def is_protected(self) -> bool:
        """Whether it has rights at the issuer itself."""
        return bool(self.rights.scopes_at(self.parts.settings.url, is_own=True))

    def wrong(self, error: InvalidField) -> Response:
        sentence = f"Nothing was changed. {error}"
        return self.page(values=self.form, errors=self.FORM.errors(error), error=sentence)

    def assign(self) -> Response:
        """Or `unassign`: asks first. `InvalidField` for the fields of the form."""
        assignment, verb = _assignment(self.form, self.parts.clock()), self.form["do"]
        reason = _Reason.read({"reason": self.form.get("reason", "").strip()}).reason
        command = command_of(self.TYPE, verb, self.key, assignment, reason)
        if not self.is_confirmed:
            return self._ask_to_assign(assignment, command, reason)

        def change(work: UnitOfWork) -> None:
            if verb == "assign":
                work.assignments.assign(self.key, assignment, reason)
            else:
                work.assignments.unassign(self.key, assignment, reason)

        return self.done(change, sentence_of(verb, self.name, assignment), command)

    def _ask_to_assign(self, assignment: Assignment, command: Command, reason: str) -> Response:
        is_end, roles = self.form["do"] == "unassign", self.ROLES
        ask = roles.question_to_unassign if is_end else roles.question_to_assign
        with self.operator.work(self.TYPE.read) as work:
            try:
                question = ask(work, About(self.key, self.name, assignment.role), assignment)
            except NotFound as error:
                if error.kind not in {"role", "audience"}:
                    raise
                raise InvalidField(error.kind, str(error)) from None
        where = assignment.audience
        fields = {"role": assignment.role}
        fields |= {"audience": where} if where else {"everywhere": "yes"}
        fields |= {"until": in_json(assignment.expires_at) or "", "reason": reason}
        asked = question.what, question.why, question.button
        return self.confirm(asked, command, fields, is_dangerous=is_end, points=question.points)


ASSIGNING = dict.fromkeys(PrincipalScreen.ON_OTHERS, PrincipalScreen.assign)


class _Reason(Fields):
    reason: Reason


def _assignment(form: Mapping[str, str], now: datetime) -> Assignment:
    if not (role := form.get("role", "").strip()):
        raise InvalidField("role", "Name the role.")
    audience, everywhere = form.get("audience", "").strip() or None, "everywhere" in form
    if (audience is None) != everywhere:
        raise InvalidField("audience", "Name one audience, or choose everywhere.")
    try:
        end = instant_from(text, now) if (text := form.get("until", "").strip()) else None
    except ValueError as error:
        raise InvalidField("until", str(error)) from None
    if has_ended(end, now):
        raise InvalidField("until", "is in the past")
    return Assignment.of(role, audience, everywhere=everywhere, expires_at=end)
