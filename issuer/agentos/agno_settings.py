"""Arguments that make `AgentOS` of the installed agno verify tokens."""

import inspect
from collections.abc import Mapping
from typing import Any

from issuer.agentos.errors import InvalidConfiguration


def arguments(
    verification: Mapping[str, Any], pins: Mapping[str, Any], more: Mapping[str, Any]
) -> dict[str, Any]:
    """Keyword arguments for `AgentOS`: one object from agno 3.1 on, two before.

    Every agno supports `verification`; of `pins`, those this agno supports are used. Each of
    `more` goes to that object or to `AgentOS`; `InvalidConfiguration` if this agno has no such one.
    """
    build, known = _authorization()
    direct = {name: value for name, value in more.items() if name not in known}
    if unknown := direct.keys() - _parameters_of_agent_os():
        raise InvalidConfiguration(
            f"The installed agno does not support {', '.join(sorted(unknown))}."
        )
    pinned = {name: value for name, value in pins.items() if name in known}
    nested = {name: value for name, value in more.items() if name in known}
    return {**build({**verification, **pinned, **nested}), **direct}


def _authorization() -> tuple[Any, set[str]]:
    """How to build that object, and the names it accepts."""
    try:
        from agno.os import Authorization  # noqa: PLC0415 - from 3.1 on
    except ImportError:
        from agno.os.config import AuthorizationConfig  # noqa: PLC0415

        def config(settings: Mapping[str, Any]) -> dict[str, Any]:
            return {"authorization": True, "authorization_config": AuthorizationConfig(**settings)}

        return config, set(AuthorizationConfig.model_fields)

    def authorization(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {"authorization": Authorization(**settings)}

    return authorization, set(inspect.signature(Authorization).parameters)


def _parameters_of_agent_os() -> set[str]:
    from agno.os import AgentOS  # noqa: PLC0415

    return set(inspect.signature(AgentOS).parameters)
