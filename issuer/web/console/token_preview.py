"""The token that would be issued at this moment. Nothing is issued."""

from collections.abc import Mapping
from dataclasses import dataclass

from issuer.clients import Client
from issuer.composition import Administration
from issuer.errors import IssuerError
from issuer.explain.explaining import PreviewRequest
from issuer.fields.text import readable_json
from issuer.vocabulary import GrantType


@dataclass(frozen=True, slots=True)
class TokenPreview:
    """The claims of a token as JSON and its size in bytes, or why there is none."""

    claims: str = ""
    size: int = 0
    refusal: str = ""


def token_as_now(
    administration: Administration, client: Client, audience: str
) -> TokenPreview | None:
    """On its own behalf; None for a client that acts only for people."""
    if not audience or GrantType.CLIENT_CREDENTIALS not in client.grant_types:
        return None
    return _previewed(administration, {"client_id": client.client_id, "audience": audience})


def token_through(
    administration: Administration, user_id: str, client_id: str, audience: str
) -> TokenPreview | None:
    """The token of a user who signs in through a client; None if none is named."""
    if not client_id:
        return None
    members = {"client_id": client_id, "user_id": user_id}
    return _previewed(administration, members | ({"audience": audience} if audience else {}))


def _previewed(administration: Administration, members: Mapping[str, object]) -> TokenPreview:
    try:
        request = PreviewRequest.read(members)
        token = administration.explainer.preview(request, administration.clock())
    except IssuerError as error:
        return TokenPreview(refusal=str(error))
    return TokenPreview(readable_json(token.claims), token.size)
