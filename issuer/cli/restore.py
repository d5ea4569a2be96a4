"""`issuer restore`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from issuer.backup.encryption import Encryption
from issuer.backup.restoring import ArchiveSource, Restored, restore
from issuer.backup.saved_feed import MAX_BYTES
from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.input_files import content_of
from issuer.cli.opening import operator, read_settings
from issuer.cli.options import AsJson
from issuer.clock import Clock
from issuer.errors import IssuerError
from issuer.files import open_regular

app = new_app()

STREAM = "-"
_NAMED = 10


@app.command("restore")
def restore_backup(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The backup to read; - for standard input.")
    ],
    identity: Annotated[
        Path | None,
        typer.Option(
            "--identity",
            metavar="FILE",
            help="The secret keys that may decrypt it, as age-keygen writes them.",
        ),
    ] = None,
    revocations: Annotated[
        Path | None,
        typer.Option(
            "--revocations",
            metavar="FILE",
            help="A saved answer of GET /.well-known/revocations: revoke again what it lists.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fill an empty database from a backup, completely or not at all.

    Set ISSUER_URL, ISSUER_DATABASE_URL and the master key as they were, and stop every server
    before. What was changed after the backup is lost; the command says what to look at.

    Examples:

      issuer restore issuer.backup
      issuer restore issuer.backup.age --identity key.txt
      issuer restore issuer.backup --revocations revocations.jwt
    """
    settings = read_settings()
    feed = content_of(revocations, MAX_BYTES) if revocations else None
    encryption = Encryption.with_identities(identity) if identity else Encryption()
    with output.working("Restoring"), _opened(file) as stream:
        name = "Standard input" if file == STREAM else file
        source = ArchiveSource(stream, name, encryption)
        restored = restore(source, settings, operator(), Clock(), feed)
    if as_json:
        output.print_json(_as_json(restored))
    else:
        _print(restored)


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == STREAM:
        yield sys.stdin.buffer
        return
    try:
        opened = open_regular(Path(file))
    except OSError as error:
        raise IssuerError(f"{file} cannot be read: {error.strerror}.") from None
    with opened:
        yield opened


def _as_json(restored: Restored) -> dict[str, object]:
    return {
        "issuer": restored.header.issuer,
        "created_at": restored.header.created_at.isoformat(),
        "rows": restored.rows,
        "revoked": restored.revoked and restored.revoked.as_details(),
        "look_at": [each.model_dump() for each in restored.reminders],
    }


def _print(restored: Restored) -> None:
    made = f"{restored.header.created_at:%Y-%m-%d %H:%M:%S} UTC"
    output.print_text(
        f"Restored {restored.header.issuer} as of {made}: {restored.rows:,} rows. What was changed"
        " later is lost."
    )
    if again := restored.revoked:
        output.print_text(
            f"Revoked again: {again.tokens} tokens and sessions,"
            f" {sum(map(len, again.principals.values()))} users, clients and audiences,"
            f" {len(again.keys)} signing keys. Ended: {again.ended} refresh families and sessions."
        )
    print("\nLook at these before you start a server:\n")
    for each in restored.reminders:
        output.print_text(f"- {each.sentence}")
        for name in each.names[:_NAMED]:
            output.print_text(f"    {name}")
        if len(each.names) > _NAMED:
            output.print_text(f"    and {len(each.names) - _NAMED} more: see --json")
    print("\nThen run `issuer doctor` and `issuer audit verify`.")
