"""Authorization of changes: rights at the issuer's own audience, the admin API.

Only `issuer:admin` may change clients, users, roles and audiences that hold or grant rights at
the issuer itself, through any interface. The last admin cannot be removed. Where somebody
gets such rights, what others gave ends or is confirmed.
"""

from issuer.authority.authority import Authority
from issuer.authority.credentials import GivenCredential, GivenMember, Grantor, NotKept

__all__ = ["Authority", "GivenCredential", "GivenMember", "Grantor", "NotKept"]
