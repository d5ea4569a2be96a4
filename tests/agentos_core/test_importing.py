"""`issuer.agentos` runs in processes of others: it must import nothing but its dependencies."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.agentos_core.hostile_server import HostileServer
from tests.agentos_core.keys import key, key_set

ROOT = Path(__file__).parent.parent.parent

BLOCKER = """
import sys
from importlib.machinery import PathFinder

class OnlyWhatTheExtraInstalls(PathFinder):
    known = {"issuer", "httpx", "httpcore", "h11", "anyio", "sniffio", "certifi", "idna", "jwt"}
    known |= {"cryptography", "cffi", "_cffi_backend", "pycparser", "typing_extensions"}

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.split(".")[0] in cls.known | set(sys.stdlib_module_names):
            return PathFinder.find_spec(name, path, target)
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path[-1] = OnlyWhatTheExtraInstalls
"""

FOLLOWING = """
import asyncio
from issuer.agentos import Verifier

issuer, token = sys.argv[1:]
verifier = Verifier(issuer, audience="my-os", algorithms=["ES256"])
asyncio.run(verifier.prepare_for(token))
print(verifier.claims(token)["sub"], verifier.status()["problem"])
"""


def run(script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(
        command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def test_it_imports_no_other_package_of_ours_and_no_other_library():
    unwanted = "sqlalchemy fastapi starlette uvicorn authlib joserfc agno pydantic structlog typer"
    loaded = run("import issuer.agentos, sys; print(*sys.modules)").split()
    assert not {name.split(".")[0] for name in loaded} & set(unwanted.split())
    ours = {name for name in loaded if name.startswith("issuer.")}
    assert not [name for name in ours if not name.startswith("issuer.agentos")]


def test_httpx_and_pyjwt_are_its_only_dependencies(server: HostileServer):
    server.publish(key_set(key()))
    claims = {"iss": server.url, "aud": "my-os", "sub": "usr_alice", "exp": 4_000_000_000}
    assert run(BLOCKER + FOLLOWING, server.url, key().sign(claims)) == "usr_alice None"


def test_the_blocker_blocks():
    with pytest.raises(subprocess.CalledProcessError):
        run(BLOCKER + "import sqlalchemy")
    run(BLOCKER + "import sqlite3, jwt")
