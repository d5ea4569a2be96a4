"""`issuer key` and `issuer verifier`."""

import json
import secrets
from typing import Annotated, Any

import typer

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.confirming import Confirmation, Yes, confirmed
from issuer.cli.keys.drill import drill_rotation
from issuer.cli.opening import (
    administering,
    administering_with_keys,
    operator,
    read_settings,
    reading,
)
from issuer.cli.options import AsJson
from issuer.composition import Administration
from issuer.keys.described import all_described, described
from issuer.keys.private_key import public_pem
from issuer.keys.sealing import new_master_key
from issuer.provisioning.setup import Rewrapped, change_master_key
from issuer.verifiers.known_verifiers import REMEDY, DescribedVerifier
from issuer.vocabulary import SigningAlgorithm

app = new_app()
key_app = new_app("The signing keys. They rotate automatically; each is announced before it signs.")
app.add_typer(key_app, name="key")

Alg = Annotated[
    SigningAlgorithm | None,
    typer.Option(metavar="ALG", help="Only keys of this algorithm. Default: all."),
]
Force = Annotated[
    bool, typer.Option("--force", help="Rotate although live verifiers lack the next key.")
]
Kid = Annotated[str, typer.Argument(metavar="KID", help="The id of the key.")]


@key_app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the signing keys, newest first, with state and next change.

    Examples:

      issuer key list
      issuer key list --json
    """
    with administering_with_keys() as administration:
        _show(administration, as_json=as_json)


@key_app.command("rotate")
def rotate_keys(alg: Alg = None, force: Force = False, as_json: AsJson = False) -> None:
    """Activate the next key now, and announce another.

    Refused until it was announced long enough: verifiers may not have fetched it yet. Also
    refused while a live verifier lacks it, or may lack it since it was left out of the list in the
    last three minutes, unless --force is given; see issuer verifier list.

    Examples:

      issuer key rotate
      issuer key rotate --alg ES256
      issuer key rotate --force
    """
    with administering() as administration:
        administration.rotate_keys(alg, operator(), force=force)
        _show(administration, as_json=as_json)


key_app.command("drill")(drill_rotation)


@key_app.command("revoke")
def revoke_key(kid: Kid, as_json: AsJson = False) -> None:
    """Destroy a key at once, in an emergency; the next key replaces it.

    Every token that the key signed is refused: within 10 seconds by an AgentOS with the verifier,
    by other software when it fetches the key set again. Write "--" before an id that begins with
    "-" (of a key that was created elsewhere).

    Examples:

      issuer key revoke vFFQp9Sd8EVvVQbzSdTs5gGkgGpZ5hoSHQJmvwkTnP8
    """
    with administering() as administration:
        with administration.changing_keys(operator()) as work:
            key = work.keys.revoke(kid)
        description = described(administration.keyring.keys, key, administration.clock())
    output.say(
        f"Revoked {kid}. The issuer refuses its tokens within a second, verifiers within"
        f" {administration.settings.jwks_max_age.total_seconds():.0f} s.",
        description.model_dump(mode="json"),
        as_json=as_json,
    )


@key_app.command("export")
def export_keys(
    jwks: Annotated[
        bool, typer.Option("--jwks", "--json", help="As a JSON Web Key Set, the default.")
    ] = False,
    pem: Annotated[bool, typer.Option("--pem", help="As PEM, one block per key.")] = False,
) -> None:
    """Print the public keys that a verifier needs now, if it cannot fetch the key set.

    Examples:

      issuer key export --jwks > jwks.json
      issuer key export --pem
    """
    if jwks and pem:
        raise typer.BadParameter("--jwks or --pem, not both")
    with administering_with_keys() as administration:
        administration.keyring.require_loaded()
        key_set = json.loads(administration.keyring.jwks.body)
    if pem:
        print("".join(public_pem(key) for key in key_set["keys"]), end="")
    else:
        output.print_json(key_set)


@key_app.command("generate-master")
def generate_master_key(as_json: AsJson = False) -> None:
    """Print a new master key, for ISSUER_MASTER_KEY. Nothing is stored.

    Keep it where the database is not: whoever has both can sign tokens, and without it the
    signing keys are lost.

    Examples:

      issuer key generate-master
      (umask 077; issuer key generate-master > master.key)
    """
    key = new_master_key(secrets.token_bytes)
    if as_json:
        output.print_json({"master_key": key})
    else:
        print(key)


@key_app.command("rewrap")
def rewrap_keys(yes: Yes = False, as_json: AsJson = False) -> None:
    """Change the master key while servers run. Asks first.

    With master.key in the data directory, a new key is created there; replace every copy of it.
    With ISSUER_MASTER_KEY, first restart every server with the new key after the old one, then
    run this command with the new key first. The old key is not needed afterwards.

    Examples:

      issuer key rewrap
      ISSUER_MASTER_KEY="$NEW $OLD" issuer key rewrap
    """

    def change(confirmation: Confirmation) -> Rewrapped:
        confirmation.require("replace the master key: every copy of it must be replaced, too")
        return change_master_key(read_settings(), operator())

    rewrapped = confirmed(change, yes=yes)
    output.say(
        f"Rewrapped {rewrapped.keys} keys. Keep the new master key: without it they are lost.",
        {"keys": rewrapped.keys, "file": rewrapped.file and str(rewrapped.file)},
        as_json=as_json,
    )


def _show(administration: Administration, *, as_json: bool) -> None:
    keys = all_described(administration.keyring.keys, administration.clock())
    output.show_all(keys, ["kid", "alg", "state", "summary"], as_json=as_json)


verifier_app = new_app("The AgentOS that say which signing keys they hold.")
app.add_typer(verifier_app, name="verifier")


@verifier_app.callback()
def verifiers() -> None:
    """Makes `verifier` a group, although it has only one command."""


@verifier_app.command("list")
def list_verifiers(as_json: AsJson = False) -> None:
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
    if as_json:
        output.show_all(found, [], as_json=True)
    elif not found:
        print("No verifier reported in the last day.")
    else:
        columns = ["audience", "address", "verifier", "agno", "seen_at", "live", "next_key"]
        output.show_all(map(_row, found), columns, as_json=False)


def _row(verifier: DescribedVerifier) -> dict[str, Any]:
    return {
        **verifier.model_dump(mode="json"),
        "verifier": verifier.adapter_version,
        "agno": verifier.agno_version,
        "seen_at": f"{verifier.seen_at:%Y-%m-%d %H:%M:%S}",
        "next_key": "lacked" if verifier.missing_kid else "held",
    }
