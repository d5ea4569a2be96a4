"""Planning the changes from the current configuration to the declared one."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any, TypeAlias

from issuer.audiences import AUDIENCE
from issuer.authority import GivenCredential, GivenMember
from issuer.catalogue.lint import OTHERWISE, misspellings
from issuer.clients.client import CLIENT, ClientFields
from issuer.errors import InUse, NotAllowed
from issuer.fields.fields import Fields
from issuer.groups import GROUP, GroupFields
from issuer.manifest import current
from issuer.manifest.changes import (
    Action,
    Change,
    ManifestPlan,
    MemberChange,
    Shift,
    Step,
    assignment_changes,
    changes,
)
from issuer.manifest.entries import (
    NAMED_BY,
    PRINCIPALS,
    TYPES,
    AnyType,
    Resource,
    bare,
    in_order,
    plain_types,
    without_expired,
)
from issuer.manifest.names import declares
from issuer.manifest.principals import (
    Declared,
    Memberships,
    PlannedPrincipal,
    renames_in_order,
    stored_principals,
)
from issuer.manifest.problems import InvalidManifest, Path
from issuer.manifest.reading import Manifest, unfit
from issuer.manifest.rights import NO_RIGHTS, PrincipalRights, RightsSnapshot, shifts
from issuer.roles import ROLE
from issuer.scopes import ISSUER_ADMIN
from issuer.trusted_issuers import TRUSTED_ISSUER, TrustedIssuerFields
from issuer.users import USER, UserFields
from issuer.vocabulary import SigningAlgorithm

_MAX_NAMED = 100
_State: TypeAlias = PlannedPrincipal | None  # None: there is none


def _order() -> Iterator[tuple[Action, str]]:
    """Ids and names are freed before others use them; a resource is unused before its deletion."""
    # Trusted issuers give roles at audiences to groups of theirs.
    plain = [each.kind for each in plain_types() if each is not TRUSTED_ISSUER]
    plain.append(TRUSTED_ISSUER.kind)
    principals = [each.kind for each in PRINCIPALS]
    yield from product([Action.DELETE], principals)
    for kind in plain:
        yield from product([Action.CREATE, Action.UPDATE], [kind])
    yield from product([Action.UPDATE, Action.CREATE, Action.UNASSIGN, Action.ASSIGN], principals)
    yield from product([Action.REMOVE_MEMBER, Action.ADD_MEMBER], [GROUP.kind])
    last = (TRUSTED_ISSUER.kind, ROLE.kind)
    yield from product([Action.DELETE], [*last, *(kind for kind in plain if kind not in last)])


def plan(work: current.Configuration, manifest: Manifest, *, prune: bool = False) -> ManifestPlan:
    """Plan the changes that make the configuration match `manifest`; nothing is changed.

    Resources in the manifest become exactly as declared, the roles of clients and users included.
    Other resources are unchanged; with `prune` they are deleted if the manifest has their section,
    except the issuer's own audience.

    `apply` can carry out every plan. `InvalidManifest` if names are taken or missing at the
    issuer, `InUse` if an unchanged resource needs one to be deleted, `NotAllowed` if no admin
    would be left or an algorithm cannot be changed now. Requires the right to read all sections.
    """
    current.require_readable(work)
    return _Planning(work, manifest, prune=prune).plan()


class _Planning:
    def __init__(self, work: current.Configuration, manifest: Manifest, *, prune: bool) -> None:
        self._work = work
        self._manifest = replace(manifest, entries=without_expired(manifest.entries, work.clock()))
        self._prune = prune
        self._count = work.change_count()  # read first, so that no row is older
        self._steps: dict[tuple[Action, str], list[Step]] = defaultdict(list)
        self._shifts: list[Shift] = []
        self._credentials: list[GivenCredential] = []
        self._privileged_groups: list[str] = []  # that begin to hold rights at the issuer
        self._relied_on: dict[bool, set[str]] = {False: set(), True: set()}  # before, after
        self._problems = list(unfit(work, manifest.document, prune=prune))
        self._admins: dict[str, PlannedPrincipal] = {}  # lasting `issuer:admin` after the change
        self._changed_admins: list[Resource] = []
        self._in_use: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._will_be: dict[str, set[str]] = {}  # names after the change, by kind
        self._memberships = Memberships(work)
        planned = {each.kind: self._plan_all(each) for each in plain_types()}
        self._note_mapped(planned[TRUSTED_ISSUER.kind][1])
        own = work.audiences.own_id
        self._before, self._after = (
            RightsSnapshot(audiences, roles, own)
            for audiences, roles in zip(planned[AUDIENCE.kind], planned[ROLE.kind], strict=True)
        )

    def plan(self) -> ManifestPlan:
        declared = Declared(self._manifest.entries)
        # What groups will give counts for their members.
        for kinds in ([GROUP], [CLIENT, USER]):
            for record in stored_principals(self._work, *kinds):
                self._match(record, declared)
            for entry in declared.unmatched(*kinds):
                self._require_free(entry)
                self._change(None, entry)
        self._note(self._memberships.changes())
        self._require_possible()
        for kind in NAMED_BY:
            renames = self._steps[Action.UPDATE, kind]
            renames[:] = renames_in_order(each for each in renames if isinstance(each, Change))
        steps = [step for place in _order() for step in self._steps[place]]
        begun = self._relied_on[True] - self._relied_on[False]
        credentials = [*self._work.trusted_issuers.not_of_admins(begun), *self._credentials]
        noted = (tuple(self._shifts), tuple(credentials), tuple(self._members_of_others()))
        return ManifestPlan(self._count, tuple(steps), *noted)

    def _plan_all(self, resource_type: AnyType) -> tuple[dict[str, Any], dict[str, Any]]:
        """All resources of a type before and after; there are few compared to clients and users."""
        kind, key = resource_type.kind, resource_type.key_of
        found = current.resources(self._work, resource_type)
        there = {key(each): bare(resource_type.fields, each) for each in found}
        entries = getattr(self._manifest.entries, resource_type.attribute)
        declared = {key(each): each for each in entries}
        for number, (name, entry) in enumerate(declared.items()):
            place = (resource_type.attribute, number)
            self._reject_misspelled(place, there.get(name), entry)
        stays = {} if self._prunes(kind) else there
        if resource_type is AUDIENCE:
            # What is stored for one without `signing_alg`.
            default = {"signing_alg": self._work.audiences.algorithms[0]}
            declared = {
                name: each if each.signing_alg else each.model_copy(update=default)
                for name, each in declared.items()
            }
            own = self._work.audiences.own_id
            stays = {**stays, own: there[own]}
        will_be = {**stays, **declared}
        for name in {**there, **will_be}:
            resource = Resource(kind, name, name)
            self._note(changes(resource, there.get(name), will_be.get(name)))
        self._will_be[kind] = {*will_be}
        return there, will_be

    def _match(self, record: PlannedPrincipal, declared: Declared) -> None:
        entry = declared.match(record)
        if entry is None and self._prunes(record.resource.kind):
            self._change(record, None)
            return
        for path in declared.conflicts_with(record, entry):
            self._note_problem(path, f"is taken by the existing {record.resource}")
        if entry is None:
            self._note_uses(record)
        self._change(record, entry or record)

    def _require_free(self, entry: PlannedPrincipal) -> None:
        """A client that registered itself is not in the way of others, but keeps its id."""
        name = entry.resource.id
        clients = self._work.collection(CLIENT)
        if isinstance(entry.fields, ClientFields) and name and clients.exists(name):
            message = "is taken by a client that registered itself"
            self._note_problem((*entry.path, "client_id"), message)

    def _change(self, before: _State, after: _State) -> None:
        principal = before or after
        assert principal is not None
        resource = principal.resource
        self._note_steps(resource, before, after)
        if resource.kind == GROUP.kind:
            if after is not None:
                self._memberships.note_group(before, after)
                self._note_privileged_group(before, after)
            return
        if resource.kind == USER.kind:
            self._memberships.note_user(before, after)
        was, will_be = self._rights_before(before), self._rights_after(before, after)
        own = self._work.audiences.own_id
        is_admin = will_be.lasts(ISSUER_ADMIN, own)
        was_admin = was.lasts(ISSUER_ADMIN, own)
        self._note_admin(before, after if is_admin else None, was_admin=was_admin)
        self._shifts += shifts(resource, was, will_be)
        self._note_credentials(before, after)

    def _note_admin(self, before: _State, after: _State, *, was_admin: bool) -> None:
        """`after` is None for one that will be no admin, or does not exist then."""
        if after is not None:
            self._admins[after.resource.id or after.resource.name] = after
        is_same = before is not None and after is not None and before.fields == after.fields
        if before is not None and was_admin and not is_same:
            self._changed_admins.append(before.resource)

    def _note_steps(self, resource: Resource, before: _State, after: _State) -> None:
        old = before.fields if before else None
        if after is None:
            self._note(changes(resource, old, None))
            return
        if before is not after:
            self._reject_misspelled(after.path, old, after.fields)
            self._note(changes(resource, old, after.fields))
        had = before.assignments if before else []
        self._note(assignment_changes(resource, had, after.assignments))

    def _rights_before(self, principal: _State) -> PrincipalRights:
        if principal is None or isinstance(principal.fields, GroupFields):
            return NO_RIGHTS
        held = [*principal.assignments, *principal.inherited]
        return self._before.rights_of(principal.fields, in_order(held))

    def _rights_after(self, before: _State, after: _State) -> PrincipalRights:
        """With what the groups will give, and what trusted issuers give now."""
        if after is None or isinstance(after.fields, GroupFields):
            return NO_RIGHTS
        held = list(after.assignments)
        if isinstance(after.fields, UserFields):
            provided = before.inherited if before else ()
            held += [each for each in provided if each.via and each.via.issuer_id]
            held += self._memberships.roles_of(after)
        return self._after.rights_of(after.fields, in_order(held))

    def _note_credentials(self, before: _State, after: _State) -> None:
        """What clients would begin to hold rights at the issuer with, and others gave."""
        held, holds = _counts_here(self._before, before), _counts_here(self._after, after)
        for each, is_after in ((held, False), (holds, True)):
            if each is not None:
                self._relied_on[is_after] |= {trust.issuer for trust in each.trusts}
        if before and holds and not held:
            self._credentials += self._work.clients.not_of_admins(holds)

    def _note_privileged_group(self, before: _State, after: PlannedPrincipal) -> None:
        had = before is not None and self._before.gives_here(before.assignments)
        if after.resource.id and not had and self._after.gives_here(after.assignments):
            self._privileged_groups.append(after.resource.id)

    def _members_of_others(self) -> Iterator[GivenMember]:
        removals = self._steps[Action.REMOVE_MEMBER, GROUP.kind]
        gone = {(e.resource.id, e.user.id) for e in removals if isinstance(e, MemberChange)}
        deleted = {each.resource.id for each in self._steps[Action.DELETE, USER.kind]}
        for each in self._work.groups.not_of_admins(self._privileged_groups):
            if (each.group_id, each.user_id) not in gone and each.user_id not in deleted:
                yield each

    def _reject_misspelled(self, path: Path, before: Fields | None, after: Fields) -> None:
        """Reject new scopes that name nothing: the others were allowed before."""
        had = getattr(before, "scopes", [])
        declared: list[str] = getattr(after, "scopes", [])
        new = [each for each in declared if each not in had]
        for each in () if self._work.unknown_scopes_allowed else misspellings(new):
            place = (*path, "scopes", declared.index(each.scope))
            self._note_problem(place, f"{each.message} {OTHERWISE}")

    def _note_problem(self, path: Path, message: str) -> None:
        self._problems.append(self._manifest.document.problem(path, message))

    def _note(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self._steps[step.action, step.resource.kind].append(step)

    def _note_uses(self, record: PlannedPrincipal) -> None:
        uses: list[tuple[str, str | None]] = []
        for each in record.assignments:
            uses += [(ROLE.kind, each.role), (AUDIENCE.kind, each.audience)]
        if isinstance(record.fields, ClientFields):
            uses += [(AUDIENCE.kind, each) for each in record.fields.audiences]
            uses += [(AUDIENCE.kind, each.from_audience) for each in record.fields.may_act]
            issuers = {each.issuer: None for each in record.fields.trusts}
            uses += [(TRUSTED_ISSUER.kind, each) for each in issuers]
        self._note_use(str(record.resource), uses)

    def _note_mapped(self, trusted_issuers: Mapping[str, TrustedIssuerFields]) -> None:
        for name, fields in trusted_issuers.items():
            for each in fields.sign_in.roles if fields.sign_in else ():
                uses = ((ROLE.kind, each.role), (AUDIENCE.kind, each.audience))
                self._note_use(f"{TRUSTED_ISSUER.kind} {name}", uses)

    def _note_use(self, user: str, uses: Iterable[tuple[str, str | None]]) -> None:
        for kind, name in uses:
            if name is not None and name not in self._will_be[kind]:
                self._in_use[kind, name].append(user)

    def _require_possible(self) -> None:
        if self._problems:
            raise InvalidManifest(self._manifest.file, self._problems)
        for (kind, name), users_of_it in self._in_use.items():
            raise InUse(kind, name, users_of_it[:_MAX_NAMED])
        self._require_an_admin()
        for step in self._steps[Action.UPDATE, AUDIENCE.kind]:
            if isinstance(step, Change) and "signing_alg" in step.after:
                alg = SigningAlgorithm(step.after["signing_alg"])
                self._work.audiences.require_algorithm(step.resource.name, alg)

    def _require_an_admin(self) -> None:
        """Without an admin left, `apply` would be refused at its end."""
        if not self._changed_admins:
            return
        created = {step.resource.id for step in self._steps[Action.CREATE, CLIENT.kind]}
        clients, users, usable = {}, set(), set()
        for name, each in self._admins.items():
            if not isinstance(each.fields, ClientFields):
                users.add(name)
            elif each.fields.can_authenticate:
                clients[name] = each.fields.grant_types
                if name in created or each.fields.has_keys:
                    usable.add(name)
        if self._work.authority.would_lose_admin(clients, users, usable=usable):
            self._work.authority.require(ISSUER_ADMIN)
            names = ", ".join(map(str, self._changed_admins[:_MAX_NAMED]))
            raise NotAllowed(
                f"This would remove the last holder of issuer:admin ({names}). Declare one in"
                " the manifest."
            )

    def _prunes(self, kind: str) -> bool:
        return self._prune and declares(self._manifest.document.data, TYPES[kind].attribute)


def _counts_here(snapshot: RightsSnapshot, principal: _State) -> ClientFields | None:
    if principal is None or not isinstance(client := principal.fields, ClientFields):
        return None
    return client if snapshot.counts_here(client, principal.assignments) else None
