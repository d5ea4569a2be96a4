"""What a set of scopes allows, in words for the person who is asked to agree."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from issuer.languages import N_, _
from issuer.scopes import AGENT_OS_ADMIN, OLD_NAMES

_GROUPS = {
    N_("Agents"): "agents",
    N_("Teams"): "teams",
    N_("Workflows"): "workflows",
    N_("Data"): "sessions memories knowledge learnings traces metrics evals filesystem",
    N_("Administration"): "components approvals schedules config registry service_accounts",
    N_("Company mode"): "decisions products projects routines sources tasks wiki",
}
_EVERYTHING, _OTHER = N_("Everything"), N_("Other")
_ORDER = [_EVERYTHING, *_GROUPS, _OTHER]
_GROUP_OF = {each: group for group, resources in _GROUPS.items() for each in resources.split()}

# A sentence for each set of actions. What is in place of `what` is its object.
_SENTENCES = {
    ("run",): N_("Run %(what)s"),
    ("read",): N_("See %(what)s"),
    ("write",): N_("Add and change %(what)s"),
    ("delete",): N_("Delete %(what)s"),
    ("run", "read"): N_("Run and see %(what)s"),
    ("run", "write"): N_("Run, add and change %(what)s"),
    ("run", "delete"): N_("Run and delete %(what)s"),
    ("read", "write"): N_("See, add and change %(what)s"),
    ("read", "delete"): N_("See and delete %(what)s"),
    ("write", "delete"): N_("Add, change and delete %(what)s"),
    ("run", "read", "write"): N_("Run, see, add and change %(what)s"),
    ("run", "read", "delete"): N_("Run, see and delete %(what)s"),
    ("run", "write", "delete"): N_("Run, add, change and delete %(what)s"),
    ("read", "write", "delete"): N_("See, add, change and delete %(what)s"),
    ("run", "read", "write", "delete"): N_("Run, see, add, change and delete %(what)s"),
}
_ACTIONS = ["run", "read", "write", "delete"]
_ALL = {"agents": N_("all agents"), "teams": N_("all teams"), "workflows": N_("all workflows")}
_THE = {
    "agents": (N_("the agent"), N_("the agents")),
    "teams": (N_("the team"), N_("the teams")),
    "workflows": (N_("the workflow"), N_("the workflows")),
}
_OBJECTS = {
    "sessions": N_("all sessions and their messages"),
    "memories": N_("memories of users"),
    "knowledge": N_("knowledge"),
    "learnings": N_("what agents have learned"),
    "traces": N_("traces"),
    "metrics": N_("metrics"),
    "evals": N_("evaluations"),
    "filesystem": N_("files of agents"),
    "components": N_("agents, teams and workflows in the database"),
    "approvals": N_("runs that wait for approval"),
    "schedules": N_("schedules"),
    "config": N_("the configuration"),
    "registry": N_("the tools, models and databases that the code offers"),
    "service_accounts": N_("service accounts"),
    "decisions": N_("decisions"),
    "products": N_("products"),
    "projects": N_("projects"),
    "routines": N_("routines"),
    "sources": N_("sources"),
    "tasks": N_("tasks"),
    "wiki": N_("the wiki"),
}
_SPECIAL = {
    "approvals:write": N_("Approve or reject runs that wait for approval"),
    "config:write": N_("Migrate databases"),
    "evals:write": N_("Run and change evaluations"),
    "schedules:write": N_("Create, change and start schedules"),
    "service_accounts:write": N_("Create service accounts and tokens for them"),
    "service_accounts:delete": N_("Revoke tokens of service accounts"),
    "tasks:write": N_("Add, change and run tasks"),
    "routines:write": N_("Add, change and start routines"),
}
# Why a permission may allow more than it seems to.
_WARNINGS = {
    AGENT_OS_ADMIN: N_("All agents, all data and all settings, of other people as well."),
    "approvals:write": N_("Also runs that wait for another person's approval."),
    "components:write": N_("With tools and instructions of its choice."),
    "config:write": N_("Changes how the data of the AgentOS is stored."),
    "schedules:write": N_("What is scheduled also runs while you are away."),
    "service_accounts:write": N_("Such a token may be valid for longer than this permission."),
}
Names: TypeAlias = Mapping[tuple[str, str], str]

_NO_NAMES: Names = {}


@dataclass(frozen=True, slots=True)
class Permission:
    """Something that may be done, such as "Run the agents" with the `ids` it is limited to.

    `names` has those of some of the ids. `warning` says why it may allow more than it seems to.
    """

    text: str
    ids: tuple[str, ...] = ()
    warning: str = ""
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PermissionGroup:
    title: str
    permissions: tuple[Permission, ...]


def in_words(scopes: Iterable[str], names: Names = _NO_NAMES) -> tuple[PermissionGroup, ...]:
    """The permissions that `scopes` give, by what they are about; unknown ones are in "Other".

    `names` are those of agents, teams and workflows, by resource and id.
    """
    found: dict[str, list[Permission]] = defaultdict(list)
    by_resource: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for scope in sorted(set(scopes)):
        if scope == AGENT_OS_ADMIN:
            everything = Permission(_("Do everything there"), (), _(_WARNINGS[scope]))
            found[_EVERYTHING].append(everything)
        elif parts := _parts(scope):
            resource, target, action = parts
            by_resource[resource][target].add(action)
        else:
            found[_OTHER].append(Permission(_("Use the permission"), (scope,)))
    for resource, targets in by_resource.items():
        if resource in _THE:
            found[_GROUP_OF[resource]] += _of_ids(resource, targets, names)
        else:
            found[_GROUP_OF[resource]] += _of_data(resource, targets)
    return tuple(PermissionGroup(_(each), tuple(found[each])) for each in _ORDER if each in found)


def runs_something(scope: str) -> bool:
    """Whether it allows to run agents, teams or workflows."""
    parts = _parts(scope)
    return scope == AGENT_OS_ADMIN or (parts is not None and parts[0] in _THE and parts[2] == "run")


def _parts(scope: str) -> tuple[str, str, str] | None:
    """Resource, id or `*`, and action; None if AgentOS defines no such scope."""
    resource, *rest = scope.split(":")
    resource = OLD_NAMES.get(resource, resource)
    if resource not in _GROUP_OF or not rest or rest[-1] not in _ACTIONS:
        return None
    match rest:
        case [action] | ["*", action]:
            return resource, "*", action
        case [id_, action] if resource in _THE:
            return resource, id_, action
    return None


def _of_data(resource: str, targets: Mapping[str, set[str]]) -> list[Permission]:
    """ "See, add and change memories": one line for each resource, warnings apart."""
    actions = _in_order(set().union(*targets.values()))
    plain = [each for each in actions if f"{resource}:{each}" not in _SPECIAL | _WARNINGS]
    lines = [Permission(_sentence(plain, _OBJECTS[resource]))] if plain else []
    for action in actions:
        scope = f"{resource}:{action}"
        if action not in plain:
            special = _SPECIAL.get(scope)
            text = _(special) if special else _sentence([action], _OBJECTS[resource])
            lines.append(Permission(text, (), _(_WARNINGS.get(scope, ""))))
    return lines


def _of_ids(resource: str, targets: Mapping[str, set[str]], names: Names) -> list[Permission]:
    """ "Run and see all agents", "Run the agents a, b": one line for each set of actions."""
    everywhere = targets.get("*", set())
    ids_of: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for target in sorted(targets):
        if target != "*" and (more := targets[target] - everywhere):
            ids_of[tuple(_in_order(more))].append(target)
    lines = [Permission(_sentence(_in_order(everywhere), _ALL[resource]))] if everywhere else []
    for actions, ids in ids_of.items():
        one, several = _THE[resource]
        text = _sentence(actions, one if len(ids) == 1 else several)
        named = {id_: names[resource, id_] for id_ in ids if names.get((resource, id_), id_) != id_}
        lines.append(Permission(text, tuple(ids), names=named))
    return lines


def _sentence(actions: Iterable[str], what: str) -> str:
    return _(_SENTENCES[tuple(actions)], what=_(what))


def _in_order(actions: Iterable[str]) -> list[str]:
    return sorted(actions, key=_ACTIONS.index)
