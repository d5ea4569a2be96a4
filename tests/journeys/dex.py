"""A dex of a company, whose people are those that a proxy before it names.

`make .venv-tools/bin/dex` builds it with Go: `go/go.mod` in this folder pins it, with hashes.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from tests.journeys.running_issuer import (
    REPOSITORY,
    RunningIssuer,
    end_with_the_tests,
    polls,
    process_environment,
    reserved_port,
)
from tests.web.browsing import Browser

PROGRAM = REPOSITORY / ".venv-tools" / "bin" / "dex"
COMPANY = "company"
_SECONDS_TO_START = 60
_MAX_REDIRECTS = 10


@dataclass(frozen=True)
class CompanyDex:
    """It trusts what the headers of its proxy say of the person."""

    issuer: str
    client_secret: str = field(default="secret-of-the-issuer-at-dex", repr=False)

    def sign_in(
        self,
        issuer: RunningIssuer,
        groups: Sequence[str] = (),
        name: str = "Grace",
        email: str = "grace@company.example",
    ) -> Browser:
        """A browser that has signed in with dex, as one person."""
        browser = Browser(issuer.http, issuer.url)
        page = browser.submit(browser.get("/sign-in"), "/sign-in/with", issuer=COMPANY)
        headers = {
            "X-Remote-User-Id": "7",
            "X-Remote-User": name,
            "X-Remote-User-Name": "grace",
            "X-Remote-User-Email": email,
            "X-Remote-Group": ",".join(groups),
        }
        location = page.location
        with httpx.Client(headers=headers, trust_env=False) as proxy:
            for _ in range(_MAX_REDIRECTS):
                if location.startswith(f"{issuer.url}/"):
                    break
                answer = proxy.get(location)
                assert answer.is_redirect, answer.text
                location = urljoin(location, answer.headers["Location"])
        back = browser.get(location.removeprefix(issuer.url))
        assert back.status == httpx.codes.SEE_OTHER, [back.text, issuer.log[-2_000:]]
        assert back.location == "/account"
        return browser


@contextmanager
def running_dex(folder: Path, issuer_url: str, alg: str = "RS256") -> Iterator[CompanyDex]:
    """With its data in memory; skips where it was not built, unless `REQUIRE_PROXIES` is set."""
    if not PROGRAM.exists():
        sentence = "There is no dex: make .venv-tools/bin/dex"
        assert "REQUIRE_PROXIES" not in os.environ, sentence
        pytest.skip(sentence)
    with reserved_port() as port:
        dex = CompanyDex(f"http://127.0.0.1:{port}/dex")
        file = folder / "dex.json"
        file.write_text(json.dumps(_configuration(dex, port, issuer_url, alg)))
        log = folder / "dex.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [PROGRAM, "serve", file],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=process_environment(),
                preexec_fn=end_with_the_tests,  # noqa: PLW1509 - one system call, no lock
            )
        try:
            _wait(dex, process, log)
            yield dex
        finally:
            process.kill()
            process.wait()


def _wait(dex: CompanyDex, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in polls(_SECONDS_TO_START):
        if process.poll() is not None:
            break
        with suppress(httpx.TransportError):
            if httpx.get(f"{dex.issuer}/healthz", trust_env=False).status_code == httpx.codes.OK:
                return
    raise AssertionError(f"dex did not start:\n{log.read_text(errors='replace')[-5_000:]}")


def _configuration(dex: CompanyDex, port: int, issuer_url: str, alg: str) -> dict[str, object]:
    client = {
        "id": "agentos-issuer",
        "name": "Issuer",
        "secret": dex.client_secret,
        "redirectURIs": [f"{issuer_url}/sign-in/callback/{COMPANY}"],
    }
    signer = {"type": "local", "config": {"algorithm": alg, "keysRotationPeriod": "6h"}}
    return {
        "issuer": dex.issuer,
        "storage": {"type": "memory"},
        "web": {"http": f"127.0.0.1:{port}"},
        "signer": signer,
        "oauth2": {"skipApprovalScreen": True},
        "staticClients": [client],
        "connectors": [{"type": "authproxy", "id": "proxy", "name": "Proxy"}],
    }
