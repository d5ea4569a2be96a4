"""The pages about pods, GitHub workflows and SPIFFE workloads, from the first command to the call.

Issuer and AgentOS are real. Stand-ins are what is outside: `kubectl`, `gh`, SPIRE, and the server
of GitHub that gives tokens to jobs.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
import pytest
import yaml
from spiffe._proto import workload_pb2, workload_pb2_grpc

from tests.agentos.adapter.adapted import AppSettings, running_apps
from tests.agentos.releases import AGNO_3_1
from tests.cli.driver import Cli
from tests.clients.platform_claims import GITHUB_CLAIMS
from tests.clients.test_spiffe import bundle
from tests.existing_data import use
from tests.how_tos import changing_only
from tests.journeys.running_issuer import REPOSITORY, RunningIssuer, process_environment
from tests.trusted_issuers.test_trusted_issuers import CA
from tests.trusting import CLUSTER, GITHUB, OtherIssuer

HOW_TO = REPOSITORY / "docs" / "how-to"
TOKEN_FILE = "/var/run/secrets/tokens/issuer"
SVID = "spiffe://prod.example/ns/prod/sa/web"
JOB = "Bearer of-this-job"

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class PageReader:
    """Someone who follows a page, in a folder, with an issuer and an AgentOS."""

    issuer: RunningIssuer
    agent_os: str
    folder: Path
    page: str

    @property
    def cli(self) -> Cli:
        return Cli(self.issuer.environment)

    def stand_in(self, program: str, answers: Mapping[str, str]) -> None:
        """A program that knows these arguments and no others."""
        cases = []
        for number, (arguments, answer) in enumerate(answers.items()):
            (self.folder / f"{program}-{number}").write_text(answer)
            cases.append(f"{shlex.quote(arguments)}) cat {self.folder}/{program}-{number};;")
        script = self.folder / "bin" / program
        script.parent.mkdir(exist_ok=True)
        lines = [
            "#!/bin/sh",
            'case "$*" in',
            *cases,
            '*) echo "unknown: $*" >&2; exit 64;;',
            "esac",
        ]
        script.write_text("\n".join(lines))
        script.chmod(0o755)

    def blocks(
        self, language: str, after: str | None = None, before: str | None = None
    ) -> list[str]:
        """The blocks of a language between two headings, with the real addresses."""
        part = self.page.partition(after)[2] if after else self.page
        part = part.partition(before)[0] if before else part
        found = re.findall(rf"^```{language}\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
        return [self.real(each) for each in found]

    def real(self, text: str) -> str:
        text = text.replace("https://id.example", self.issuer.url)
        text = text.replace("https://os.example", self.agent_os)
        return text.replace(TOKEN_FILE, str(self.folder / "token.jwt"))

    def follow(self, after: str | None = None, before: str | None = None) -> None:
        """Type each command; it prints what the page says, if that says anything."""
        for block in self.blocks("console", after, before):
            for command, expected in re.findall(
                r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE
            ):
                said = self.run(command)
                assert expected in said, command

    def run(self, script: str, program: str = "sh", **more: str) -> str:
        """The output of the script; it must succeed."""
        path = [self.folder / "bin", Path(sys.executable).parent, "/usr/local/bin:/usr/bin:/bin"]
        environment = {**process_environment(), **self.issuer.environment, "NO_PROXY": "127.0.0.1"}
        environment |= {"PATH": os.pathsep.join(map(str, path)), "PYTHONPATH": str(REPOSITORY)}
        done = subprocess.run(
            [*shlex.split(program), "-c", script],
            cwd=self.folder,
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningIssuer, str]]:
    folder = tmp_path_factory.mktemp("deployed")
    with RunningIssuer(folder) as issuer:
        use(issuer.deployment)
        settings = {"managed": AppSettings("managed", issuer)}
        with running_apps(AGNO_3_1, folder, settings) as apps:
            yield issuer, apps["managed"].url


def reader_of(deployed: tuple[RunningIssuer, str], folder: Path, page: str) -> PageReader:
    return PageReader(*deployed, folder, (HOW_TO / page).read_text())


def assertions(reader: PageReader) -> list[Any]:
    """What the audit log says about the assertions of the last tokens, newest first."""
    exported = reader.cli.done("audit", "export", "--action", "token.issued", "--since", "1h")
    return [json.loads(line)["details"].get("assertion") for line in exported.splitlines()]


def requests_of(reader: PageReader) -> Iterator[str]:
    """With a client id, and without one after the command that the page has for it."""
    request, without_id = reader.blocks("sh")
    yield request
    (update,) = re.findall(r"`(issuer client update .*)`", reader.page)
    reader.run(update)
    fetched, _, _ = request.partition("curl")
    yield fetched + without_id


def test_a_pod_is_authenticated(deployed: tuple[RunningIssuer, str], tmp_path: Path):
    reader = reader_of(deployed, tmp_path, "authenticate-a-pod.md")
    with changing_only(reader.issuer.deployment, "authenticate-a-pod.md"):
        cluster = OtherIssuer.new()
        token = cluster.token(time.time(), aud=[reader.issuer.url], jti="7c1d")
        keys = "get configmap kube-root-ca.crt --namespace prod --output jsonpath={.data.ca\\.crt}"
        role = (
            "--clusterrole=system:service-account-issuer-discovery --group=system:unauthenticated"
        )
        answers = {
            "get --raw /.well-known/openid-configuration": json.dumps({"issuer": CLUSTER}),
            "get --raw /openid/v1/jwks": json.dumps(cluster.jwks),
            f"create token web --namespace prod --audience {reader.issuer.url}": token,
            f"create clusterrolebinding service-account-keys {role}": "",
            keys: CA,
        }
        reader.stand_in("kubectl", answers)
        following = "## Follow the keys"
        reader.follow(before=following)
        (pod,) = reader.blocks("yaml")
        (source,) = yaml.safe_load(pod)["spec"]["volumes"][0]["projected"]["sources"]
        assert source["serviceAccountToken"]["audience"] == reader.issuer.url
        (mount,) = yaml.safe_load(pod)["spec"]["containers"][0]["volumeMounts"]
        assert f"{mount['mountPath']}/{source['serviceAccountToken']['path']}" == TOKEN_FILE
        (program,) = reader.blocks("python")
        assert reader.run(program, sys.executable) == "pong\n"
        for request in requests_of(reader):
            assert json.loads(reader.run(request))["scope"] == "agents:web:run"
        expected = {"issuer": "cluster", "subject": "system:serviceaccount:prod:web", "jti": "7c1d"}
        assert assertions(reader)[:3] == [expected] * 3
        reader.follow(after=following)
    reader.cli.done("client", "delete", "web")


def test_a_github_workflow_is_authenticated(deployed: tuple[RunningIssuer, str], tmp_path: Path):
    reader = reader_of(deployed, tmp_path, "authenticate-a-github-workflow.md")
    with changing_only(reader.issuer.deployment, "authenticate-a-github-workflow.md"):
        github = OtherIssuer.new(GITHUB)
        (tmp_path / "jwks.json").write_text(json.dumps(github.jwks))
        reader.stand_in("gh", {"api repos/octo-org/octo-repo --jq .owner.id, .id": "65\n74\n"})
        in_workflow = "## 4. Get a token in the workflow"
        reader.follow(before=in_workflow)
        reader.cli.done("trusted-issuer", "update", "github", "--jwks", f"@{tmp_path}/jwks.json")
        (text,) = reader.blocks("yaml")
        workflow = yaml.safe_load(text)
        assert workflow["permissions"] == {"id-token": "write"}
        job = workflow["jobs"]["run"]
        assert job["environment"] == GITHUB_CLAIMS["environment"]
        with giving_tokens(github) as url:
            said = run_steps(reader, job["steps"], url)
        assert json.loads(said[-1])["content"] == "pong"
        assert assertions(reader)[0]["subject"] == GITHUB_CLAIMS["sub"]
        token = signed_by_github(github, reader.issuer.url)
        (tmp_path / "token.jwt").write_text(token)
        reader.follow(after=in_workflow)


def signed_by_github(github: OtherIssuer, audience: str) -> str:
    return github.token(time.time(), **{**GITHUB_CLAIMS, "aud": audience})


def run_steps(reader: PageReader, steps: list[dict[str, str]], url: str) -> list[str]:
    """As a runner does: each step in a shell of its own, with what `GITHUB_ENV` holds."""
    variables = reader.folder / "github-env"
    variables.touch()
    said = []
    for step in steps:
        given = dict(line.split("=", 1) for line in variables.read_text().splitlines())
        job = {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "GITHUB_ENV": str(variables)}
        job["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = JOB.removeprefix("Bearer ")
        said.append(reader.run(step["run"], "bash -e", **job, **given))
    assert said[0].startswith("::add-mask::")
    return said


@contextmanager
def giving_tokens(github: OtherIssuer) -> Iterator[str]:
    """The URL at which a job asks for a token for an audience."""

    class TokensOfJobs(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            assert self.headers["Authorization"] == JOB
            assert asked["api-version"] == ["2.0"]
            (audience,) = asked["audience"]
            body = json.dumps({"count": 1, "value": signed_by_github(github, audience)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), TokensOfJobs)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/token?api-version=2.0"
    server.shutdown()
    server.server_close()


def test_a_spiffe_workload_is_authenticated(deployed: tuple[RunningIssuer, str], tmp_path: Path):
    reader = reader_of(deployed, tmp_path, "authenticate-a-spiffe-workload.md")
    with changing_only(reader.issuer.deployment, "authenticate-a-spiffe-workload.md"):
        spire = OtherIssuer.new("spiffe://prod.example", "ES256")
        audience = reader.issuer.url
        svid = spire.token(time.time(), iss=None, sub=SVID, aud=[audience])
        (tmp_path / "svid.jwt").write_text(svid)
        x509 = {**spire.jwk, "use": "x509-svid", "x5c": ["MIIB"]}
        keys = {"keys": [x509, *bundle(spire)["keys"]], "spiffe_sequence": 1}
        reader.stand_in("spire-server", {"bundle show -format spiffe": json.dumps(keys)})
        fetched = json.dumps([{"svids": [{"spiffe_id": SVID, "svid": svid}]}, {"bundles": {}}])
        reader.stand_in(
            "spire-agent", {f"api fetch jwt -audience {audience} -output json": fetched}
        )
        following = "## Follow the keys"
        reader.follow(before=following)
        (program,) = reader.blocks("python")
        with workload_api(tmp_path, spire) as socket:
            said = reader.run(program, sys.executable, SPIFFE_ENDPOINT_SOCKET=socket)
        assert said == "pong\n"
        for request in requests_of(reader):
            assert json.loads(reader.run(request))["scope"] == "agents:web:run"
        assert assertions(reader)[:3] == [{"issuer": "mesh", "subject": SVID}] * 3
        reader.follow(after=following)
    reader.cli.done("client", "delete", "web")


@contextmanager
def workload_api(folder: Path, spire: OtherIssuer) -> Iterator[str]:
    """SPIRE's agent, as far as it signs JWT-SVIDs."""

    class Agent(workload_pb2_grpc.SpiffeWorkloadAPIServicer):
        def FetchJWTSVID(self, request: Any, context: Any) -> Any:
            claims = {"iss": None, "sub": SVID, "aud": list(request.audience)}
            svid = spire.token(time.time(), **claims)
            found = workload_pb2.JWTSVID(spiffe_id=SVID, svid=svid)
            return workload_pb2.JWTSVIDResponse(svids=[found])

    server = grpc.server(ThreadPoolExecutor(2))
    workload_pb2_grpc.add_SpiffeWorkloadAPIServicer_to_server(Agent(), server)
    socket = f"unix://{folder}/agent.sock"
    server.add_insecure_port(socket)
    server.start()
    yield socket
    server.stop(None)
