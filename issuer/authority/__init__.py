"""Authorization of changes: rights at the issuer's own audience, the admin API.

Only `issuer:admin` may change clients, users, roles and audiences that hold or grant rights at
the issuer itself, through any interface. The last admin cannot be removed. Who begins to hold
such rights begins clean.
"""

from issuer.authority.authority import Authority
from issuer.authority.beginnings import Beginnings
from issuer.authority.credentials import CredentialsNotKept
from issuer.authority.giver import Giver

__all__ = ["Authority", "Beginnings", "CredentialsNotKept", "Giver"]
