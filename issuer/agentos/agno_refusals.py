"""Lets agno's refusals name the scope of the agent that was asked for.

Over MCP, their text is all that a client learns: a refused call of a tool has no status.
"""

import inspect
from contextvars import ContextVar
from functools import wraps
from typing import Any

from issuer.agentos.agno_hook import is_replaced, replace
from issuer.agentos.agno_scopes import narrowing

_about: ContextVar[tuple[str | None, Any]] = ContextVar(
    "agentos_issuer_about", default=(None, None)
)


def name_exact_scopes() -> None:
    """From now on, in every interface. Changes texts only, and nothing if agno has others."""
    from agno.os import auth, scopes  # noqa: PLC0415 - agno only when asked for

    stock_context = getattr(scopes, "get_resource_context_from_path", None)
    stock_detail = getattr(auth, "build_insufficient_permissions_detail", None)
    if stock_context is None or stock_detail is None or is_replaced(stock_detail):
        return
    narrowest = narrowing(inspect.unwrap(scopes.has_required_scopes))

    @wraps(stock_context)
    def get_resource_context_from_path(path: str) -> Any:
        _about.set(found := stock_context(path))
        return found

    @wraps(stock_detail)
    def build_insufficient_permissions_detail(required_scopes: list[str] | None) -> Any:
        return stock_detail([narrowest(each, *_about.get()) for each in required_scopes or ()])

    replace(stock_context, get_resource_context_from_path)
    replace(stock_detail, build_insufficient_permissions_detail)
