"""Roles: named sets of AgentOS scopes, assigned to users and clients.

An assignment is for one audience or for all of them.
"""

from issuer.roles.assignments import Assignment, Assignments
from issuer.roles.role import ROLE, Role, RoleFields
from issuer.roles.roles import Roles

__all__ = ["ROLE", "Assignment", "Assignments", "Role", "RoleFields", "Roles"]
