"""From nothing to a token with `deploy/compose.yaml`, as docs/how-to/compose.md says."""

import json
import re
import shlex
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from tests.deploy.composed import COMPOSE, DEPLOY, OURS, Composed, running
from tests.journeys.proxies.servers import SEARCHED
from tests.journeys.running_issuer import (
    REPOSITORY,
    reserved_port,
    wait_until,
)
from tests.private_postgresql import PostgresqlServer

PAGE = REPOSITORY / "docs" / "how-to" / "compose.md"
CADDY = shutil.which("caddy", path=SEARCHED)
PG_ISREADY = shutil.which("pg_isready")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_every_container_is_restricted():
    """No rights, no writable root file system, bounded resources, and no password in the file."""
    for name, service in Composed(DEPLOY, {}, {}).file["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "caddy" else []), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert service["restart"] == ("no" if name == "init" else "unless-stopped"), name


def test_the_issuer_trusts_its_proxy_and_no_other_container():
    composed = Composed(DEPLOY, {}, {})
    services, edge = composed.file["services"], composed.file["networks"]["edge"]
    (config,) = edge["ipam"]["config"]
    proxy = services["caddy"]["networks"]["edge"]["ipv4_address"]
    assert composed.environment("issuer")["ISSUER_TRUSTED_PROXIES"] == proxy
    assert ip_address(proxy) in ip_network(config["subnet"])
    assert ip_address(proxy) not in ip_network(config["ip_range"])
    assert ip_network(config["ip_range"]).subnet_of(ip_network(config["subnet"]))
    fixed = [name for name, each in services.items() if isinstance(each["networks"], dict)]
    assert fixed == ["caddy"]


def test_the_digests_of_pulled_images_are_written_where_compose_reads_them(tmp_path: Path):
    """With a `docker` that knows digests, as the page says."""
    (pin,) = [block for block in BLOCKS if "RepoDigests" in block]
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\n[ "$1" = image ] && echo "pinned-$5@sha256:0"\nexit 0\n')
    docker.chmod(0o755)
    shutil.copyfile(COMPOSE, tmp_path / "compose.yaml")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run(["sh", "-euc", pin], cwd=tmp_path, env=environment, check=True)
    lines = (tmp_path / ".env").read_text().splitlines()
    composed = Composed(DEPLOY, dict(line.split("=", 1) for line in lines), {})
    for name in ("postgres", "caddy", "prometheus", "grafana"):
        assert re.fullmatch(r"pinned-\S+:\S+@sha256:0", composed.service(name)["image"]), name


def test_what_is_mounted_exists():
    """But for secrets, which a script makes."""
    composed = Composed(DEPLOY, {}, {})
    for service in composed.file["services"].values():
        for volume in service.get("volumes", []):
            source, *_ = volume.split(":")
            assert not source.startswith(".") or (DEPLOY / source).exists(), source


def test_prometheus_finds_the_token_where_its_configuration_says():
    configuration = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    (path,) = re.findall(r"credentials_file: (\S+)", configuration)
    seen = Composed(DEPLOY, {}, {}).secret_files("prometheus")
    assert seen[path].name == "metrics_token"


def test_the_page_lists_every_variable():
    listed = set(re.findall(r"`([A-Z_]+)`", PAGE.read_text())) - {"ISSUER_URL"}
    assert set(re.findall(r"\$\{(\w+)", COMPOSE.read_text())) == listed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder `deploy` after the secrets were made."""
    deploy = tmp_path / "deploy"
    deploy.mkdir()
    shutil.copy(DEPLOY / "make_secrets.sh", deploy)
    make_secrets(deploy)
    return deploy


def make_secrets(deploy: Path) -> None:
    Composed(deploy, {}, {}).output([str(deploy / "make_secrets.sh")])


def test_every_secret_is_made_once_and_each_is_different(folder: Path):
    secrets = folder / "secrets"
    made = {each.name: each.read_text() for each in secrets.iterdir()}
    assert made.keys() == Composed(DEPLOY, {}, {}).file["secrets"].keys()
    assert len(set(made.values())) == len(made) == 6
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    (secrets / "metrics_token").unlink()
    make_secrets(folder)
    again = {each.name: each.read_text() for each in secrets.iterdir()}
    assert again.keys() == made.keys()
    assert {name for name in made if again[name] != made[name]} == {"metrics_token"}


@pytest.mark.slow
@pytest.mark.skipif(CADDY is None, reason="needs Caddy")
def test_a_token_from_nothing(empty_postgresql: PostgresqlServer, folder: Path):
    with reserved_port() as port, reserved_port() as tls, reserved_port() as http:
        composed = composed_at(folder, empty_postgresql, port, tls)
        with services(composed, empty_postgresql, port, http) as base:
            assert base == f"https://localhost:{tls}"
            token = answers(composed, tls)
            assert token["token_type"] == "Bearer"
            outside = ["curl", "--silent", "--cacert", "caddy-root.crt", f"{base}/metrics"]
            assert composed.output([*outside, "--write-out", "%{http_code}"]) == "404"
            composed.issuer("init")
            events = composed.issuer("issuer", command=["audit", "list", "--json"])
            assert '"127.0.0.1"' in events


def composed_at(folder: Path, postgresql: PostgresqlServer, port: int, tls: int) -> Composed:
    # In a container it is on a read-only mount, where it may be readable by others.
    (folder / "secrets" / "master_key").chmod(0o400)
    inside = folder / "secrets" / "database_url"
    inside.chmod(0o600)
    url = inside.read_text().replace("@postgres/", f"@127.0.0.1:{postgresql.port}/")
    inside.write_text(url)
    replaced = {"issuer:9000": f"127.0.0.1:{port}", "172.30.90.2": "127.0.0.1"}
    return Composed(folder, {"DOMAIN": f"localhost:{tls}"}, replaced)


@contextmanager
def services(
    composed: Composed, postgresql: PostgresqlServer, port: int, http: int
) -> Iterator[str]:
    """The services in the order of `depends_on`; gives the URL."""
    (password,) = composed.secret_files("postgres").values()
    postgresql.execute(f"ALTER ROLE issuer PASSWORD '{password.read_text().strip()}'")
    if PG_ISREADY is not None:
        assert composed.is_healthy("postgres", f"--port={postgresql.port}")
    said = composed.issuer("init")
    (admin_secret,) = [
        path for path in composed.secret_files("init").values() if path.name == "admin_secret"
    ]
    assert admin_secret.read_text().strip() not in said
    serve = [*OURS, *composed.service("issuer")["command"], "--port", str(port)]
    environment = composed.environment("issuer")
    with running(serve, environment, composed.folder) as log:
        composed.wait_until_healthy("issuer", log, "--url", f"http://127.0.0.1:{port}")
        with caddy(composed, http):
            yield environment["ISSUER_URL"]


@contextmanager
def caddy(composed: Composed, http: int) -> Iterator[None]:
    """Caddy with the file that the container mounts."""
    (mounted,) = [
        volume.split(":")[0]
        for volume in composed.service("caddy")["volumes"]
        if ":/etc/caddy/Caddyfile:" in volume
    ]
    text = composed.here((DEPLOY / mounted).read_text())
    file = composed.folder / "Caddyfile"
    file.write_text(text.replace("admin off", f"admin off\n\thttp_port {http}", 1))
    data = {"XDG_DATA_HOME": str(composed.folder), "HOME": str(composed.folder)}
    environment = {**composed.environment("caddy"), **data}
    command = [str(CADDY), "run", "--config", str(file), "--adapter", "caddyfile"]
    with running(command, environment, composed.folder) as log:
        root = composed.folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        wait_until(root.exists, 60, f"Caddy has a certificate: {log}")
        yield


def answers(composed: Composed, tls: int) -> dict[str, str]:
    """Run the commands of the page that follow the start; the answer with the token."""
    commands = "".join(BLOCKS[1:3]).replace("\\\n", "").splitlines()
    token = {}
    for line in commands:
        words = shlex.split(line)
        if words[:3] == ["docker", "compose", "cp"]:
            source = composed.folder / words[3].removeprefix("caddy:/data/")
            shutil.copyfile(source, composed.folder / words[4])
        elif words[0] == "curl":
            command = line.replace("https://localhost/", f"https://localhost:{tls}/")
            retried = command.replace("curl ", "curl --silent --retry 9 --retry-all-errors ", 1)
            token = json.loads(composed.output(["sh", "-euc", retried]))
        else:
            assert words[:5] == ["docker", "compose", "exec", "issuer", "issuer"]
            composed.issuer("issuer", command=words[5:])
    return token
