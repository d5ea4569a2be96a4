"""`issuer key` and `issuer verifier`."""

import json
import secrets
from typing import Annotated, Any

import typer

from issuer.cli import output
from issuer.cli.command import argument, flag, new_app, option, wants_json
from issuer.cli.confirming import Yes, confirming
from issuer.cli.keys.drill import drill_rotation
from issuer.cli.opening import administering, managing, operator, read_settings, reading
from issuer.keys.described import DescribedKey
from issuer.keys.private_key import public_pem
from issuer.keys.sealing import new_master_key
from issuer.operations import OperationQuestion
from issuer.verifiers.known_verifiers import REMEDY, DescribedVerifier
from issuer.vocabulary import SigningAlgorithm

app = new_app()
key_app = new_app("The signing keys. They rotate automatically; each is announced before it signs.")
app.add_typer(key_app, name="key")


@key_app.command("list")
def list_keys() -> None:
    """List the signing keys, newest first, with state and next change.

    Examples:

      issuer key list
      issuer key list --json
    """
    with reading() as work:
        keys = work.described_keys()
    _show(keys)


@key_app.command("rotate")
def rotate_keys(
    alg: SigningAlgorithm | None = option("ALG", "Only keys of this algorithm. Default: all."),
    force: bool = flag("--force", "Rotate although live verifiers lack the next key."),
) -> None:
    """Activate the next key now, and announce another.

    Refused until it was announced long enough: verifiers may not have fetched it yet. Also
    refused while a live verifier lacks it, or may lack it since it was left out of the list in the
    last three minutes, unless --force is given; see issuer verifier list.

    Examples:

      issuer key rotate
      issuer key rotate --alg ES256
      issuer key rotate --force
    """
    with managing() as administration:
        with administration.changing_keys(operator()) as work:
            work.verifiers.rotate_keys(alg, force=force)
        with administration.reading() as work:
            keys = work.described_keys()
    _show(keys)


key_app.command("drill")(drill_rotation)


@key_app.command("revoke")
def revoke_key(kid: str = argument("KID", "The id of the key."), yes: Yes = False) -> None:
    """Destroy a key at once, in an emergency; the next key replaces it.

    Every token that the key signed is refused: within 10 seconds by an AgentOS with the verifier,
    by other software when it fetches the key set again. Write "--" before an id that begins with
    "-" (of a key that was created elsewhere). On a terminal it asks first.

    Examples:

      issuer key revoke vFFQp9Sd8EVvVQbzSdTs5gGkgGpZ5hoSHQJmvwkTnP8
    """
    with managing() as administration:
        for confirmation in confirming(yes=yes):
            with confirmation, administration.changing_keys(operator()) as work:
                key = work.revoke_key(kid)
                loss = f"destroy the {key.alg} key {kid}, and refuse every token that it signed"
                question = OperationQuestion(f"This would {loss}.", "", "")
                confirmation.require_answer(question, of_scripts=False)
    output.say(
        f"Revoked {kid}. The issuer refuses its tokens within a second, verifiers within"
        f" {key.refused_within} s. {key.left_valid}".rstrip(),
        key.model_dump(mode="json", exclude={"refused_within", "left_valid"}),
    )


@key_app.command("export", own_json=True)
def export_keys(
    jwks: Annotated[
        bool, typer.Option("--jwks", "--json", help="As a JSON Web Key Set, the default.")
    ] = False,
    pem: Annotated[bool, flag("--pem", "As PEM, one block per key.")] = False,
) -> None:
    """Print the public keys that a verifier needs now, if it cannot fetch the key set.

    Examples:

      issuer key export --jwks > jwks.json
      issuer key export --pem
    """
    if jwks and pem:
        raise typer.BadParameter("--jwks or --pem, not both")
    with administering(with_keys=True) as administration:
        administration.keyring.require_loaded()
        key_set = json.loads(administration.keyring.jwks.body)
    if pem:
        print("".join(public_pem(key) for key in key_set["keys"]), end="")
    else:
        output.print_json(key_set)


@key_app.command("generate-master")
def generate_master_key() -> None:
    """Print a new master key, for ISSUER_MASTER_KEY. Nothing is stored.

    Keep it where the database is not: whoever has both can sign tokens, and without it the
    signing keys are lost.

    Examples:

      issuer key generate-master
      (umask 077; issuer key generate-master > master.key)
    """
    key = new_master_key(secrets.token_bytes)
    output.say(key, {"master_key": key})


@key_app.command("rewrap")
def rewrap_keys(yes: Yes = False) -> None:
    """Change the master key while servers run. Asks first.

    With master.key in the data directory, a new key is created there; replace every copy of it.
    With ISSUER_MASTER_KEY, first restart every server with the new key after the old one, then
    run this command with the new key first. The old key is not needed afterwards.

    Examples:

      issuer key rewrap
      ISSUER_MASTER_KEY="$NEW $OLD" issuer key rewrap
    """
    from issuer.provisioning.setup import change_master_key  # noqa: PLC0415 - 12 MB

    for confirmation in confirming(yes=yes):
        with confirmation:
            confirmation.require("replace the master key: every copy of it must be replaced, too")
            keys, file = change_master_key(read_settings(), operator())
    output.say(
        f"Rewrapped {keys} keys. Keep the new master key: without it they are lost.",
        {"keys": keys, "file": file and str(file)},
    )


def _show(keys: list[DescribedKey]) -> None:
    output.show_all(keys, ["kid", "alg", "state", "summary"])


verifier_app = new_app("The AgentOS that say which signing keys they hold.")
app.add_typer(verifier_app, name="verifier")


@verifier_app.command("list")
def list_verifiers() -> None:
    """List the verifiers that reported in the last day, one for each process of an AgentOS.

    A live one reported in the last three minutes. Nobody verifies what they say, and software that
    reports nothing is not listed.

    Examples:

      issuer verifier list
      issuer verifier list --json
    """
    with reading() as work:
        found, left_out = work.verifiers.all(), work.verifiers.left_out()
    if left_out is not None:
        # On standard error: not a part of the list.
        typer.echo(f"Warning: {left_out}: more reported than are kept. {REMEDY}", err=True)
    if not found and not wants_json.get():
        print("No verifier reported in the last day.")
    else:
        columns = ["audience", "address", "verifier", "agno", "seen_at", "live", "next_key"]
        output.show_all(found, columns, _row)


def _row(verifier: DescribedVerifier) -> dict[str, Any]:
    return {
        "verifier": verifier.adapter_version,
        "agno": verifier.agno_version,
        "seen_at": f"{verifier.seen_at:%Y-%m-%d %H:%M:%S}",
        "next_key": "lacked" if verifier.missing_kid else "held",
    }
