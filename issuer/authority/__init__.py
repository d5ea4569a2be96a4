"""Authorization of changes: rights at the issuer's own audience, the admin API.

Only `issuer:admin` may change clients, users, roles and audiences that hold or grant rights at
the issuer itself, through any interface. The last admin cannot be removed.
"""

from issuer.authority.authority import Authority

__all__ = ["Authority"]
