"""Roles: named sets of AgentOS scopes, assigned to users and clients.

An assignment is for one audience or for all of them.
"""

from issuer.roles.assignments import Assignment, Assignments, HeldRole
from issuer.roles.roles import ROLE, Role, RoleFields, Roles
from issuer.roles.store import Holders

__all__ = [
    "ROLE",
    "Assignment",
    "Assignments",
    "HeldRole",
    "Holders",
    "Role",
    "RoleFields",
    "Roles",
]
