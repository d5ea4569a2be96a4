"""`issuer key`."""

import json
from typing import Annotated

import typer

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.key_drill import drill_rotation
from issuer.cli.opening import opened, operator, read_settings
from issuer.cli.options import AsJson
from issuer.composition import Composition
from issuer.keys.described import all_described, described
from issuer.keys.private_key import public_pem
from issuer.setup import change_master_key
from issuer.vocabulary import SigningAlgorithm

app = new_app("The keys that sign. They follow one another by themselves, each announced before.")

Alg = Annotated[
    SigningAlgorithm | None,
    typer.Option(metavar="ALG", help="Only the key of this algorithm; else of each."),
]
Kid = Annotated[str, typer.Argument(metavar="KID", help="The id of the key.")]


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the signing keys with what each does and until when, youngest first.

    Examples:

      issuer key list
      issuer key list --json
    """
    with opened() as parts:
        parts.keys.keyring.reload()
        _show(parts, as_json=as_json)


@app.command("rotate")
def rotate_keys(alg: Alg = None, as_json: AsJson = False) -> None:
    """Have the key in reserve sign from now on, and announce the next.

    Refused before it was announced long enough: who follows the key set may not have seen it.

    Examples:

      issuer key rotate
      issuer key rotate --alg ES256
    """
    with opened() as parts:
        parts.administration.rotate_keys(alg, operator())
        _show(parts, as_json=as_json)


app.command("drill")(drill_rotation)


@app.command("revoke")
def revoke_key(kid: Kid, as_json: AsJson = False) -> None:
    """In an emergency, destroy a key at once; the one in reserve takes its place.

    Every token it signed is dead to whoever has seen the key set since. An id that begins with
    "-", of a key that was made elsewhere, is written behind "--".

    Examples:

      issuer key revoke vFFQp9Sd8EVvVQbzSdTs5gGkgGpZ5hoSHQJmvwkTnP8
    """
    with opened() as parts:
        with parts.administration.changing_keys(operator()) as work:
            key = work.keys.revoke(kid)
        found = described(parts.keys.keyring.keys, key, parts.clock())
    output.say(
        f"Revoked {kid}. Servers refuse its tokens within a second, followers within"
        f" {parts.settings.jwks_max_age.total_seconds():.0f} s.",
        found.model_dump(mode="json"),
        as_json=as_json,
    )


@app.command("export")
def export_keys(
    jwks: Annotated[
        bool, typer.Option("--jwks", "--json", help="As a JSON Web Key Set, as it is anyway.")
    ] = False,
    pem: Annotated[bool, typer.Option("--pem", help="As PEM, one block a key.")] = False,
) -> None:
    """Print the public keys a verifier needs now, for one that cannot follow the key set.

    Examples:

      issuer key export --jwks > jwks.json
      issuer key export --pem
    """
    if jwks and pem:
        raise typer.BadParameter("--jwks or --pem, not both")
    with opened() as parts:
        parts.keys.keyring.reload()
        parts.keys.keyring.require_loaded()
        key_set = json.loads(parts.keys.keyring.jwks.body)
    if pem:
        print("".join(public_pem(key) for key in key_set["keys"]), end="")
    else:
        output.print_json(key_set)


@app.command("rewrap")
def rewrap_keys(as_json: AsJson = False) -> None:
    """Change the master key, while servers run.

    With `master.key` in the data directory a new key is made there; copy it to wherever else it
    is kept. With ISSUER_MASTER_KEY, first give every server the new key behind the old one, and
    this command the new one before the old; after it, nobody needs the old one.

    Examples:

      issuer key rewrap
      ISSUER_MASTER_KEY="$NEW $OLD" issuer key rewrap
    """
    rewrapped = change_master_key(read_settings(), operator())
    output.say(
        f"Rewrapped {rewrapped.keys} keys. Keep the new master key: without it they are lost.",
        {"keys": rewrapped.keys, "file": rewrapped.file and str(rewrapped.file)},
        as_json=as_json,
    )


def _show(parts: Composition, *, as_json: bool) -> None:
    keys = all_described(parts.keys.keyring.keys, parts.clock())
    output.show_all(keys, ["kid", "alg", "state", "what"], as_json=as_json)
