"""The scopes of an access token that its subject still holds.

This issuer, as the resource server, need not wait for the token to expire.
"""

from issuer.directory import Directory
from issuer.errors import InvalidCredentials
from issuer.scopes import OPENID, covers
from issuer.tokens.authorization import held_through
from issuer.tokens.reading import VerifiedToken


def still_held(directory: Directory, token: VerifiedToken) -> frozenset[str]:
    """The scopes of the token that are still held. Rights removed since no longer apply.

    `InvalidCredentials` if the client or the user no longer exists, or is disabled, or may no
    longer use the audience; a token that is only for user info needs no audience.
    """
    client = directory.remembered_client(token.client_id) or directory.load_client(token.client_id)
    audience = client.audiences.get(token.audience) if client else None
    is_for_user_info = OPENID in token.openid_scopes and not token.scopes
    if client is None or client.disabled or (audience is None and not is_for_user_info):
        raise InvalidCredentials("the client is deleted or disabled, or lost the audience")
    user = directory.load_user(token.subject) if token.subject != token.client_id else None
    if token.subject != token.client_id and (user is None or user.disabled):
        raise InvalidCredentials("the user is deleted or disabled")
    if audience is None:
        return frozenset()
    now_held = held_through(client, user, audience) if user else client.rights.at(audience)
    return frozenset(scope for scope in token.scopes if covers(now_held, scope))
