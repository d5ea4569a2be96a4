"""Who may change what: rights at the issuer's own audience, the admin API.

Nobody can give away more than they hold. Whatever holds or gives rights at the issuer itself
is for `issuer:admin` alone, whichever way the change comes, and the last admin stays.
"""

from issuer.authority.authority import Authority

__all__ = ["Authority"]
