"""The pages for newcomers: each command on them is run, in order."""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import update

from issuer.cli.running.token_cache import unverified
from issuer.database.tables import ClientRow
from issuer.usage.store import OTHERS, UsageKey, UsageStore
from issuer.usage.usage import day_of
from tests.builders import PASSWORD, Credentials
from tests.cli.driver import Cli, running
from tests.databases import INSTALLED
from tests.existing_data import use
from tests.how_tos import changing_only
from tests.inspection.fake_agentos import FakeAgentOS, serving_agentos
from tests.journeys.running_issuer import REPOSITORY, RunningIssuer
from tests.journeys.signing_in import WebPerson
from tests.mail.sending import sending_through
from tests.mail.smtp_server import smtp_server
from tests.oauth.asserting import ask
from tests.private_postgresql import PostgresqlServer
from tests.trusting import OtherIssuer
from tests.web.images import png

pytestmark = pytest.mark.slow

HOW_TO = Path(__file__).parent.parent / "docs" / "how-to"
NOWHERE = "http://127.0.0.1:1"
COMMAND = re.compile(r"^\$ issuer (.+)$", re.MULTILINE)


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[RunningIssuer]:
    """With an audience my-os that is used already."""
    with RunningIssuer(tmp_path) as issuer:
        use(issuer.deployment)
        yield issuer


@pytest.fixture
def issuer_without_audience(tmp_path: Path) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path) as issuer:
        with issuer.deployment.changing() as work:
            work.audiences.delete("my-os")
        yield issuer


def run_page(cli: Cli, page: str) -> list[str]:
    """The output of each command of the page, in order."""
    commands = COMMAND.findall((HOW_TO / page).read_text())
    return [cli.done(*shlex.split(line)) for line in commands]


def test_give_a_service_exactly_one_agent(issuer_without_audience: RunningIssuer):
    issuer, page = issuer_without_audience, "give-a-service-one-agent.md"
    cli = Cli(issuer.environment)
    said: dict[str, str] = {}
    secret = ""
    with changing_only(issuer.deployment, page):
        for line in COMMAND.findall((HOW_TO / page).read_text()):
            command = shlex.split(line)
            if command[:2] == ["client", "create"]:
                secret = cli.json(*command)["client_secret"]
            elif command[0] == "token":
                said[line] = cli.done(*command, "--client-secret-stdin", stdin=f"{secret}\n")
            else:
                said[line] = cli.done(*command)
    answers = {line.split()[3]: answer for line, answer in said.items() if "explain" in line}
    assert "allowed" in answers["/agents/web/runs"].lower()
    assert "web-runner" in answers["/agents/web/runs"]
    assert "refused" in answers["/agents/billing/runs"].lower()
    assert "agents:billing:run" in answers["/agents/billing/runs"]
    (token,) = [answer for line, answer in said.items() if line.startswith("token")]
    assert '"agents:web:run"' in token


def test_the_audit_log_is_read_and_verified_as_the_page_says(issuer: RunningIssuer):
    cli = Cli(issuer.environment)
    cli.done("client", "create", "ci-bot")
    assert issuer.token_endpoint.client_credentials(Credentials("ci-bot", "wrong")).status == 401
    with changing_only(issuer.deployment, "audit.md"):
        assert all(run_page(cli, "audit.md"))


def test_keys_are_managed_as_the_page_says(tmp_path: Path):
    """But for the drill, whose verifiers are elsewhere: tests/drilling."""
    with RunningIssuer(tmp_path, signing_algorithms="RS256,ES256") as issuer:
        cli = Cli(issuer.environment)
        use(issuer.deployment)
        with changing_only(issuer.deployment, "rotate-keys.md"):
            for line in COMMAND.findall((HOW_TO / "rotate-keys.md").read_text()):
                command = shlex.split(line)
                if command[:2] == ["key", "revoke"]:
                    keys = cli.json("key", "list")["items"]
                    active = [key for key in keys if key["state"] == "active"]
                    command[2] = next(key["kid"] for key in active if key["alg"] == "RS256")
                if command[:2] == ["key", "rotate"]:
                    assert "may not sign before" in cli(*command).sentence
                else:
                    cli.done(*command)


def test_a_manifest_is_planned_and_applied_as_the_page_says(issuer: RunningIssuer, tmp_path: Path):
    """The reader adds the entries of the page to the sections of the file."""
    page = "keep-the-configuration-in-git.md"
    (added,) = re.findall(r"```yaml\n(.*?)```", (HOW_TO / page).read_text(), re.DOTALL)
    (export, file), *lines = (
        re.sub("issuer.yaml", str(tmp_path / "issuer.yaml"), line).split(" > ")
        for line in COMMAND.findall((HOW_TO / page).read_text())
    )
    cli = Cli(issuer.environment)
    with changing_only(issuer.deployment, page):
        manifest = yaml.safe_load(cli.done(export))
        for section, entries in yaml.safe_load(added).items():
            manifest[section] += entries
        Path(file).write_text(yaml.safe_dump(manifest))
        for (line,) in lines:
            cli.done(*shlex.split(line))
    assert cli("plan", "-f", file, "--detailed-exitcode").status == 0


def test_an_agentos_is_inspected_as_the_page_says(issuer: RunningIssuer, tmp_path: Path):
    """The verifier has not reported, which is of medium severity."""
    page, cli = "inspect-an-agentos.md", Cli(issuer.environment)
    key_set = issuer.http.get("/.well-known/jwks.json").json()
    agent_os = FakeAgentOS(lambda: key_set, issuer=issuer.url)
    with changing_only(issuer.deployment, page), serving_agentos(agent_os):
        update, *inspections = COMMAND.findall((HOW_TO / page).read_text())
        cli.done(*shlex.split(update.replace("https://os.example", agent_os.url)))
        statuses = []
        for line in inspections:
            result = cli(*shlex.split(line.split(" > ")[0]))
            assert "no-verifier" in result.out, result.err
            statuses.append(result.status)
    assert statuses == [3, 0]


def test_mcp_clients_are_configured_as_the_page_says(issuer: RunningIssuer):
    """But no AgentOS answers, of which each `issuer connect` warns. The person has other roles."""
    page = "connect-an-mcp-client.md"
    issuer.deployment.user("alice", ["earlier"], name="Alice")
    cli = Cli(issuer.environment)
    with changing_only(issuer.deployment, page):
        for line in COMMAND.findall((HOW_TO / page).read_text()):
            if line.startswith("connect"):
                result = cli(*shlex.split(line.replace("https://os.example", NOWHERE)))
                assert result.status == 0, result.err
                assert "does not answer" in result.err
            else:
                cli.done(*shlex.split(line))
    claims = cli.json("preview", "my-editor", "--user", "alice")["claims"]
    assert set(claims["scopes"]) >= {"agents:run", "config:read"}
    assert cli.json("preview", "reporter")["claims"]["scopes"] == ["agents:web:run"]


def test_an_application_is_registered_as_the_page_on_trouble_says(issuer: RunningIssuer):
    for path in ("/register", "/oauth2/register"):
        answer = issuer.http.post(path, json={"redirect_uris": ["http://localhost/callback"]})
        assert answer.status_code == httpx.codes.NOT_FOUND
    with changing_only(issuer.deployment, "troubleshoot.md"):
        assert len(run_page(Cli(issuer.environment), "troubleshoot.md")) == 1


def test_the_console_opens_as_the_page_says(issuer: RunningIssuer):
    with changing_only(issuer.deployment, "use-the-console.md"):
        (said,) = run_page(Cli(issuer.environment), "use-the-console.md")
    assert f"{issuer.url}/invitation/" in said


def test_the_admin_api_is_called_as_the_page_says(issuer: RunningIssuer):
    page = "administer-over-rest.md"
    (script,) = re.findall(r"```sh\n(.*?)```", (HOW_TO / page).read_text(), re.DOTALL)
    secret = {"CLIENT_SECRET": issuer.deployment.admin.client_secret}
    with changing_only(issuer.deployment, page):
        said = run_script(script, issuer, **secret)
    assert "neighbour-runner" in {role["name"] for role in json.loads(said)["items"]}


def test_refresh_tokens_are_used_as_the_page_says(issuer: RunningIssuer):
    page = "use-refresh-tokens.md"
    issuer.deployment.user("alice", ["earlier"])
    cli = Cli(issuer.environment)
    (script,) = re.findall(r"```sh\n(.*?)```", (HOW_TO / page).read_text(), re.DOTALL)
    first, second = script.replace("password=…", f"'password={PASSWORD}'").splitlines()
    with changing_only(issuer.deployment, page):
        (line,) = COMMAND.findall((HOW_TO / page).read_text())
        secret = {"SECRET": cli.json(*shlex.split(line))["client_secret"]}
        token = json.loads(run_script(first, issuer, **secret))["refresh_token"]
        said = json.loads(run_script(second.replace("airt_…", token), issuer, **secret))
        assert said["refresh_token"] not in {token, None}


def test_a_person_signs_in_on_a_device_as_the_page_says(issuer: RunningIssuer):
    page = "sign-in-on-a-device.md"
    issuer.deployment.user("alice", ["earlier"])
    ask_for_codes, fetch = re.findall(r"```sh\n(.*?)```", (HOW_TO / page).read_text(), re.DOTALL)
    with changing_only(issuer.deployment, page):
        run_page(Cli(issuer.environment), page)
        codes = json.loads(run_script(ask_for_codes, issuer))
        fetching = fetch.replace("device_code=…", f"device_code={codes['device_code']}")
        assert json.loads(run_script(fetching, issuer))["error"] == "authorization_pending"
        WebPerson("alice").visit(codes["verification_uri_complete"], f"{issuer.url}/device?answer")
        assert json.loads(run_script(fetching, issuer))["refresh_token"]


def test_somebody_signs_in_on_the_command_line_as_the_page_says(
    issuer: RunningIssuer, tmp_path: Path
):
    page = "sign-in-on-the-command-line.md"
    issuer.deployment.user("alice", ["earlier"])
    cli = Cli({**issuer.environment, "XDG_STATE_HOME": str(tmp_path)})
    *lines, end = COMMAND.findall((HOW_TO / page).read_text())
    with changing_only(issuer.deployment, page):
        for line in lines:
            command = shlex.split(line.replace("https://id.example", issuer.url))
            if command[0] != "login":
                assert cli.done(*command)
                continue
            with running(tmp_path / "login", cli.environment, *command) as login:
                (link,) = re.findall(r"Or open (\S+)", login.output_with("compare the code"))
                WebPerson("alice").visit(link, f"{issuer.url}/device?answer")
                assert "as alice. The token for my-os" in login.ended().succeeded.out
    assert cli.done(*shlex.split(end)) == f"Signed out at {issuer.url} for my-os.\n"


def run_script(script: str, issuer: RunningIssuer, **more: str) -> str:
    """What a shell prints, with the real address."""
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin:/bin"])
    environment = {**issuer.environment, "PATH": path, "NO_PROXY": "127.0.0.1"}
    return subprocess.check_output(
        ["sh", "-euc", script.replace("http://127.0.0.1:9000", issuer.url)],
        env={**environment, **more},
        text=True,
    )


def test_a_service_authenticates_with_a_key_as_the_page_says(
    issuer: RunningIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    text = (HOW_TO / "authenticate-with-a-key.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    files = {name: str(tmp_path / name) for name in ("nightly.pem", "nightly-2.pem")}
    jwks = tmp_path / "nightly.jwks.json"
    cli = Cli(issuer.environment)
    with changing_only(issuer.deployment, "authenticate-with-a-key.md"):
        for line in COMMAND.findall(text):
            if "--jwks" in line:
                key = cli.json("client", "key", "list", "nightly")["items"]
                jwks.write_text(json.dumps({"keys": key}))
            words = [files.get(each, each) for each in shlex.split(line)]
            cli.done(*(each.replace("nightly.jwks.json", str(jwks)) for each in words))
    used = program.replace("https://id.example", issuer.url)
    used = used.replace('"nightly.pem"', repr(files["nightly.pem"]))
    found: dict[str, Any] = {}
    exec(used, found)
    assert found["token"]["token_type"] == "Bearer"
    assert found["new_token"]()["access_token"] != found["token"]["access_token"]


def test_tokens_are_bound_to_a_key_as_the_page_says(
    issuer: RunningIssuer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    page = "bind-tokens-to-a-key.md"
    text = (HOW_TO / page).read_text()
    program, _, client = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    *commands, request = COMMAND.findall(text)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    cli = Cli(issuer.environment)
    with changing_only(issuer.deployment, page):
        _, created = [cli.done(*shlex.split(line)) for line in commands]
    (secret,) = re.findall(r"ais_\w+", created)
    unbound = issuer.token_endpoint.client_credentials(Credentials("reporter", secret))
    assert unbound.error == "invalid_dpop_proof"
    found: dict[str, Any] = {"secret": secret}
    exec(program.replace("https://id.example", issuer.url), found)
    assert found["answer"].json()["token_type"] == "DPoP"

    (tmp_path / "secret").write_text(secret)
    secret_file = str(tmp_path / "secret")
    client = client.replace("/run/secrets/reporter", secret_file)
    exec(client.replace("https://id.example", issuer.url), found)
    assert "cnf" in unverified(found["tokens"].token())["claims"]

    monkeypatch.chdir(tmp_path)
    asked = shlex.split(request.removesuffix(" > headers"))
    headers = cli.with_environment(CLIENT_SECRET=secret).done(*asked)
    assert headers.startswith("Authorization: DPoP ey")
    assert (tmp_path / "key.pem").exists()


def test_another_issuer_is_trusted_as_the_page_says(issuer: RunningIssuer, tmp_path: Path):
    cluster = OtherIssuer.new()
    (tmp_path / "jwks.json").write_text(json.dumps(cluster.jwks))
    token = cluster.token(time.time(), aud=issuer.url)
    cli = Cli(issuer.environment)
    text = (HOW_TO / "trust-another-issuer.md").read_text()
    with changing_only(issuer.deployment, "trust-another-issuer.md"):
        for line in COMMAND.findall(text):
            command, redirected, _ = line.partition(" < token.jwt")
            words = shlex.split(command.replace("@jwks.json", f"@{tmp_path / 'jwks.json'}"))
            said = cli.done(*words, stdin=token if redirected else "")
    assert "Accepted as web." in said
    answer = ask(issuer.token_endpoint, token, client_id="web")
    assert answer.status == 200


def test_company_accounts_are_used_without_a_browser_as_the_page_says(issuer: RunningIssuer):
    """The company's issuer is a key here: tests/journeys reach an AgentOS with another issuer."""
    page = "use-company-accounts-without-a-browser.md"
    text = (HOW_TO / page).read_text()
    other, deployment = OtherIssuer.new("https://login.company.example"), issuer.deployment
    deployment.user("alice", ["earlier"])
    cli, secret = Cli(issuer.environment), ""
    with changing_only(deployment, page):
        for line in COMMAND.findall(text):
            words = shlex.split(line)
            if words[:2] == ["trusted-issuer", "create"]:
                words += ["--jwks", json.dumps(other.jwks)]
            said = cli.json(*words)
            secret = said.get("client_secret", secret)
    *_, ask_for_token = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    now = int(time.time())
    id_jag = other.token(
        now,
        {"typ": "oauth-id-jag+jwt"},
        sub="00u1a2b3c4",
        aud=issuer.url,
        client_id="assistant",
        resource="https://os.example/mcp",
        jti="jag-1",
        exp=now + 300,
        nbf=None,
    )
    script = ask_for_token.replace("https://id.example", issuer.url)
    answer = json.loads(run_script(script, issuer, CLIENT_SECRET=secret, ID_JAG=id_jag))
    assert set(answer["scope"].split()) >= {"agents:run", "config:read"}


def test_the_url_is_changed_and_the_database_migrated_as_the_pages_say(tmp_path: Path):
    with RunningIssuer(tmp_path) as issuer:
        environment = dict(issuer.environment)
    use(issuer.deployment)
    text = (HOW_TO / "change-the-url.md").read_text()
    (name, url) = re.findall(r"^\$ export (\w+)=(\S+)$", text, re.MULTILINE)[0]
    environment[name] = url
    with changing_only(issuer.deployment, "change-the-url.md", "upgrade.md"):
        for page in ("change-the-url.md", "upgrade.md"):
            for line in re.findall(
                r"^ *\$ issuer (.+)$", (HOW_TO / page).read_text(), re.MULTILINE
            ):
                Cli(environment).done(*shlex.split(line))
    assert Cli(environment)("role", "list").status == 0


def test_tokens_are_revoked_as_the_page_says(issuer: RunningIssuer):
    issuer.deployment.user("alice")  # without a password there could be no token
    issuer.deployment.client("ci-bot")
    with changing_only(issuer.deployment, "revoke-tokens.md"):
        run_page(Cli(issuer.environment), "revoke-tokens.md")


def test_rights_are_reviewed_as_the_page_says(issuer: RunningIssuer, tmp_path: Path):
    """31 days after the first report."""
    page, deployment, cli = "see-what-is-used.md", issuer.deployment, Cli(issuer.environment)
    deployment.client("ci-bot", scopes=["agents:run", "sessions:read"])
    with deployment.services.database.transaction() as session:
        today = day_of(deployment.services.administration.clock())
        long_ago = today - timedelta(days=60)
        session.execute(update(ClientRow).values(created_at=long_ago, updated_at=long_ago))
        counts = {OTHERS: [0, 0], UsageKey("ci-bot", "ci-bot", "agents:web:run"): [3, 0]}
        for number in range(32):
            UsageStore(session).add("my-os", today - timedelta(days=number), counts)
    said: dict[str, str] = {}
    with changing_only(deployment, page):
        for line in COMMAND.findall((HOW_TO / page).read_text()):
            command, _, output = line.replace("https://id.example", issuer.url).partition(" > ")
            words = shlex.split(command.replace("ci-bot.yaml", str(tmp_path / "ci-bot.yaml")))
            said[line] = cli.done(*words)
            if output:
                (tmp_path / output).write_text(said[line])
    assert "client ci-bot holds sessions:read at my-os" in said["review"]
    assert "- agents:web:run" in (tmp_path / "ci-bot.yaml").read_text()
    rows = list(csv.DictReader((tmp_path / "access-review.csv").read_text().splitlines()))
    verdicts = {row["scope"]: row["verdict"] for row in rows if row["id"] == "ci-bot"}
    assert verdicts == {"agents:web:run": "used"}
    scopes = cli.json("client", "show", "ci-bot")["scopes"]
    assert scopes == ["agents:web:run"]


def test_a_group_gets_rights_and_loses_them_as_the_page_says(issuer: RunningIssuer):
    issuer.deployment.role("web-runner", ["agents:web:run"])
    for name in ("alice", "carol"):
        issuer.deployment.user(name)
    with changing_only(issuer.deployment, "give-rights-to-a-group.md"):
        said = run_page(Cli(issuer.environment), "give-rights-to-a-group.md")
    sentence = (
        "alice has agents:web:run through the role web-runner, assigned at my-os,"
        " through the group Platform."
    )
    assert any(sentence in each for each in said)


def test_rights_are_given_for_a_time_as_the_page_says(issuer: RunningIssuer):
    issuer.deployment.role("web-runner", ["agents:web:run"])
    issuer.deployment.user("alice", id="alice")
    issuer.deployment.client("ci-bot")
    with changing_only(issuer.deployment, "give-rights-for-a-time.md"):
        said = run_page(Cli(issuer.environment), "give-rights-for-a-time.md")
    sentence = (
        r"alice has agents:web:run through the role web-runner, assigned at my-os, until 2\d{3}-"
    )
    assert any(re.search(sentence, each) for each in said)


def test_people_are_provisioned_as_the_page_says(issuer: RunningIssuer, tmp_path: Path):
    """With the text that Entra and Okta send; by their requests, see tests/admin/scim/."""
    page = "provision-people-by-scim.md"
    text = (HOW_TO / page).read_text().replace("https://id.example", issuer.url)
    making, trying = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    people = tmp_path / "people.csv"
    people.write_text(re.findall(r"```csv\n(.*?)```", text, re.DOTALL)[0])
    cli = Cli(issuer.environment)
    issuer.deployment.role("web-runner", ["agents:web:run"])
    issuer.deployment.group("Engineering", id="engineering")
    create, *commands = COMMAND.findall(text)
    with changing_only(issuer.deployment, page):
        secret = cli.json(*shlex.split(create))["client_secret"]
        token = run_script(making, issuer, CLIENT_SECRET=secret)
        found = json.loads(run_script(trying, issuer, CLIENT_SECRET=secret))
        assert len(found["Resources"]) == 1
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
        with httpx.Client(base_url=f"{issuer.url}/scim/v2", headers=headers) as scim:
            alice = scim.post("/Users", json={"userName": "alice"}).json()["id"]
            member = {"op": "add", "path": "members", "value": [{"value": alice}]}
            assert scim.patch("/Groups/engineering", json={"Operations": [member]}).is_success
        others = (each for each in commands if "import" not in each and "<" not in each)
        said = [cli.done(*shlex.split(each)) for each in others]
        assert "web-runner" in said[-1]
    cli.done("group", "create", "Support")
    said = [
        cli.done(*shlex.split(each.replace("people.csv", str(people))))
        for each in commands
        if "import" in each
    ]
    assert "2 users stay as they are." in said[1]
    assert "~ update user alice" in said[2]


def test_people_are_invited_as_the_page_says(issuer: RunningIssuer):
    issuer.deployment.role("reader", ["agents:read"])
    with changing_only(issuer.deployment, "invite-people.md"):
        said = run_page(Cli(issuer.environment), "invite-people.md")
    links = [each for each in said if each.startswith(f"{issuer.url}/invitation/aiv_")]
    assert len(links) == 3


def test_mail_is_sent_as_the_page_says(tmp_path: Path):
    """But for the mail server, which is one of the tests."""
    with (
        smtp_server() as receiver,
        RunningIssuer(tmp_path, **sending_through(receiver)) as issuer,
    ):
        for path in issuer.settings.data_dir.iterdir():
            path.chmod(0o600)
        with changing_only(issuer.deployment, "send-mail.md"):
            said = run_page(Cli(issuer.environment), "send-mail.md")
        subjects = [receiver.next()["Subject"] for _ in range(2)]
    assert [each.partition(" ")[0] for each in subjects] == ["Test", "Invitation"]
    assert "accepted the message to alice@example.com" in said[0]
    assert "It accepts the sender" in said[1]
    assert "sent to alice@example.com" in said[-1]


def test_the_pages_are_branded_as_the_page_says(tmp_path: Path):
    page, logo = "brand-sign-in.md", tmp_path / "logo.png"
    logo.write_bytes(png())
    exports = re.findall(r"^export ISSUER_(\w+)=(.+)$", (HOW_TO / page).read_text(), re.MULTILINE)
    settings = {name.lower(): shlex.split(value)[0] for name, value in exports}
    settings["brand_logo"] = str(logo)
    with RunningIssuer(tmp_path, **settings) as issuer:
        for path in issuer.settings.data_dir.iterdir():
            path.chmod(0o600)
        with changing_only(issuer.deployment, page):
            run_page(Cli(issuer.environment), page)
        shown = httpx.get(f"{issuer.url}/sign-in").text
        (path,) = re.findall(r'<img class="logo" src="([^"]+)"', shown)
        (style,) = re.findall(r'href="([^"]+style.css)"', shown)
        answer = httpx.get(issuer.url + path)
        assert settings["brand_accent"] in httpx.get(issuer.url + style).text
    assert answer.content == logo.read_bytes()
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert f"Anmelden – {settings['brand_name']}</title>" in shown  # in ISSUER_LANGUAGE
    assert "mailto:help@example.com" in shown


def test_people_sign_in_with_other_accounts_as_the_page_says(issuer: RunningIssuer, tmp_path: Path):
    """Providers are only asked when somebody signs in."""
    issuer.deployment.role("engineer", ["agents:run"])
    cli = Cli(issuer.environment)
    text = (HOW_TO / "sign-in-with-other-accounts.md").read_text()
    with changing_only(issuer.deployment, "sign-in-with-other-accounts.md"):
        for line in COMMAND.findall(text):
            words = shlex.split(line)
            for name in (each for each in words if each.startswith("@")):
                (tmp_path / name[1:]).write_text("secret")
            cli.done(*(w.replace("@", f"@{tmp_path}/", 1) if w[0] == "@" else w for w in words))
        shown = json.loads(cli.done("trusted-issuer", "show", "okta", "--json"))
    assert shown["sign_in"]["only"] is True


def test_commands_run_in_a_pod_as_the_page_says(issuer_without_audience: RunningIssuer):
    issuer = issuer_without_audience
    text = (HOW_TO / "kubernetes.md").read_text()
    commands = re.findall(r"exec deploy/issuer -- issuer ([^|\n]+)", text)
    assert len(commands) == 5
    commands.remove("doctor")  # it finds files in the data directory, which a pod does not have
    with changing_only(issuer.deployment, "kubernetes.md"):
        said = [Cli(issuer.environment).done(*shlex.split(line)) for line in commands]
    assert json.loads(said[-1])["kind"] == "Secret"


def test_a_sqlite_is_backed_up_and_restored_as_the_page_says(tmp_path: Path):
    backed_up_and_restored(tmp_path, None, "rm -f")


def test_a_postgresql_is_backed_up_and_restored_as_the_page_says(
    empty_postgresql: PostgresqlServer, tmp_path: Path
):
    backed_up_and_restored(tmp_path, empty_postgresql.url, "psql")


def backed_up_and_restored(folder: Path, database_url: str | None, to_empty: str) -> None:
    """With the commands as printed, but for the folders `/backup` and `/safe`."""
    folders = {name: folder / name for name in ("backup", "safe")}
    for each in folders.values():
        each.mkdir()
    with RunningIssuer(folder, database_url, signing_algorithms="ES256") as issuer:
        cli = Cli(issuer.environment)
        client = issuer.deployment.client("ci-bot")
        use(issuer.deployment)
        with changing_only(issuer.deployment, "backup.md"):
            for beginning in ('install -m 600 "$ISSUER', "curl", "mkdir -m 700 /backup/drill"):
                run_as_printed(block_of_backup(beginning), issuer.environment, folders)
        cli.done("client", "delete", "ci-bot")
        issuer.deployment.services.database.dispose()
        issuer.kill()
        (Path(issuer.environment["ISSUER_DATA_DIR"]) / "master.key").unlink()
        for beginning in (to_empty, "install -m 600 /safe", "issuer doctor"):
            run_as_printed(block_of_backup(beginning), issuer.environment, folders)
        issuer.restart()
        assert issuer.token_endpoint.client_credentials(client).status == 200


def block_of_backup(beginning: str) -> str:
    """The commands of the page whose first command begins so."""
    text = (HOW_TO / "backup.md").read_text()
    blocks = re.findall(r"^( *)```console\n(.*?)^\1```", text, re.DOTALL | re.MULTILINE)
    (block,) = (
        found for _, lines in blocks if (found := dedent(lines)).startswith(f"$ {beginning}")
    )
    return block


def run_as_printed(block: str, environment: dict[str, str], folders: dict[str, Path]) -> None:
    commands = re.sub(r"^\$ ", "", block, flags=re.MULTILINE)
    for name, folder in folders.items():
        commands = commands.replace(f"/{name}/", f"{folder}/")
    path = os.pathsep.join(
        [str(Path(sys.executable).parent), str(INSTALLED / "bin"), "/usr/bin:/bin"]
    )
    subprocess.run(
        ["sh", "-euc", commands],
        check=True,
        env={**environment, "PATH": path, "PYTHONPATH": str(REPOSITORY)},
    )
