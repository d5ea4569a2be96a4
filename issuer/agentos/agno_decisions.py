"""Observes where agno decides by the scopes of a token, and lets its refusals name the exact scope.

Wraps functions, changes no decision. REST, A2A, AG-UI, WebSocket and `/mcp` of every supported agno
decide by these functions.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from functools import wraps
from typing import Any

from issuer.agentos import agno_hook, caller
from issuer.agentos.agno_scopes import narrowing
from issuer.agentos.errors import InvalidConfiguration

_HAS_SCOPES = ["user_scopes", "required_scopes", "resource_type", "resource_id", "admin_scope"]
_ACCESSIBLE = ["user_scopes", "resource_type", "admin_scope", "action"]
_CHECKED = ["request", "resource_id", "resource_type", "action"]

Function = Callable[..., Any]


def observe() -> None:
    """Count the decisions of agno from now on; once. `InvalidConfiguration` if it has others."""
    from agno.os import auth, scopes  # noqa: PLC0415 - an extra

    if agno_hook.is_replaced(scopes.has_required_scopes):
        return
    for function, parameters in (
        (scopes.has_required_scopes, _HAS_SCOPES),
        (scopes.get_accessible_resource_ids, _ACCESSIBLE),
        (auth.check_resource_access, _CHECKED),
    ):
        if set(inspect.signature(function).parameters) != set(parameters):
            raise InvalidConfiguration(agno_hook.incompatibility())
    agno_hook.replace(scopes.has_required_scopes, _observe_requirement(scopes.has_required_scopes))
    # Before 3.1, a check of one id looks it up among all accessible ids of that action.
    looks_up_action = not hasattr(auth, "acheck_resource_access")
    listed = _observe_list(scopes.get_accessible_resource_ids, looks_up_action=looks_up_action)
    agno_hook.replace(scopes.get_accessible_resource_ids, listed)
    agno_hook.replace(auth.check_resource_access, _observe_check(auth.check_resource_access))


def _observe_requirement(stock: Function) -> Function:
    narrowest = narrowing(stock)

    @wraps(stock)
    def has_required_scopes(
        user_scopes: list[str],
        required_scopes: list[str],
        resource_type: str | None = None,
        resource_id: str | None = None,
        admin_scope: str | None = None,
    ) -> bool:
        about = (resource_type, resource_id, admin_scope)
        allowed: bool = stock(user_scopes, required_scopes, *about)
        if (counted := caller.current_decisions()) is not None:
            decisions, claims = counted
            is_list = not allowed and resource_id is None and resource_type is not None
            scopes = required_scopes if allowed else lacking(user_scopes, required_scopes, about)
            for scope in scopes:
                if is_list and scope.partition(":")[0] == resource_type:
                    decisions.postpone(claims, scope)
                else:
                    decisions.add(claims, narrowest(scope, *about[:2]), allowed=allowed)
        return allowed

    def lacking(held: list[str], required: Sequence[str], about: tuple[Any, ...]) -> Iterator[str]:
        return (each for each in required if not stock(held, [each], *about))

    return has_required_scopes


def _observe_list(stock: Function, *, looks_up_action: bool) -> Function:
    @wraps(stock)
    def get_accessible_resource_ids(
        user_scopes: list[str],
        resource_type: str,
        admin_scope: str | None = None,
        action: str | None = None,
    ) -> set[str]:
        ids: set[str] = stock(user_scopes, resource_type, admin_scope=admin_scope, action=action)
        if (counted := caller.current_decisions()) is not None:
            decisions, claims = counted
            if decisions.is_postponed(f"{resource_type}:{action}"):
                decisions.decide(allowed=bool(ids))
            elif ids and (action is None or not looks_up_action):
                decisions.add(claims, f"{resource_type}:{action or 'read'}", allowed=True)
        return ids

    return get_accessible_resource_ids


def _observe_check(stock: Function) -> Function:
    @wraps(stock)
    def check_resource_access(
        request: Any, resource_id: str, resource_type: str, action: str = "read"
    ) -> bool:
        allowed: bool = stock(request, resource_id, resource_type, action)
        if (counted := caller.current_decisions()) is not None:
            decisions, claims = counted
            decisions.add(claims, f"{resource_type}:{resource_id}:{action}", allowed=allowed)
        return allowed

    return check_resource_access


_about: ContextVar[tuple[Any, Any]] = ContextVar("agentos_issuer_about", default=(None, None))


def name_exact_scopes() -> None:
    """From now on, in every interface. Changes texts only, and nothing if agno has others."""
    from agno.os import auth, scopes  # noqa: PLC0415 - an extra

    stock_context = getattr(scopes, "get_resource_context_from_path", None)
    stock_detail = getattr(auth, "build_insufficient_permissions_detail", None)
    if stock_context is None or stock_detail is None or agno_hook.is_replaced(stock_detail):
        return
    narrowest = narrowing(inspect.unwrap(scopes.has_required_scopes))

    @wraps(stock_context)
    def get_resource_context_from_path(path: str) -> Any:
        _about.set(found := stock_context(path))
        return found

    @wraps(stock_detail)
    def build_insufficient_permissions_detail(required_scopes: list[str] | None) -> Any:
        return stock_detail([narrowest(each, *_about.get()) for each in required_scopes or ()])

    agno_hook.replace(stock_context, get_resource_context_from_path)
    agno_hook.replace(stock_detail, build_insufficient_permissions_detail)
