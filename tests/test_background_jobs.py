"""The table of background jobs in docs/reference/background-jobs.md is that of the code."""

import ast
import re
from datetime import timedelta
from pathlib import Path

from issuer.composition.background import JOBS, Job
from issuer.database.tables import Base

ROOT = Path(__file__).parent.parent
OTHER_PROCESSES = ("agentos/", "client/", "cli/")
OF_JOBS = {
    "background/batches.py",
    "background/periodic.py",
    "clients/used_assertions_store.py",
    "dpop/proofs.py",
    "composition/background.py",
    "deliveries/sender.py",
    "directory/change_watcher.py",
    "keys/rotator.py",
    "mail/mailer.py",
    "refresh_tokens/refresh_tokens.py",
    "token_exchange/exchanges.py",
}
# Threads that end with what began them.
OF_OTHERS = {
    "backup/encryption.py",
    "server/processes.py",
    "telemetry/otel/traces.py",
}


def test_the_docs_list_every_job():
    text = (ROOT / "docs/reference/background-jobs.md").read_text()
    rows = re.findall(r"^\| `.*\|$", text, re.MULTILINE)
    assert rows == [
        f"| `{job.name}` | `{job.owner}/` | {interval(job)} | {job.touches} |" for job in JOBS
    ]


def test_each_job_names_an_existing_package_and_existing_tables():
    tables = Base.metadata.tables.keys()
    for job in JOBS:
        assert (ROOT / "issuer" / job.owner).is_dir()
        named = re.findall(r"`([a-z_]+)`", job.touches)
        assert set(named) <= tables, job.name
    assert len({job.name for job in JOBS}) == len(JOBS)


def test_a_module_that_starts_a_thread_has_a_row():
    starting = {
        file
        for path in (ROOT / "issuer").rglob("*.py")
        if not (file := path.relative_to(ROOT / "issuer").as_posix()).startswith(OTHER_PROCESSES)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and called(node) in {"BatchWorker", "Periodic", "Thread"}
    }
    assert starting == OF_JOBS | OF_OTHERS


def called(node: ast.Call) -> str:
    return ast.unparse(node.func).rpartition(".")[2]


def interval(job: Job) -> str:
    """As people write it."""
    if isinstance(job.every, str):
        is_setting = job.every.isupper()
        return f"`{job.every}`" if is_setting else job.every
    units = {"h": timedelta(hours=1), "min": timedelta(minutes=1), "s": timedelta(seconds=1)}
    for unit, length in units.items():
        if job.every >= length:
            return f"{job.every // length} {unit}"
    return f"{job.every // timedelta(milliseconds=1)} ms"
