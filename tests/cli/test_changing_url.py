"""A database belongs to one `ISSUER_URL`, and can be moved to another."""

from datetime import timedelta
from pathlib import Path

import pytest

from issuer.provisioning.setup import change_url
from tests.builders import OPERATOR, URL, Deployment, FakeClock, settings_for
from tests.captured_logs import capture_logs
from tests.cli.driver import Cli
from tests.drivers import TokenDriver

NEW = "https://new.example"
ERRORS = " ".join((Path(__file__).parents[2] / "docs/reference/errors.md").read_text().split())


@pytest.mark.parametrize("command", ["init", "serve", "role list", "role create reader", "doctor"])
def test_another_url_is_refused_with_both_and_the_way_to_change_it(cli: Cli, command: str):
    printed = cli.with_environment(ISSUER_URL=NEW)(*command.split())
    assert printed.status == 1
    sentence = (
        f"ISSUER_URL is {NEW}, but this database belongs to {URL}, and all its tokens would be"
        f" refused: set ISSUER_URL={URL}, or move the database with `ISSUER_URL={NEW} issuer admin"
        " change-url`."
    )
    assert sentence in " ".join((printed.out + printed.err).split())
    assert sentence.replace("`", "") in ERRORS.replace("`", "")
    cli.done("role", "list")


def test_changing_the_url_moves_the_issuers_audience_and_its_administrators(cli: Cli):
    cli.done("role", "create", "deployer", "--scope", "issuer:roles:write")
    cli.done("client", "create", "ci", "--audience", URL)
    cli.done("client", "role", "assign", "ci", "deployer", "--audience", URL)
    moved = cli.with_environment(ISSUER_URL=NEW)
    assert moved.json("admin", "change-url") == {"before": URL, "after": NEW}
    assert "belongs to https://id.example, whose" not in moved.done("role", "list")
    assert moved.json("client", "show", "ci")["audiences"] == [NEW]
    assert moved.json("client", "role", "list", "ci")["items"] == [
        {"role": "deployer", "audience": NEW, "expires_at": None, "via": None}
    ]
    assert [each["id"] for each in moved.json("audience", "list")["items"]] == [NEW]
    findings = {each["check"]: each["verdict"] for each in moved("doctor", "--json").items}
    assert findings["administrator"] == "ok"
    (event,) = moved.json("audit", "list", "--action", "issuer.url_changed")["items"]
    assert (event["target"], event["details"]) == (NEW, {"before": URL})
    assert moved.json("audit", "verify")
    assert f"belongs to {NEW}" in cli("role", "list").sentence


def test_a_server_that_runs_meanwhile_refuses_until_the_url_is_its_own_again(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    """Its tokens would have the old `iss`."""
    services, client = deployment.services, deployment.client()
    token = token_endpoint.client_credentials(deployment.admin).token
    here = services.settings

    def statuses() -> list[int]:
        services.tokens.changes.poll()  # as it does every 250 ms
        clock.move(timedelta(seconds=1))  # the result of a probe is that old at most
        get, bearer = deployment.http.get, {"Authorization": f"Bearer {token}"}
        return [
            token_endpoint.client_credentials(client).status,
            token_endpoint.revoke(client, "x").status_code,
            get("/admin/v1/roles", headers=bearer).status_code,
            get("/.well-known/revocations").status_code,
            get("/readyz").status_code,
        ]

    assert statuses() == [200] * 5
    with capture_logs() as events:
        change_url(settings_for(here.data_dir, here.effective_database_url, url=NEW), OPERATOR)
        assert statuses() == [503] * 5
    (cause,) = [each["cause"] for each in events if each["event"] == "configuration_outdated"]
    assert cause == (
        f"The database was moved to {NEW} while this server ran with ISSUER_URL={URL}: restart it"
        f" with ISSUER_URL={NEW}."
    )
    assert cause in ERRORS
    change_url(here, OPERATOR)
    assert statuses() == [200] * 5


def test_changing_the_url_to_what_it_is_changes_nothing(cli: Cli):
    assert "nothing was changed" in cli.done("admin", "change-url")


@pytest.mark.parametrize("url", ["https://id.example/", "https://id.example/auth/"])
def test_a_trailing_slash_is_refused(new_cli: Cli, url: str):
    printed = new_cli.with_environment(ISSUER_URL=url)("init").sentence
    assert printed == "ISSUER_URL must not end with a slash."


@pytest.mark.parametrize("command", ["init", "serve", "role list", "doctor"])
def test_a_lost_master_key_is_not_replaced_by_a_new_one(cli: Cli, data_dir: Path, command: str):
    (data_dir / "master.key").unlink()
    result = cli(*command.split())
    printed = " ".join((result.out + result.err).split()).replace(str(data_dir), "/data")
    sentence = (
        "The master key /data/master.key is missing, and keys in this database are encrypted with"
        " it: restore the file from your backup."
    )
    assert sentence in printed
    assert sentence in ERRORS
    assert not (data_dir / "master.key").exists()


def test_without_a_deployment_the_error_names_init(new_cli: Cli, tmp_path: Path):
    assert "run `issuer init`" in new_cli("role", "list").sentence
    assert list(tmp_path.iterdir()) == []
