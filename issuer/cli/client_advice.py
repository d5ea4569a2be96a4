"""What a new client cannot do yet."""

import shlex
from collections.abc import Iterator

from issuer.clients import Client
from issuer.composition import UnitOfWork
from issuer.vocabulary import AuthMethod, GrantType, UserRights


def what_is_missing(work: UnitOfWork, client: Client) -> Iterator[str]:
    """Sentences, each with the command to run next. None for a client that can do something."""
    name = shlex.quote(client.client_id)
    has_keys = client.jwks or client.jwks_uri or client.trusts
    if client.token_endpoint_auth_method is AuthMethod.PRIVATE_KEY_JWT and not has_keys:
        yield (
            f"It cannot authenticate yet. Make a key with `issuer client key create {name} --out"
            f" FILE`, or trust another issuer with `issuer client trust add {name} …`."
        )
    if not client.audiences:
        yield (
            "It can get no token for an AgentOS yet. Add one with `issuer client update"
            f" {name} --add-audience ID`."
        )
    elif _limits_people(client) and not (client.scopes or work.assignments.of(client.client_id)):
        yield (
            "Its tokens have no scopes yet. Assign a role with `issuer client role assign"
            f" {name} ROLE --audience {shlex.quote(client.audiences[0])}`."
        )
        if GrantType.AUTHORIZATION_CODE in client.grant_types:
            yield (
                "Or let people who sign in through it use all that they hold, with `issuer client"
                f" update {name} --user-rights all`."
            )


def _limits_people(client: Client) -> bool:
    """Whether scopes of its own matter: of its own tokens, or of people who have only these."""
    is_person_only = GrantType.CLIENT_CREDENTIALS not in client.grant_types
    return not (is_person_only and client.user_rights is UserRights.ALL)
