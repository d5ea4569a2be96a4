"""`issuer backup` and `issuer restore`."""

import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from issuer.backup.backing_up import BackedUp, back_up_into, back_up_to
from issuer.backup.encryption import Encryption
from issuer.backup.restoring import ArchiveSource, Restored, restore
from issuer.backup.saved_feed import MAX_BYTES
from issuer.cli import output
from issuer.cli.command import argument, content_of, flag, new_app, option, wants_json
from issuer.cli.opening import operator, read_settings
from issuer.clock import Clock
from issuer.composition import composed
from issuer.errors import IssuerError
from issuer.files import open_regular
from issuer.server.processes import end_on_sigterm

app = new_app()

STREAM = "-"
_NAMED = 10


@app.command()
def backup(
    file: str = argument("FILE", "The file to write; - for standard output."),
    recipients: list[str] | None = option(
        "AGE1…",
        "Encrypt to this public key of age. Repeatable: any one of the keys decrypts.",
        "--recipient",
    ),
    force: bool = flag("--force", "Replace FILE if it exists."),
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
    _report(file, written)


def _report(file: str, written: BackedUp) -> None:
    if file == STREAM:
        return
    if wants_json.get():
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


@app.command("restore")
def restore_backup(
    file: str = argument("FILE", "The backup to read; - for standard input."),
    identity: Path | None = option(
        "FILE", "The secret keys that may decrypt it, as age-keygen writes them."
    ),
    revocations: Path | None = option(
        "FILE", "A saved answer of GET /.well-known/revocations: revoke again what it lists."
    ),
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
    if not wants_json.get():
        _print(restored)
        return
    output.print_json(
        {
            "issuer": restored.header.issuer,
            "created_at": restored.header.created_at.isoformat(),
            "rows": restored.rows,
            "revoked": restored.revoked and restored.revoked.as_details(),
            "look_at": [each.model_dump() for each in restored.reminders],
        }
    )


def _opened(file: str) -> AbstractContextManager[BinaryIO]:
    if file == STREAM:
        return nullcontext(sys.stdin.buffer)
    try:
        return open_regular(Path(file))
    except OSError as error:
        raise IssuerError(f"{file} cannot be read: {error.strerror}.") from None


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
