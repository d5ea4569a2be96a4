"""Roles assigned to a client, a user or a group: the section that shows them, and its forms."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from issuer.audiences import AUDIENCE
from issuer.clients.client import CLIENT
from issuer.composition import UnitOfWork
from issuer.directory import ClientRecord, Rights, UserRecord
from issuer.errors import InvalidField, NotFound
from issuer.fields.ids import fold_id
from issuer.groups import GROUP
from issuer.resources import ResourceType
from issuer.resources.resource_type import members_of
from issuer.review.evidence import grants_of
from issuer.review.store import GivenAssignment
from issuer.roles import ROLE, Assignment, HeldRole
from issuer.roles.operations import AssignmentDetails, AssignmentName
from issuer.users import USER
from issuer.values import lazy_property
from issuer.web.console.screens.events import READ
from issuer.web.console.screens.operator import Operator, readable
from issuer.web.console.screens.resource import ResourceScreen
from issuer.web.console.screens.resource_form import NameChoices, choices_of
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
    operator: Operator,
    work: UnitOfWork,
    key: str,
    typed: Mapping[str, str],
    audiences: tuple[str, ...] = (),
) -> dict[str, Any]:
    """For the template, what roles `key` holds, how each was `given`, and how many are not shown.

    Roles and audiences are to choose from, or those like what was `typed`; without `audiences`,
    these are read.
    """
    known = NameChoices(audiences, is_all=True)
    if not 0 < len(audiences) < _SHOWN:
        known = choices_of(operator, work, AUDIENCE, typed.get("audience", ""))
    held = work.assignments.roles_of(key)
    return {
        "held": held[:_SHOWN],
        "given": _given(operator, work, key, held[:_SHOWN]),
        "more": max(0, len(held) - _SHOWN),
        "roles": choices_of(operator, work, ROLE, typed.get("role", "")),
        "audiences": known,
        "members": members_of(AssignmentName) | members_of(AssignmentDetails),
    }


def _given(
    operator: Operator, work: UnitOfWork, key: str, held: Sequence[HeldRole]
) -> list[GivenAssignment]:
    """How each role was given: by whom, by name, and why, only for who may read the audit log."""
    found = grants_of(work.reviewed, key, held)
    if not operator.holds(READ):
        return [replace(each, given_by=None, reason=None) for each in found]
    givers = {each.given_by for each in found if each.given_by}
    names = work.audit_log.names(givers, [kind.name for kind in readable(operator, GROUP)])
    return [replace(each, given_by=names.get(each.given_by or "", each.given_by)) for each in found]


class PrincipalScreen(ResourceScreen):
    """The page of a client, a user or a group, with the section and its forms.

    What a role gives decides who may assign it, not what the principal has.
    """

    ON_OTHERS = ("assign-role", "unassign-role")
    SUGGESTS = True

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

    def page(self, **shown: Any) -> Response:
        return super().page(**{"suggests": True, **shown})

    def wrong(self, error: InvalidField) -> Response:
        values, errors = self.form, self.FORM.errors(error)
        if self.form.get("do") in self.ON_OTHERS:
            values, errors = _with_own_end(values), _with_own_end(errors)
        return self.page(values=values, errors=errors, error=f"Nothing was changed. {error}")


def _with_own_end(fields: Mapping[str, str]) -> dict[str, str]:
    """The end of an assignment is `until`: secrets, on the same page, have an end as well."""
    return {"until" if name == "expires_at" else name: text for name, text in fields.items()}
