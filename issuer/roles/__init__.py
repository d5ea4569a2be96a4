"""Roles: named sets of AgentOS scopes, given to users and clients.

An assignment gives a role at one audience or at all of them.
"""

from issuer.roles.assignments import Assignment, Assignments
from issuer.roles.role import Role, RoleFields
from issuer.roles.roles import Roles

__all__ = ["Assignment", "Assignments", "Role", "RoleFields", "Roles"]
