"""Tokens that are bound to a key in a file (RFC 9449), and the headers of a request with one."""

from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from issuer.cli.api_client import cure_of
from issuer.errors import IssuerError
from issuer.files import write_private
from issuer.vocabulary import SigningAlgorithm


def bound_token(
    issuer: str,
    client_id: str,
    audience: str | None,
    scopes: Sequence[str] | None,
    secret: Callable[[], str],
    key_file: Path,
    request: str | None,
) -> tuple[str, dict[str, str]]:
    """A new token, and the headers with which `request`, such as `GET https://…`, presents it.

    Without a `request` there are none. A key file that does not exist is made.
    """
    from issuer.client import PrivateKey, TokenClient, TokenError, TokenRefused  # noqa: PLC0415 - 11 MB
    from issuer.client.dpop import authorization  # noqa: PLC0415 - with the client

    method, _, url = (request or "").partition(" ")
    if request is not None and not url.startswith(("https://", "http://")):
        raise typer.BadParameter('--request is a method and a URL: "GET https://os.example/agents"')
    if not key_file.exists():
        from issuer.keys.private_key import generate, private_text  # noqa: PLC0415 - 12 MB

        alg = SigningAlgorithm.ES256
        write_private(key_file, private_text(generate(alg), alg, as_jwk=False))
    try:
        client = TokenClient(
            issuer,
            client_id,
            client_secret=secret(),
            audience=audience,
            scope=scopes,
            dpop=PrivateKey(key_file),
        )
        token = client.token()
    except TokenRefused as error:
        form = {"audience": audience, "grant_type": "client_credentials"}
        raise IssuerError(f"{error}.{cure_of(error.error, client_id, form)}") from None
    except (TokenError, OSError, ValueError) as error:
        raise IssuerError(f"Cannot get a token bound to the key {key_file}: {error}") from None
    return token, authorization(client.proofs, token, method, url) if request else {}
