"""The scopes of an access token that its subject still holds.

This issuer, as the resource server, need not wait for the token to expire.
"""

from issuer.directory import Directory
from issuer.errors import InvalidCredentials
from issuer.scopes import covers
from issuer.tokens.authorization import held_through
from issuer.tokens.reading import VerifiedToken


def still_held(directory: Directory, token: VerifiedToken) -> frozenset[str]:
    """The scopes of the token that are still held. Rights removed since no longer apply.

    `InvalidCredentials` if the client or the user no longer exists, or is disabled, or may no
    longer use the audience.
    """
    client = directory.remembered_client(token.client_id) or directory.load_client(token.client_id)
    audience = client.audiences.get(token.audience) if client else None
    if client is None or audience is None or client.disabled:
        raise InvalidCredentials("the client is deleted or disabled, or lost the audience")
    if token.subject == token.client_id:
        now_held = client.rights.at(audience)
    else:
        user = directory.load_user(token.subject)
        if user is None or user.disabled:
            raise InvalidCredentials("the user is deleted or disabled")
        now_held = held_through(client, user, audience)
    return frozenset(scope for scope in token.scopes if covers(now_held, scope))
