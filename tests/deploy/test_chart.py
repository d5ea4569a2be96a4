"""The Helm chart renders objects that Kubernetes accepts, with no more rights than needed.

`rendered.yaml` is what Helm makes of the chart. It is validated everywhere, and compared where
Helm is installed: `make .venv-tools/bin/helm` builds it with Go.
"""

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import kubernetes_validate
import pytest
import yaml

from issuer import __version__
from issuer.settings import SECRETS, Settings
from tests.deploy.cluster import answering
from tests.deploy.composed import OURS, output, running
from tests.journeys.running_issuer import (
    REPOSITORY,
    process_environment,
    reserved_port,
    wait_until,
)
from tests.private_postgresql import PostgresqlServer
from tests.rows import rows

CHART = REPOSITORY / "deploy" / "helm" / "agentos-issuer"
PAGE = (REPOSITORY / "docs" / "how-to" / "kubernetes.md").read_text()
RENDERED = Path(__file__).parent / "rendered.yaml"
KUBERNETES = "1.34"
REQUIRED = {"url": "https://id.example", "database": {"secret": {"name": "issuer-database"}}}
EXISTING = {**REQUIRED, "secret": {"existing": "issuer-keys"}}
REDIS = {"name": "redis", "key": "url"}
EVERYTHING = {
    **EXISTING,
    "url": "https://id.example/auth",
    "settings": {"ISSUER_LOG_LEVEL": "debug", "ISSUER_PASSWORD_GRANT": False},
    "secretSettings": {"ISSUER_RATE_LIMIT_REDIS_URL": REDIS},
    "extraEnv": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://otel:4318"}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "siem-ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/siem", "readOnly": True}],
    "workers": 2,
    "image": {"digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "priorityClassName": "high",
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "identity"},
    "serviceAccount": {"annotations": {"a": "b"}},
    "service": {"annotations": {"a": "b"}},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "tlsSecret": "tls",
        "annotations": {"a": "b"},
    },
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}], "annotations": {"a": "b"}},
    "networkPolicy": {"ingressFrom": [{"namespaceSelector": {}}]},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "dashboard": {"enabled": True},
}
KEYS = ("master-key", "admin-secret", "metrics-token")
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "issuer"}}
FOUND = re.DOTALL | re.MULTILINE
Objects = list[dict[str, Any]]


def test_the_version_stands_everywhere():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_what_is_rendered_by_default_is_valid_and_restricted():
    objects = list(yaml.safe_load_all(RENDERED.read_text()))
    assert kinds(objects) == {
        "Deployment",
        "Job",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    }
    require_valid(objects)
    require_restricted(objects)


def test_nobody_may_connect_by_default():
    objects = list(yaml.safe_load_all(RENDERED.read_text()))
    assert one(objects, "NetworkPolicy")["spec"]["ingress"] == []


def test_the_readme_lists_every_value_with_its_default():
    defaults = flattened(yaml.safe_load((CHART / "values.yaml").read_text()))
    defaults["networkPolicy.egress"] = "DNS, 5432, 443"
    listed = re.findall(r"^\| `(\S+)` \| (.+?) \|", (CHART / "README.md").read_text(), re.MULTILINE)
    assert {name: shown.strip("`") for name, shown in listed} == defaults


def test_the_schema_knows_every_value():
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert schema["properties"].keys() - {"global"} == values.keys()


@rows("name", SECRETS)
def test_the_schema_refuses_a_secret_outside_of_a_secret(name: str):
    schema = json.loads((CHART / "values.schema.json").read_text())
    settings = jsonschema.Draft7Validator(schema["properties"]["settings"])
    assert settings.is_valid({"ISSUER_LOG_LEVEL": "debug"})
    for setting in (f"ISSUER_{name}", f"ISSUER_{name}_FILE"):
        assert not settings.is_valid({setting: "s3cr3t"})


@pytest.mark.slow
def test_the_job_and_a_pod_run_as_processes(empty_postgresql: PostgresqlServer, tmp_path: Path):
    """With the arguments, the environment and the probes of the chart."""
    objects = list(yaml.safe_load_all(RENDERED.read_text()))
    secrets = {
        "master-key": base64.b64encode(bytes(32)).decode(),
        "admin-secret": "s" * 48,
        "metrics-token": "m" * 48,
        "database-url": empty_postgresql.url,
    }
    for name, value in secrets.items():
        # Where Kubernetes mounts them, nobody can change them. Here they are files as others are.
        (tmp_path / name).write_text(value)
        (tmp_path / name).chmod(0o600)
    init, server = container(objects, "Job"), container(objects, "Deployment")
    output([*OURS, *init["args"]], environment_of(init, tmp_path), tmp_path)
    with reserved_port() as port:
        serve = [*OURS, *server["args"], "--port", str(port)]
        with running(serve, environment_of(server, tmp_path), tmp_path) as log:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                url = f"http://127.0.0.1:{port}{server[probe]['httpGet']['path']}"
                wait_until(lambda url=url: is_ok(url), 120, f"{probe}: {log}")
            answer = httpx.post(
                f"http://127.0.0.1:{port}/oauth2/token",
                data={"grant_type": "client_credentials"},
                auth=("issuer-admin", secrets["admin-secret"]),
            )
            assert answer.json()["token_type"] == "Bearer"


def container(objects: Objects, kind: str) -> dict[str, Any]:
    (found,) = one(objects, kind)["spec"]["template"]["spec"]["containers"]
    return found


def environment_of(container: dict[str, Any], secrets: Path) -> dict[str, str]:
    """The environment of a container, with the files of its secrets in one folder."""
    inside = {each["name"]: each["value"] for each in container["env"]}
    mounted = {
        name: str(secrets / Path(value).name) if value.startswith("/run/secrets/") else value
        for name, value in inside.items()
    }
    # As in the image, with a folder that cannot be created.
    data = {"ISSUER_DATA_DIR": "/proc/nowhere", "PYTHONPATH": str(REPOSITORY)}
    return {**process_environment(), **data, **mounted}


def is_ok(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


class TestHelm:
    """What Helm itself does with the chart."""

    pytestmark = pytest.mark.slow

    def test_the_rendered_file_is_what_helm_renders(self, helm: Callable[..., str]):
        assert RENDERED.read_text() == rendered(helm, EXISTING)

    def test_the_chart_has_no_lint(self, helm: Callable[..., str], tmp_path: Path):
        file = tmp_path / "values.json"
        file.write_text(json.dumps(EVERYTHING))
        helm("lint", "--strict", str(CHART), "--values", str(file))

    def test_everything_that_can_be_enabled_is_valid_and_restricted(self, helm: Callable[..., str]):
        objects = list(yaml.safe_load_all(rendered(helm, EVERYTHING)))
        require_valid(objects)
        require_restricted(objects)
        deployment = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
        assert deployment["readinessProbe"]["httpGet"]["path"] == "/auth/readyz"
        assert {"name": "ca", "mountPath": "/etc/siem", "readOnly": True} in deployment[
            "volumeMounts"
        ]
        assert "OTEL_EXPORTER_OTLP_ENDPOINT" in {each["name"] for each in deployment["env"]}
        (admitted,) = one(objects, "NetworkPolicy")["spec"]["ingress"]
        assert admitted["from"] == EVERYTHING["networkPolicy"]["ingressFrom"]
        assert one(objects, "HTTPRoute")["spec"]["hostnames"] == ["id.example"]
        (rule,) = one(objects, "Ingress")["spec"]["rules"]
        assert (rule["host"], rule["http"]["paths"][0]["path"]) == ("id.example", "/auth")
        assert one(objects, "ServiceMonitor")["spec"]["endpoints"][0]["path"] == "/auth/metrics"

    def test_alerts_and_dashboard_are_those_of_the_other_folders(self, helm: Callable[..., str]):
        objects = list(yaml.safe_load_all(rendered(helm, EVERYTHING)))
        alerts = (REPOSITORY / "deploy" / "prometheus" / "alerts.yaml").read_text()
        assert one(objects, "PrometheusRule")["spec"] == yaml.safe_load(alerts)
        dashboard = REPOSITORY / "deploy" / "grafana" / "agentos-issuer.json"
        assert one(objects, "ConfigMap")["data"][dashboard.name] == dashboard.read_text()

    def test_a_package_contains_alerts_and_dashboard(
        self, helm: Callable[..., str], tmp_path: Path
    ):
        helm("package", str(CHART), "--destination", str(tmp_path))
        (package,) = tmp_path.glob("*.tgz")
        objects = list(yaml.safe_load_all(rendered(helm, EVERYTHING, package)))
        assert {"ConfigMap", "PrometheusRule"} <= kinds(objects)

    def test_the_pods_have_settings_that_the_issuer_accepts(
        self, helm: Callable[..., str], tmp_path: Path
    ):
        values = {**EVERYTHING, "settings": {"ISSUER_LOG_LEVEL": "debug"}, "extraEnv": []}
        objects = list(yaml.safe_load_all(rendered(helm, values)))
        secret = tmp_path / "secret"
        for kind in ("Job", "Deployment"):
            environment = {}
            for each in one(objects, kind)["spec"]["template"]["spec"]["containers"][0]["env"]:
                name, value = each["name"], each["value"]
                environment[name] = str(secret) if name.endswith("_FILE") else value
            assert {each.removeprefix("ISSUER_").removesuffix("_FILE") for each in environment} <= {
                *SECRETS,
                *(name.upper() for name in Settings.model_fields),
            }

    def test_the_commands_of_the_page_render(self, helm: Callable[..., str]):
        commands = re.findall(r"helm upgrade --install (.*?)\n *(?:```|\n)", PAGE, re.DOTALL)
        for command in commands:
            words = shlex.split(command.replace("\\\n", " ").replace("--wait", ""))
            words[1] = str(REPOSITORY / words[1])
            text = helm("template", *words, "--set", "secret.existing=issuer-keys")
            assert "image: registry.example/agentos-issuer:" in text
        assert len(commands) == 2

    def test_the_values_of_the_page_render(self, helm: Callable[..., str]):
        for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
            require_valid(
                list(yaml.safe_load_all(rendered(helm, {**EXISTING, **yaml.safe_load(block)})))
            )

    def test_without_a_cluster_no_secret_is_generated(self, helm: Callable[..., str]):
        """It would be another one each time."""
        with pytest.raises(AssertionError, match=r"set secret\.existing to its name"):
            rendered(helm, REQUIRED)

    def test_keys_are_generated_once(self, helm: Callable[..., str]):
        """Other ones would make the database unreadable."""
        with answering(None) as url:
            first, second = generated(helm, url), generated(helm, url)
        assert "before-hook-creation" not in first["metadata"]["annotations"].values()
        assert set(first["stringData"].values()).isdisjoint(second["stringData"].values())
        assert len(base64.b64decode(first["stringData"]["master-key"], validate=True)) == 32
        settings = {
            f"ISSUER_{name.replace('-', '_').upper()}": value
            for name, value in first["stringData"].items()
        }
        Settings.from_environment(settings)
        kept = dict.fromkeys(KEYS, "eA==")
        with answering({**SECRET, "data": kept}) as url:
            assert "Secret" not in kinds(looked_up(helm, url))

    def test_a_secret_of_another_kind_is_not_taken_for_the_keys(self, helm: Callable[..., str]):
        with (
            answering({**SECRET, "data": {"uri": "eA=="}}) as url,
            pytest.raises(AssertionError, match="issuer exists and has no key master-key"),
        ):
            looked_up(helm, url)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"url": "http://id.example"},
            {"url": "https://id.example/"},
            {"database": {"secret": {"name": ""}}},
            {"settings": {"ISSUER_MASTER_KEY": "x"}},
            {"settings": {"LOG_LEVEL": "debug"}},
            {"replicas": 0},
            {"replica": 2},
        ],
        ids=str,
    )
    def test_wrong_values_are_refused(self, helm: Callable[..., str], wrong: dict[str, Any]):
        with pytest.raises(AssertionError, match="specification"):
            rendered(helm, {**EXISTING, **wrong})


@pytest.fixture(scope="session")
def helm() -> Callable[..., str]:
    """Runs Helm; `AssertionError` with its output if it fails."""
    program = shutil.which("helm", path=f"{REPOSITORY / '.venv-tools/bin'}:{os.environ['PATH']}")
    if program is None:
        pytest.skip("Needs Helm: `make .venv-tools/bin/helm` builds it with Go.")

    def run(*arguments: str) -> str:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def rendered(helm: Callable[..., str], values: dict[str, Any], chart: Path = CHART) -> str:
    assignments = [f"--set-json={name}={json.dumps(value)}" for name, value in values.items()]
    return helm("template", "issuer", str(chart), "--namespace=identity", *assignments)


def looked_up(helm: Callable[..., str], url: str) -> Objects:
    """The objects and hooks of an installation that asks the API server at `url`."""
    server = ["--kube-apiserver", url, "--dry-run=server", "--disable-openapi-validation"]
    values = [f"--set-json={name}={json.dumps(value)}" for name, value in REQUIRED.items()]
    said = helm("install", "issuer", str(CHART), "--namespace=identity", *server, *values)
    return [
        yaml.safe_load(each) for each in re.findall(r"^apiVersion:.*?(?=^---|^[A-Z])", said, FOUND)
    ]


def generated(helm: Callable[..., str], url: str) -> dict[str, Any]:
    return one(looked_up(helm, url), "Secret")


def require_valid(objects: Objects) -> None:
    """All but objects of operators, whose schemas Kubernetes does not bring."""
    for each in objects:
        if not re.search(r"(coreos\.com|gateway\.networking\.k8s\.io)/", each["apiVersion"]):
            kubernetes_validate.validate(each, KUBERNETES, strict=True)


def require_restricted(objects: Objects) -> None:
    """The Pod Security Standard `restricted`, a read-only root file system, and no tokens."""
    for kind in ("Deployment", "Job"):
        pod = one(objects, kind)["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert all(
            volume.keys() <= {"name", "configMap", "emptyDir", "projected", "secret"}
            for volume in pod["volumes"]
        )
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def one(objects: Objects, kind: str) -> dict[str, Any]:
    (found,) = [each for each in objects if each["kind"] == kind]
    return found


def kinds(objects: Objects) -> set[str]:
    return {each["kind"] for each in objects}


def flattened(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """`a.b`, and its default as the table shows it. Labels and resources are one value."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict) and value and name not in {"labels", "resources"}:
            flat.update(flattened(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = shown(value)
    return flat


def shown(value: object) -> str:
    if isinstance(value, str):
        return value or "–"
    return json.dumps(value, sort_keys=True)
