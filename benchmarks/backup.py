"""How long `issuer backup` and `issuer restore` take, and how much memory, on both databases.

    python -m benchmarks.backup [--users 1000000] [--clients 0] [--events 0] [--json FILE]

Each user has two roles and a password hash of its own. The archive is encrypted to a public key,
and read again when it was written. PostgreSQL is filled by restoring the archive of SQLite, and
backed up then. Each command runs in a process of its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe

import pyrage
from rich.console import Console
from rich.table import Table

from benchmarks.audit_verify import database, fill
from benchmarks.filling import Filling, Rows
from benchmarks.load import peak_megabytes
from issuer.audiences import AudienceFields
from issuer.clock import Clock
from issuer.composition import compose
from issuer.database.tables import UserRow
from issuer.settings import Settings
from issuer.telemetry import logs
from tests.builders import OPERATOR, initialised

ROLES = 1_000
BETWEEN_LOOKS = 0.05  # seconds


class FillingWithHashes(Filling):
    """Each user has another password hash, which does not compress."""

    def _user(self, number: int) -> Rows:
        rows = super()._user(number)
        salt, digest = token_urlsafe(16), token_urlsafe(32)
        rows[UserRow]["password_hash"] = f"$argon2id$v=19$m=65536,t=3,p=4${salt}${digest}"
        return rows


@dataclass(frozen=True)
class CommandRun:
    """Output of a command, its seconds, and the most megabytes (2^20 bytes) resident."""

    output: str
    seconds: float
    cpu_seconds: float
    memory: float


def measured(folder: Path, environment: dict[str, str]) -> dict[str, float]:
    """By what it is; of the SQLite in `folder`, which is deleted."""
    key, archive = folder / "key.txt", folder / "issuer.backup.age"
    identity = pyrage.x25519.Identity.generate()
    key.touch(mode=0o600)
    key.write_text(str(identity))
    backup = ["backup", str(archive), "--force", "--recipient", str(identity.to_public()), "--json"]
    restore = ["restore", str(archive), "--identity", str(key), "--json"]
    ran = {"sqlite backup": run(environment, backup)}
    found = {
        "rows": float(json.loads(ran["sqlite backup"].output)["rows"]),
        "MB of the archive": archive.stat().st_size / 1024**2,
        "MB of the database": (folder / "data" / "issuer.db").stat().st_size / 1024**2,
    }
    (folder / "data" / "issuer.db").unlink()
    ran["sqlite restore"] = run(environment, restore)
    with database("postgresql") as more:
        ran["postgresql restore"] = run(environment | more, restore)
        ran["postgresql backup"] = run(environment | more, backup)
    for what, each in ran.items():
        found |= {f"{what}: s": each.seconds, f"{what}: s of a processor": each.cpu_seconds}
        found[f"{what}: MB"] = each.memory
    return found


def prepare(environment: dict[str, str], users: int, clients: int, events: int) -> None:
    settings = Settings.from_environment(environment)
    initialised(settings, Clock())
    services = compose(settings)
    with services.administration.changing(OPERATOR) as work:
        work.audiences.create(AudienceFields.read({"id": "my-os"}))
    filling = FillingWithHashes(services)
    filling.roles(ROLES)
    filling.users(users)
    filling.clients(clients)
    services.keys.keyring.reload()
    if events:
        fill(services, events)
    services.database.dispose()


def run(environment: dict[str, str], arguments: Sequence[str]) -> CommandRun:
    started, memory, before = time.perf_counter(), 0.0, cpu_of_children()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "issuer", *arguments],
            env={"PATH": os.environ["PATH"], **environment},
            stdout=output,
        )
        while process.poll() is None:
            memory = max(memory, peak_megabytes(process.pid))
            time.sleep(BETWEEN_LOOKS)
        seconds = time.perf_counter() - started
        assert process.returncode == 0, f"{arguments} failed."
        output.seek(0)
        return CommandRun(output.read(), seconds, cpu_of_children() - before, memory)


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backup", description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=0)
    parser.add_argument("--events", type=int, default=0, help="in the audit log")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    logs.configure("warning")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {"ISSUER_URL": "https://id.example", "ISSUER_DATA_DIR": str(folder / "data")}
        prepare(environment, options.users, options.clients, options.events)
        found = measured(folder, environment)
    table = Table("", "")
    for what, number in found.items():
        table.add_row(what, f"{number:,.1f}")
    Console().print(table)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
