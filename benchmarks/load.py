"""A load generator, and the CPU time and memory of the server's process."""

import base64
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# A sign-in that waits for others is slow, but not an error.
PATIENCE = "30s"
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True)
class Load:
    """The result of a load: requests a second, milliseconds, and refused or lost requests.

    A load that nothing answered has an error: wrk reports none, since no request has failed yet.
    """

    requests: int
    per_second: float
    p50: float
    p99: float
    errors: int


def wrk(
    url: str,
    workdir: Path,
    *,
    bearers: Sequence[str] = (),
    form: tuple[str, str] | None = None,
    script: str | None = None,
    seconds: int = 5,
    connections: int = 16,
) -> Load:
    """Load `url` from the last core with GET requests, each with the next of `bearers`.

    Or, given the credentials of a client and a `form`, with POST requests of that.
    Or with what a `script` asks for (`benchmarks/scripts.py`).
    """
    program = shutil.which("wrk")
    if program is None:
        raise SystemExit("The load comes from wrk: apt-get install wrk, or brew install wrk.")
    file = workdir / "requests.lua"
    file.write_text(script or (_script(bearers) if form is None else _form_script(*form)))
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", PATIENCE, "--latency"]
    command = [program, *options, "-s", file, url]
    ended = subprocess.run(on_core(-1, command), capture_output=True, text=True, check=False)
    # After an error in its script wrk continues, with requests that were not requested.
    assert ended.returncode == 0, ended.stderr
    assert not ended.stderr, ended.stderr
    output = ended.stdout
    requests = int(_found(r"(\d+) requests in", output))
    errors = re.findall(r"(?:connect|read|write|timeout|responses:?)\s+(\d+)", output)
    return Load(
        requests,
        float(_found(r"Requests/sec:\s+([\d.]+)", output)),
        _milliseconds(_found(r"(?m)^\s+50%\s+(\S+)", output)),
        _milliseconds(_found(r"(?m)^\s+99%\s+(\S+)", output)),
        sum(map(int, errors)) or int(requests == 0),
    )


def on_core(core: int, command: Sequence[object]) -> list[str]:
    """The command, bound to one core, so that server and load do not take turns on it."""
    words = [str(word) for word in command]
    if shutil.which("taskset") is None:
        return words
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "--cpu-list", str(cores[core]), *words]


def cpu_seconds(pid: int) -> float:
    """CPU time of the process so far: meaningful on a busy machine, too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int, kind: str = "Pss") -> float:
    """Memory of the process and its children.

    What processes share is counted once, each has its part of it (PSS); or for each of them (RSS).
    """
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    own = int(_found(rf"(?m)^{kind}:\s+(\d+) kB", rollup)) / 1024
    return own + sum(megabytes(int(child), kind) for child in children)


def peak_megabytes(pid: int) -> float:
    """The most memory of the process so far, resident, without its children; 0 once it has ended.

    What `wait4` says of a child includes the process that started it.
    """
    with suppress(OSError):
        if found := re.search(r"(?m)^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text()):
            return int(found[1]) / 1024
    return 0.0


def _script(bearers: Sequence[str]) -> str:
    tokens = ",".join(f'"{each}"' for each in bearers)
    return f"""
local tokens, i = {{{tokens}}}, 0
request = function()
  if #tokens == 0 then return wrk.format("GET") end
  i = i % #tokens + 1
  return wrk.format("GET", nil, {{["Authorization"] = "Bearer " .. tokens[i]}})
end
"""


def _form_script(credentials: str, form: str) -> str:
    basic = base64.b64encode(credentials.encode()).decode()
    return f"""
wrk.method, wrk.body = "POST", "{form}"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.headers["Authorization"] = "Basic {basic}"
"""


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, text
    return found[1]


def _milliseconds(text: str) -> float:
    number = text.rstrip("msu")
    return float(number) * _UNITS[text.removeprefix(number)]
