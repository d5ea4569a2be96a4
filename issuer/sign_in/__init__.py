"""People sign in: sessions, authorization requests, consents, authorization codes; and how they
prove who they are: second factors, passkeys, recovery codes, invitations.

What the protocol endpoints and the pages share (RFC 6749 §4.1, OpenID Connect Core §3.1).
Passwords, and the limits on guessing them and codes, are in `issuer.users`.
"""

from issuer.sign_in.factors import Factor
from issuer.sign_in.invitations import InvitationFields, NewInvitation

__all__ = ["Factor", "InvitationFields", "NewInvitation"]
