"""What a set of scopes allows, in words for the person who is asked to agree."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from issuer.scopes import AGENT_OS_ADMIN, OLD_NAMES

_GROUPS = {
    "Agents": "agents",
    "Teams": "teams",
    "Workflows": "workflows",
    "Data": "sessions memories knowledge learnings traces metrics evals filesystem",
    "Administration": "components approvals schedules config registry service_accounts",
    "Company mode": "decisions products projects routines sources tasks wiki",
}
_EVERYTHING, _OTHER = "Everything", "Other"
_ORDER = [_EVERYTHING, *_GROUPS, _OTHER]
_GROUP_OF = {each: group for group, resources in _GROUPS.items() for each in resources.split()}

_WITH_IDS = {"agents": "agent", "teams": "team", "workflows": "workflow"}
_NOUNS = {
    "sessions": "all sessions and their messages",
    "memories": "memories of users",
    "learnings": "what agents have learned",
    "evals": "evaluations",
    "filesystem": "files of agents",
    "components": "agents, teams and workflows in the database",
    "approvals": "runs that wait for approval",
    "config": "the configuration",
    "registry": "the tools, models and databases that the code offers",
    "service_accounts": "service accounts",
    "wiki": "the wiki",
}
_VERBS = {"run": "run", "read": "see", "write": "add and change", "delete": "delete"}
_SPECIAL = {
    "approvals:write": "approve or reject runs that wait for approval",
    "config:write": "migrate databases",
    "evals:write": "run and change evaluations",
    "schedules:write": "create, change and start schedules",
    "service_accounts:write": "create service accounts and tokens for them",
    "service_accounts:delete": "revoke tokens of service accounts",
    "tasks:write": "add, change and run tasks",
    "routines:write": "add, change and start routines",
}
# Why a permission may allow more than it seems to.
_WARNINGS = {
    AGENT_OS_ADMIN: "All agents, all data and all settings, of other people as well.",
    "approvals:write": "Also runs that wait for another person's approval.",
    "components:write": "With tools and instructions of its choice.",
    "config:write": "Changes how the data of the AgentOS is stored.",
    "schedules:write": "What is scheduled also runs while you are away.",
    "service_accounts:write": "Such a token may be valid for longer than this permission.",
}
_ORDER_OF_ACTIONS = ["run", "read", "write", "delete"]


@dataclass(frozen=True, slots=True)
class Permission:
    """Something that may be done, such as "Run the agents" with the `ids` it is limited to.

    `warning` says why it may allow more than it seems to.
    """

    text: str
    ids: tuple[str, ...] = ()
    warning: str = ""


@dataclass(frozen=True, slots=True)
class PermissionGroup:
    title: str
    permissions: tuple[Permission, ...]


def in_words(scopes: Iterable[str]) -> tuple[PermissionGroup, ...]:
    """The permissions that `scopes` give, by what they are about; unknown ones are in "Other"."""
    found: dict[str, list[Permission]] = defaultdict(list)
    by_resource: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for scope in sorted(set(scopes)):
        if scope == AGENT_OS_ADMIN:
            found[_EVERYTHING].append(Permission("Do everything there", (), _WARNINGS[scope]))
        elif parts := _parts(scope):
            resource, target, action = parts
            by_resource[resource][target].add(action)
        else:
            found[_OTHER].append(Permission("Use the permission", (scope,)))
    for resource, targets in by_resource.items():
        of = _of_ids if resource in _WITH_IDS else _of_data
        found[_GROUP_OF[resource]] += of(resource, targets)
    return tuple(PermissionGroup(each, tuple(found[each])) for each in _ORDER if each in found)


def _parts(scope: str) -> tuple[str, str, str] | None:
    """Resource, id or `*`, and action; None if AgentOS defines no such scope."""
    resource, *rest = scope.split(":")
    resource = OLD_NAMES.get(resource, resource)
    if resource not in _GROUP_OF or not rest or rest[-1] not in _VERBS:
        return None
    match rest:
        case [action] | ["*", action]:
            return resource, "*", action
        case [id_, action] if resource in _WITH_IDS:
            return resource, id_, action
    return None


def _of_data(resource: str, targets: Mapping[str, set[str]]) -> list[Permission]:
    """ "See, add and change memories": one line for each resource, warnings apart."""
    actions = _in_order(set().union(*targets.values()))
    plain = [each for each in actions if f"{resource}:{each}" not in _SPECIAL | _WARNINGS]
    lines = [Permission(_sentence(plain, _noun(resource)))] if plain else []
    for action in actions:
        scope = f"{resource}:{action}"
        if action not in plain:
            text = _SPECIAL.get(scope) or f"{_VERBS[action]} {_noun(resource)}"
            lines.append(Permission(_capital(text), (), _WARNINGS.get(scope, "")))
    return lines


def _of_ids(resource: str, targets: Mapping[str, set[str]]) -> list[Permission]:
    """ "Run and see all agents", "Run the agents a, b": one line for each set of actions."""
    everywhere = targets.get("*", set())
    ids_of: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for target in sorted(targets):
        if target != "*" and (more := targets[target] - everywhere):
            ids_of[tuple(_in_order(more))].append(target)
    one = _WITH_IDS[resource]
    lines = [Permission(_sentence(_in_order(everywhere), f"all {resource}"))] if everywhere else []
    for actions, ids in ids_of.items():
        noun = f"the {one}" if len(ids) == 1 else f"the {resource}"
        lines.append(Permission(_sentence(actions, noun), tuple(ids)))
    return lines


def _sentence(actions: Iterable[str], noun: str) -> str:
    words = [_VERBS[action] for action in actions]
    if len(words) > 1 and " and " in words[-1]:  # no "see and add and change"
        text = ", ".join(words)
    else:
        *first, last = words
        text = f"{', '.join(first)} and {last}" if first else last
    return _capital(f"{text} {noun}")


def _noun(resource: str) -> str:
    return _NOUNS.get(resource, resource)


def _in_order(actions: Iterable[str]) -> list[str]:
    return sorted(actions, key=_ORDER_OF_ACTIONS.index)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
