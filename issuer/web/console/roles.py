"""`/console/roles`: named sets of scopes, what they allow, and who has them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starlette.responses import Response

from issuer.catalogue import NEWEST, scopes
from issuer.catalogue.entries import ScopeEntry
from issuer.composition import UnitOfWork
from issuer.errors import InvalidField
from issuer.fields.text import escape
from issuer.groups import GROUP
from issuer.manifest.rights import role_effect
from issuer.resources import Command
from issuer.resources.resource_type import options_of
from issuer.roles import ROLE, Role, RoleFields
from issuer.scopes import parse
from issuer.settings import Settings
from issuer.trusted_issuers import TRUSTED_ISSUER
from issuer.values import lazy_property
from issuer.web.console.rights.assignments import holders
from issuer.web.console.rights.effective_rights import findings, scopes_in_words
from issuer.web.console.rights.last_use import last_days
from issuer.web.console.rights.scope_picker import gone_of, scopes_to_pick
from issuer.web.console.screens import resource_form as forms
from issuer.web.console.screens.collection import CollectionScreen
from issuer.web.console.screens.operator import NeedsSignIn, readable, unreadable
from issuer.web.console.screens.picks import MAX_BYTES
from issuer.web.console.screens.resource import Deletion, ResourceScreen
from issuer.web.console.screens.views import MOST_COUNTED, count_text

_CONSIDERED = 50  # principals
_NAMED = 5
_PROVIDERS = 100


def review(screen: ResourceScreen) -> Response:
    """What the change adds and removes, and what it means for some principals. Changes nothing."""
    if screen.is_outdated:
        return screen.conflict()
    role, form, operator = screen.resource, screen.form, screen.operator
    try:
        fields = FORM.read(form, role)
        with operator.work(ROLE.read) as work:
            forms.allow_if_ticked(work, form)
            work.roles.reject_misspelled(role, fields)
            work.authority.authorize_change(scopes=fields.scopes)
            effect = role_effect(work, role, fields, readable(operator), _CONSIDERED)
            total = work.assignments.principals_with_role(role.name).count()
    except InvalidField as error:
        return screen.edit_form(form, errors=forms.field_errors(error))
    ticked = {forms.ALLOW: form[forms.ALLOW]} if forms.ALLOW in form else {}
    considered = len(effect.considered)
    more = max(0, total - considered)
    return screen.answer(
        "review_role",
        f"Change {role.name}?",
        commands=(screen.update_command(fields),),
        role=role,
        values=screen.FORM.typed(fields) | {"version": str(role.version)} | ticked,
        added=_without(fields.scopes, role.scopes),
        removed=_without(role.scopes, fields.scopes),
        findings=findings(fields.scopes),
        shifts=effect.shifts,
        considered=considered,
        unaffected=considered - len({each.principal for each in effect.shifts}),
        more=count_text(more, total) if more else "",
        unseen=unreadable(operator),
    )


def _without(scopes: Iterable[str], others: Iterable[str]) -> list[str]:
    left = set(others)
    return [scope for scope in scopes if scope not in left]


def _holders(work: UnitOfWork, roles: Sequence[Role]) -> dict[str, int]:
    """To how many clients, users and groups each is assigned; counted up to `MOST_COUNTED`."""
    return work.assignments.count_assigned_of_each([each.name for each in roles], MOST_COUNTED)


class RoleForm(forms.ResourceForm[RoleFields, Role]):
    def given(self, form: Mapping[str, str], resource: Role | None) -> dict[str, Any]:
        """The members of the form, with the scopes of the field that completes names."""
        scopes = [*form.get("scopes", "").split(), *form.get("add", "").split()]
        return {**super().given(form, resource), "scopes": scopes}

    def choices(self, settings: Settings) -> Mapping[str, Sequence[ScopeEntry]]:
        return {"known": scopes(NEWEST)}


FORM = RoleForm(ROLE)


class RolesScreen(CollectionScreen):
    """The form for a new role warns once of scopes that look odd. `?add=` has scopes for it."""

    FORM = FORM
    EXPORTED = ("held_by",)
    PARAMETERS = ("new", "add")
    MAX_FORM = MAX_BYTES
    SIGN_IN = dict.fromkeys(("", "create", "force"), NeedsSignIn.IF_PROTECTED)

    def show(self) -> Response:
        if "add" in self.visit.query and self.operator.holds(ROLE.write):
            return self.form_page({"add": self.visit.query["add"]})
        return super().show()

    def about(self, work: UnitOfWork, roles: Sequence[Role]) -> dict[str, Any]:
        """How many hold each, its last use, and its scopes for what is no longer there."""
        holding = {name: count_text(number) for name, number in _holders(work, roles).items()}
        return {
            "holding": holding,
            "gone": gone_of(self.operator, work, roles),
            "last_days": last_days(self.operator, work, ROLE, roles),
        }

    def exported(self, work: UnitOfWork, roles: Sequence[Role]) -> Sequence[dict[str, Any]]:
        held_by = _holders(work, roles)
        return [{"held_by": held_by[each.name]} for each in roles]

    def picks(self, values: Mapping[str, str]) -> dict[str, Any]:
        """Without `findings`, which are about scopes that were typed and not saved yet."""
        return {**scopes_to_pick(self.operator, values), "findings": ()}

    def create(self) -> Response:
        scopes = FORM.read(self.form, None).scopes
        if self.form.get("do") != "force" and (found := findings(scopes)):
            typed = {**self.form, "scopes": "\n".join(scopes), "add": ""}
            return self.form_page(typed, findings=found)
        return super().create()


class OneRoleScreen(ResourceScreen):
    """`?edit=yes&add=` has a scope to add to the form; `?after=` pages who has the role."""

    FORM = FORM
    MAX_FORM = MAX_BYTES
    ACTIONS = {
        "edit": lambda screen: screen.edit_form(screen.form),
        "review": review,
        "apply": ResourceScreen.save,
        "delete": ResourceScreen.delete,
    }
    PARAMETERS = ("edit", "add")
    SIGN_IN = dict.fromkeys(ACTIONS, NeedsSignIn.IF_PROTECTED)
    NOT_TYPED = "Type {name} to confirm."
    IS_ALWAYS_TYPED = False

    @lazy_property
    def is_protected(self) -> bool:
        """Whether it gives rights at the issuer itself."""
        return any(parse(scope).is_of_issuer for scope in self.resource.scopes)

    def typed(self) -> dict[str, str]:
        return {**super().typed(), "add": self.visit.query.get("add", "")}

    def picks(self, values: Mapping[str, str]) -> dict[str, Any]:
        return scopes_to_pick(self.operator, values)

    def page(self, **shown: Any) -> Response:
        role: Role = self.resource
        words, url = scopes_in_words(role.scopes), self.site.base + self.path
        with self.operator.work(ROLE.read) as work:
            after = self.visit.query.get("after", "")
            held_by = holders(self.operator, work, role.name, after, url)
            gone = gone_of(self.operator, work, [role]).get(role.name, [])
            providers = self._providers(work)
        return super().page(
            scopes=words,
            more=len(role.scopes) - len(words),
            gone=gone,
            holders=held_by,
            unseen=unreadable(self.operator, GROUP),
            providers=providers,
            **shown,
        )

    def _providers(self, work: UnitOfWork) -> list[tuple[str, str, str | None]]:
        """The groups at trusted issuers that give it: issuer, group and audience."""
        if not self.operator.holds(TRUSTED_ISSUER.read):
            return []
        found = work.assignments.providers_of(self.key, _PROVIDERS)
        return [(each.issuer_id, each.group, each.audience_id) for each in found]

    def update_command(self, fields: RoleFields) -> Command:
        patch, before, scopes = self.patch(fields), self.resource.scopes, ROLE.members["scopes"]
        others = {name: patch[name] for name in patch if name != "scopes"}
        options = [
            *scopes.words("scopes", _without(fields.scopes, before), "add"),
            *scopes.words("scopes", _without(before, fields.scopes), "remove"),
            *options_of(ROLE.members, others),
        ]
        return ROLE.update_command(self.key, patch, options)

    def before_deletion(self, work: UnitOfWork) -> Deletion:
        number = work.assignments.count_assigned(self.key, MOST_COUNTED)
        some = holders(self.operator, work, self.key, "", "").items[:_NAMED]
        provided = work.assignments.providers_of(self.key, _NAMED)
        if not number and not provided:
            return Deletion("No client, user or group has it. This cannot be undone.")
        names = ", ".join(f"{each.kind} {escape(each.name)}" for each in some)
        more = f" and {number - len(some):,} more" if number > len(some) else ""
        who = f"{names}{more}" if names else f"{number:,} clients, users and groups"
        if provided:
            issuers = ", ".join(dict.fromkeys(each.issuer_id for each in provided))
            who = f"{f'{who}; ' if number else ''}groups at the trusted issuers {issuers}"
        return Deletion(
            f"It is in use: assigned to {who}. It is unassigned from all of them, and they lose"
            " its scopes unless they hold them otherwise. This cannot be undone.",
            cascade=True,
            button="Delete and unassign",
        )
