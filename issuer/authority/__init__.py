"""Authorization of changes: rights at the issuer's own audience, the admin API.

Only `issuer:admin` may change clients, users, roles and audiences that hold or grant rights at
the issuer itself, through any interface. The last admin cannot be removed. Where somebody
gets such rights, what others gave ends or is confirmed.
"""

from issuer.authority.authority import Authority
from issuer.authority.credentials import (
    CredentialsNotKept,
    GivenCredential,
    GivenMember,
    Grantor,
    MembersNotKept,
    NotKept,
)
from issuer.authority.new_privileges import NewPrivileges

__all__ = [
    "Authority",
    "CredentialsNotKept",
    "GivenCredential",
    "GivenMember",
    "Grantor",
    "MembersNotKept",
    "NewPrivileges",
    "NotKept",
]
