"""Groups of users: each member holds the roles that are assigned to the group."""

from issuer.groups.group import GROUP, Group, GroupFields, GroupMember
from issuer.groups.groups import MAX_GROUPS, MAX_MEMBERS, Groups

__all__ = ["GROUP", "MAX_GROUPS", "MAX_MEMBERS", "Group", "GroupFields", "GroupMember", "Groups"]
