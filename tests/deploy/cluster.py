"""What a Kubernetes API server answers when Helm asks what exists: enough to render, and no more.

It creates nothing. `helm install --dry-run=server` renders with it as with a cluster.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

KINDS = {
    "v1": {"secrets": "Secret", "services": "Service", "serviceaccounts": "ServiceAccount"},
    "apps/v1": {"deployments": "Deployment"},
    "batch/v1": {"jobs": "Job"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy"},
}
NAMESPACE = {"name": "namespaces", "kind": "Namespace", "namespaced": False, "verbs": ["get"]}
KUBE_SYSTEM = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}
NOT_FOUND = {"apiVersion": "v1", "kind": "Status", "reason": "NotFound", "code": 404}


@contextmanager
def answering(secret: dict[str, Any] | None) -> Iterator[str]:
    """The URL of a server whose namespace `identity` has this Secret, or nothing."""
    answers = {**discovery(), "/api/v1/namespaces/kube-system": KUBE_SYSTEM}
    answers["/api/v1/namespaces/identity/secrets"] = {"apiVersion": "v1", "kind": "SecretList"}
    if secret is not None:
        answers[f"/api/v1/namespaces/identity/secrets/{secret['metadata']['name']}"] = secret

    class KubernetesApi(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path.split("?")[0])
            body = json.dumps(NOT_FOUND if found is None else found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), KubernetesApi) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def discovery() -> dict[str, dict[str, Any]]:
    groups = []
    answers: dict[str, dict[str, Any]] = {
        "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"apiVersion": "v1", "kind": "APIGroupList", "groups": groups},
    }
    for version, kinds in KINDS.items():
        resources = [
            {"name": name, "kind": kind, "namespaced": True, "verbs": ["get", "list", "create"]}
            for name, kind in kinds.items()
        ]
        path = "/api/v1" if version == "v1" else f"/apis/{version}"
        listed = {"apiVersion": "v1", "kind": "APIResourceList", "groupVersion": version}
        answers[path] = {**listed, "resources": [NAMESPACE, *resources]}
        if version != "v1":
            offered = {"groupVersion": version, "version": "v1"}
            name = version.removesuffix("/v1")
            groups.append({"name": name, "versions": [offered], "preferredVersion": offered})
    return answers
