"""The syntax of the ids of users, clients, roles and audiences, as pydantic types."""

import re
from typing import Annotated

from pydantic import AfterValidator

_PRINCIPAL_ID = re.compile(r"[A-Za-z0-9._~@+|:-]{1,128}")
_AUDIENCE_ID = re.compile(r"[A-Za-z0-9._~@+|:/-]{1,255}")
# agno uses these subjects for its own service accounts, MCP clients and scheduler.
_RESERVED_BY_AGENTOS = re.compile(r"sa:.*|__oauth__:.*|__scheduler__", re.IGNORECASE)
# Actors in the audit log that are neither users nor clients: the command line and the issuer.
_RESERVED_BY_ISSUER = re.compile(r"cli:.*|issuer:.*", re.IGNORECASE)


def fold_id(principal_id: str) -> str:
    """The form in which user and client ids are compared: unique across both, ignoring case."""
    return principal_id.lower()


def is_principal_id(text: str) -> bool:
    """Whether a user or a client can have this id."""
    return _PRINCIPAL_ID.fullmatch(text) is not None


def principal_id(text: str) -> str:
    _role_name(text)
    if _RESERVED_BY_AGENTOS.fullmatch(text):
        raise ValueError("is reserved by AgentOS (sa:…, __oauth__:…, __scheduler__)")
    if _RESERVED_BY_ISSUER.fullmatch(text):
        raise ValueError("is reserved for actors in the audit log (cli:…, issuer:…)")
    return text


def _role_name(text: str) -> str:
    if not is_principal_id(text):
        raise ValueError("must be 1 to 128 of ASCII letters, digits and . _ ~ @ + | : -")
    return _addressable(text)


def is_audience_id(text: str) -> bool:
    """Whether an audience can have this id or resource."""
    return _AUDIENCE_ID.fullmatch(text) is not None


def _audience_id(text: str) -> str:
    if not is_audience_id(text):
        raise ValueError("must be 1 to 255 of ASCII letters, digits and . _ ~ @ + | : - /")
    return _addressable(text)


def _addressable(text: str) -> str:
    if set(text.split("/")) & {".", ".."}:
        raise ValueError("may not be . or .. since no URL could name it")
    return text


PrincipalId = Annotated[str, AfterValidator(principal_id)]
RoleName = Annotated[str, AfterValidator(_role_name)]
AudienceId = Annotated[str, AfterValidator(_audience_id)]
