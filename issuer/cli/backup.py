"""`issuer backup`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from issuer.backup.backing_up import BackedUp, back_up_into, back_up_to
from issuer.backup.encryption import Encryption
from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.opening import operator, read_settings
from issuer.cli.options import AsJson
from issuer.composition import composed
from issuer.errors import IssuerError
from issuer.server.processes import end_on_sigterm

app = new_app()

STREAM = "-"


@app.command()
def backup(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The file to write; - for standard output.")
    ],
    recipients: Annotated[
        list[str] | None,
        typer.Option(
            "--recipient",
            metavar="AGE1…",
            help="Encrypt to this public key of age. Repeatable: any one of the keys decrypts.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the whole database to one file, as it is at one moment, while servers run.

    The file has mode 0600 and is read again before it gets its name. It restores into SQLite and
    PostgreSQL alike. The master key is not in it: store that elsewhere, since both together can
    sign tokens. Without encryption, the file shows users, rights and the audit log to its reader.

    Examples:

      issuer backup issuer.backup
      issuer backup issuer.backup.age --recipient age1…
      issuer backup - --recipient age1… | ssh vault 'cat > issuer.backup.age'
    """
    end_on_sigterm()
    encryption = Encryption.to(recipients) if recipients else Encryption()
    if file == STREAM and sys.stdout.isatty():
        raise IssuerError("Standard output is a terminal: name a file, or redirect the output.")
    with composed(read_settings()) as parts, output.working("Writing the backup"):
        if file == STREAM:
            written = back_up_into(sys.stdout.buffer, parts.foundation, operator(), encryption)
        else:
            path = Path(file)
            written = back_up_to(path, parts.foundation, operator(), encryption, force=force)
    _report(file, written, as_json=as_json)


def _report(file: str, written: BackedUp, *, as_json: bool) -> None:
    if file == STREAM:
        return
    if as_json:
        output.print_json({"file": file, **asdict(written), "created_at": str(written.created_at)})
        return
    size = Path(file).stat().st_size
    how = "encrypted" if written.is_encrypted else "not encrypted"
    output.print_text(
        f"Wrote {file}: {written.rows:,} rows, {size:,} bytes, {how}. It was read again and is"
        " complete."
    )
    print("The master key is not in it: store that elsewhere.")
    if written.key_files:
        output.print_text(f"Nor are {written.key_files} private keys in ISSUER_KEY_FOLDER.")
