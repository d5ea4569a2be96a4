"""What is left of a token of ours, where we are the resource server and need not wait for `exp`."""

from issuer.directory import Directory
from issuer.errors import InvalidCredentials
from issuer.scopes import covers, meet
from issuer.tokens.reading import VerifiedToken


def still_held(directory: Directory, token: VerifiedToken) -> frozenset[str]:
    """The scopes of the token that were not taken away since it was made.

    `InvalidCredentials` if its client, or its user, would not get it any more.
    """
    client = directory.remembered_client(token.client_id) or directory.load_client(token.client_id)
    audience = client.audiences.get(token.audience) if client else None
    if client is None or audience is None or client.disabled:
        raise InvalidCredentials("the client is gone or disabled")
    now_held = client.rights.at(audience)
    if token.subject != token.client_id:
        user = directory.load_user(token.subject)
        if user is None or user.disabled:
            raise InvalidCredentials("the user is gone or disabled")
        now_held = meet(user.rights.at(audience), now_held)
    return frozenset(scope for scope in token.scopes if covers(now_held, scope))
