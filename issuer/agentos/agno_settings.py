"""What the `AgentOS` of the agno that is installed takes to check tokens."""

import inspect
from collections.abc import Mapping
from typing import Any

from issuer.agentos.errors import ConfigurationError


def arguments(
    verification: Mapping[str, Any], pins: Mapping[str, Any], more: Mapping[str, Any]
) -> dict[str, Any]:
    """Keyword arguments for `AgentOS`: one object from agno 3.1 on, two before.

    `verification` every agno understands, and of `pins` those that this one does. What `more`
    names goes where it belongs; `ConfigurationError` for what this agno does not have.
    """
    build, known = _authorization()
    beside = {name: value for name, value in more.items() if name not in known}
    if unknown := beside.keys() - _parameters_of_agent_os():
        raise ConfigurationError(f"This agno knows no {', '.join(sorted(unknown))}.")
    pinned = {name: value for name, value in pins.items() if name in known}
    inside = {name: value for name, value in more.items() if name in known}
    return {**build({**verification, **pinned, **inside}), **beside}


def _authorization() -> tuple[Any, set[str]]:
    """How to build it, and what it takes."""
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
