"""Sign-in of people: sessions, authorization requests, consents, codes; factors, invitations.

Passwords, and the limits on guessing them and codes, are in `issuer.users`.
"""

from issuer.sign_in.factors import Factor
from issuer.sign_in.invitations import InvitationFields, NewInvitation

__all__ = ["Factor", "InvitationFields", "NewInvitation"]
