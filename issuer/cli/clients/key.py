"""`issuer client key create`."""

from pathlib import Path
from typing import Annotated

from issuer.cli import output
from issuer.cli.command import flag, option, wants_json, write_file
from issuer.cli.opening import changing
from issuer.cli.options import ClientId
from issuer.clients.clients import with_key
from issuer.errors import ConfigurationError, IssuerError, Unavailable
from issuer.keys.private_key import generate, private_text, public_jwk
from issuer.vocabulary import SigningAlgorithm


def create_key(
    client: ClientId,
    alg: Annotated[
        SigningAlgorithm, option("ALG", "The algorithm it signs with.")
    ] = SigningAlgorithm.ES256,
    out: Path | None = option(
        "FILE", "Write the private key there, with mode 0600. Default: show it once."
    ),
    as_jwk: bool = flag("--jwk", "The private key as JWK with its kid, instead of PEM."),
) -> None:
    """Make a key pair: the client gets the public half, and you the private half.

    Its other keys and its secrets keep working. When nothing uses a secret any more, end all of
    them with client update --auth-method private_key_jwt.

    Examples:

      issuer client key create ci-bot --out ci-bot.pem
      issuer client key create ci-bot --alg RS256 --jwk
    """
    key = generate(alg)
    public, private = public_jwk(key, alg), private_text(key, alg, as_jwk=as_jwk)
    with changing() as work:
        patch = with_key(work.clients.get(client), public)
        if out is not None:  # first: a server does not roll the change back
            if out.exists() or out.is_symlink():
                raise ConfigurationError(f"{out} exists already: name a new file.")
            write_file(out, private)
        try:
            work.clients.update(client, patch)
        except IssuerError as error:
            if out is not None and not isinstance(error, Unavailable):
                out.unlink()
            raise
    made = {"client_id": client, "kid": public["kid"], "alg": alg.value}
    if out is not None:
        sentence = f"{client} has the key {public['kid']}; its private half is in {out}."
        output.say(sentence, {**made, "file": str(out)})
    elif wants_json.get():
        output.print_json({**made, "private_key": private})
    else:
        print(f"kid: {public['kid']}\n\n{private.strip()}\n\nIt is shown only once.")
