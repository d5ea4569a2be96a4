"""The token that a client would get at this moment. Nothing is issued."""

from dataclasses import dataclass

from issuer.clients import Client
from issuer.composition import Administration
from issuer.errors import IssuerError
from issuer.escaping import readable_json
from issuer.explaining import PreviewRequest
from issuer.vocabulary import GrantType


@dataclass(frozen=True, slots=True)
class TokenAsNow:
    """The claims of a token as JSON and its size in bytes, or why there is none."""

    claims: str = ""
    size: int = 0
    refusal: str = ""


def token_as_now(
    administration: Administration, client: Client, audience: str
) -> TokenAsNow | None:
    """On its own behalf; None for a client that acts only for people."""
    if not audience or GrantType.CLIENT_CREDENTIALS not in client.grant_types:
        return None
    request = PreviewRequest(client_id=client.client_id, audience=audience)
    try:
        token = administration.explainer.preview(request, administration.clock())
    except IssuerError as error:
        return TokenAsNow(refusal=str(error))
    return TokenAsNow(readable_json(token.claims), token.size)
