"""`issuer doctor`."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyotp import TOTP
from sqlalchemy import update

from issuer.audit import Actor
from issuer.database.tables import AssignmentRow, ClientSecretRow
from issuer.keys.sealing import new_master_key
from issuer.status import checks
from tests.audit.push.receivers import HttpReceiver, serving
from tests.builders import PASSWORD, FakeClock, settings_for
from tests.cli.driver import Cli
from tests.inspection.inspected import inspected_in


def test_a_new_deployment_has_no_problem(cli: Cli):
    findings = verdicts(cli)
    assert findings.pop("password grant") == findings.pop("id tokens") == "note"
    assert set(findings) == {
        *("settings", "data directory", "database", "master key", "clock", "ES256 keys"),
        *("key policy", "administrator"),
    }
    assert set(findings.values()) == {"ok"}
    assert "Decrypts the stored keys." in cli.done("doctor")


def test_an_agentos_that_answers_everybody_is_a_problem(cli: Cli):
    cli.done("audience", "create", "my-os")
    with cli.composition() as composition:
        inspected_in(composition, exposed=["no-verification"])
    result = cli("doctor", "--json")
    assert result.status == 1
    (finding,) = [each for each in result.items if each["check"] == "my-os"]
    assert finding["verdict"] == "problem"
    assert "verifies no tokens" in finding["message"]
    assert "issuer audience inspect my-os" in finding["message"]


def test_doctor_creates_nothing(new_cli: Cli, tmp_path: Path):
    assert verdicts(new_cli, problems=1)["start"] == "problem"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "check", "verdict"),
    [
        ({"ISSUER_PASSWORD_GRANT": "perhaps"}, "start", "problem"),
        ({"ISSUER_MASTER_KEY": new_master_key(bytes)}, "start", "problem"),
        ({"ISSUER_SIGNING_ALGORITHMS": "ES256,RS256"}, "RS256 keys", "problem"),
        ({"ISSUER_KEY_SIGN_FOR": "24h"}, "key policy", "warning"),
        ({"ISSUER_URL": "https://other.example"}, "start", "problem"),
        ({"JWT_VERIFICATION_KEY": "a key"}, "JWT_VERIFICATION_KEY", "warning"),
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_wrong_settings_are_findings(cli: Cli, settings: dict[str, str], check: str, verdict: str):
    problems = int(verdict == "problem")
    assert verdicts(cli.with_environment(**settings), problems)[check] == verdict


def test_a_url_without_tls_is_a_warning(tmp_path: Path):
    (finding, *_) = checks.of_settings(settings_for(tmp_path, url="http://127.0.0.1:9000"))
    assert (finding.subject, finding.verdict) == ("url", "warning")


@pytest.mark.parametrize("algorithms", ["RS256", "ES256,RS256"])
def test_an_issuer_with_rs256_satisfies_openid_connect_discovery(tmp_path: Path, algorithms: str):
    findings = checks.of_settings(settings_for(tmp_path, signing_algorithms=algorithms))
    assert "id tokens" not in {each.subject for each in findings}


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_clients_that_come_by_themselves_are_noted(cli: Cli):
    cli = cli.with_environment(ISSUER_CLIENT_REGISTRATION="open", ISSUER_CLIENT_METADATA_HOSTS="*")
    findings = verdicts(cli)
    assert findings["client registration"] == findings["client metadata hosts"] == "note"
    assert "Open to everybody. 0 of at most 10,000 clients" in cli.done("doctor", "--json")


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_what_others_can_read_is_a_problem(cli: Cli, data_dir: Path):
    (data_dir / "notes.txt").touch(0o644)
    result = cli("doctor")
    assert (result.status, result.err) == (1, "Found 1 problem.\n")
    assert f"notes.txt: chmod -R go= {data_dir}" in result.out


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_an_admin_client_without_its_rights_is_a_warning(cli: Cli):
    url = cli.environment["ISSUER_URL"]
    cli.done("client", "create", "second", "--scope", "issuer:admin", "--audience", url)
    cli.done("client", "delete", "issuer-admin")
    assert verdicts(cli)["administrator"] == "warning"
    cli.done("admin", "recover")
    assert verdicts(cli)["administrator"] == "ok"


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_administrators_whose_secrets_all_expire_are_a_warning(cli: Cli):
    """As after a change in the database itself: the interfaces refuse it."""
    with cli.composition() as composition, composition.database.transaction() as session:
        tomorrow = composition.clock() + timedelta(days=1)
        session.execute(update(ClientSecretRow).values(expires_at=tomorrow))
    assert verdicts(cli)["administrator"] == "warning"
    cli.done("client", "secret", "create", "issuer-admin")
    assert verdicts(cli)["administrator"] == "ok"


def test_administrators_with_a_password_alone_are_noted(cli: Cli):
    cli.done("role", "create", "admin", "--scope", "issuer:admin")
    cli.done("user", "create", "alice", "--id", "alice")
    cli.done("user", "password", "alice", "--password-stdin", stdin=PASSWORD)
    cli.done("user", "create", "bob")
    assert "second factor" not in verdicts(cli)
    for name in ("alice", "bob"):
        cli.done("user", "role", "assign", name, "admin", "--everywhere")
    assert verdicts(cli)["second factor"] == "note"
    assert "issuer:admin and a password alone: 1." in cli.done("doctor", "--json")
    required = cli.with_environment(ISSUER_SECOND_FACTOR="required")
    assert "second factor" not in verdicts(required)
    with cli.composition() as composition:
        clock = composition.clock
        with composition.administration.changing(Actor()) as work:
            setup = work.factors.begin_totp("alice")
            work.factors.confirm_totp("alice", setup.sealed, TOTP(setup.secret).at(clock()))
    assert "second factor" not in verdicts(cli)


def test_what_ends_within_a_week_is_a_warning(cli: Cli):
    """Not a role that was given just now, which nobody has forgotten."""
    cli.done("role", "create", "runner", "--scope", "agents:run")
    cli.done("user", "create", "alice", "--id", "alice")
    cli.done("user", "role", "assign", "alice", "runner", "--everywhere", "--for", "5d")
    ends = json.dumps(
        {"agents:read": f"{datetime.now(UTC) + timedelta(days=5):%Y-%m-%dT%H:%M:%SZ}"}
    )
    own = ["--scope", "agents:read", "--scopes-expire-at", ends]
    cli.done("client", "create", "ci", *own, "--auth-method", "private_key_jwt")
    cli.done("client", "create", "later", "--scope", "agents:read")
    cli.done("client", "secret", "create", "later", "--expires-at", "6d")
    found = verdicts(cli)
    assert (found["client ci"], found["client later"]) == ("warning", "warning")
    assert "user alice" not in found
    with cli.composition() as composition, composition.database.transaction() as session:
        session.execute(update(AssignmentRow).values(given_at=None))
    assert verdicts(cli)["user alice"] == "warning"
    assert "The role runner everywhere ends at 20" in cli.done("doctor", "--json")


def test_a_clock_that_is_wrong_is_a_warning(cli: Cli):
    with cli.composition(FakeClock()) as composition:
        assert checks.of_clocks(composition.database, composition.clock).verdict == "warning"


def test_a_key_without_a_successor_is_a_warning_with_its_end(cli: Cli):
    with cli.composition() as composition:
        with composition.administration.changing(Actor()) as work:
            next_key = next(
                key for key in work.keys.all() if key.activates_at > composition.clock()
            )
            work.keys.revoke(next_key.kid)
        end = next_key.activates_at
        keys = composition.keys
        parts = (keys.keyring, keys.policy, composition.settings, composition.clock())
        (finding,) = checks.of_keys(*parts)
    assert finding.verdict == "warning"
    assert f"signs until {end:%Y-%m-%d}, and there is no next key" in finding.text


def verdicts(cli: Cli, problems: int = 0) -> dict[str, str]:
    result = cli("doctor", "--json")
    assert result.status == min(problems, 1)
    assert result.err == ('{"error": "Found 1 problem."}\n' if problems else "")
    return {each["check"]: each["verdict"] for each in result.items}


def test_findings_fit_on_any_terminal(cli: Cli):
    """The message takes several lines where one is too short, and no word is cut."""
    cli = cli.with_environment(JWT_VERIFICATION_KEY="a key")
    for columns in (80, 200):
        lines = cli.on_terminal(columns, "doctor")
        assert max(map(len, lines)) <= columns
        assert lines[1].split() == ["check", "verdict", "message"]
        assert any(line.split()[:2] == ["administrator", "ok"] for line in lines)
        assert "accepts tokens signed by that key" in " ".join(" ".join(lines).split())


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_the_destination_of_audit_events_is_checked(cli: Cli):
    with serving(HttpReceiver()) as receiver:
        cli = cli.with_environment(ISSUER_AUDIT_PUSH_URL=receiver.url)
        said = cli.done("doctor")
        assert "is reachable. It answers a request without events with 204." in said
        assert receiver.lines == []
        receiver.answers.append(401)
        result = cli("doctor")
    assert result.status == 1
    assert "does not accept events: it answered 401" in result.out
    assert "s3cr3t" not in result.out + said, "the path of its URL may be a secret"


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_an_issuer_of_people_is_asked_for_its_keys(cli: Cli):
    """One that cannot be reached is a warning: existing sessions and local sign-in go on."""
    nowhere = ["--issuer", "https://login.company.invalid", "--sign-in-client-id", "ours"]
    cli.done("trusted-issuer", "create", "company", *nowhere)
    cli.done("trusted-issuer", "create", "github", "--github", "acme", *nowhere[2:])
    result = cli("doctor", "--json")
    findings = {each["check"]: each["verdict"] for each in result.items}
    assert result.status == 0
    assert (findings["people of company"], findings["people of github"]) == ("warning", "ok")
    assert "sign-in" not in findings
    (message,) = [e["message"] for e in result.items if e["check"] == "people of company"]
    assert message.startswith("Its keys cannot be fetched: ")
    assert not message.endswith("..")
    cli.done("trusted-issuer", "update", "company", "--disabled")
    assert verdicts(cli)["people of company"] == "note"


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_single_way_to_sign_in_needs_an_administrator_with_another(cli: Cli):
    cli.done(
        *("trusted-issuer", "create", "github", "--github", "acme"),
        *("--sign-in-client-id", "ours", "--sign-in-only"),
    )
    assert verdicts(cli)["sign-in"] == "warning"
    cli.done("role", "create", "administrator", "--scope", "issuer:admin")
    cli.done("user", "create", "ada")
    cli.done("user", "role", "assign", "ada", "administrator", "--everywhere")
    assert verdicts(cli)["sign-in"] == "warning"
    cli.done("user", "password", "ada", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert "sign-in" not in verdicts(cli)
