"""The machine a benchmark ran on, so that its numbers can be judged."""

import os
import platform
import re
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("agentos-issuer", "uvicorn", "uvloop", "httptools", "cryptography", "SQLAlchemy")


def machine() -> dict[str, str]:
    """A description of the machine, without missing parts."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    found = {
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "Python": platform.python_version(),
        "Node.js": _said("node", "--version"),
        "Java": _said("java", "-version"),
        "Go": _said("go", "version"),
        "wrk": _said("wrk", "--version"),
        "packages": packages,
    }
    return {name: text for name, text in found.items() if text}


def _processor() -> str:
    names = re.findall(r"(?m)^model name\s*: (.+)$", _read("/proc/cpuinfo"))
    return names[0] if names else platform.machine()


def _memory() -> str:
    found = re.search(r"MemTotal:\s+(\d+) kB", _read("/proc/meminfo"))
    return f"{int(found[1]) / 1024**2:.0f} GiB" if found else ""


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


def _said(program: str, *arguments: str) -> str:
    """The version in the first line of its output; nothing if there is no such program."""
    if shutil.which(program) is None:
        return ""
    asked = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[\w.]*", asked.stdout + asked.stderr)
    return found[0] if found else ""
