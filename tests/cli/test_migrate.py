"""`issuer migrate`."""

from issuer.database.deployment import REVISION
from tests.cli.driver import Cli


def test_an_empty_database_gets_the_newest_schema(
    new_cli: Cli, database_url: str, data_dir: object
):
    cli = new_cli.with_environment(ISSUER_DATABASE_URL=database_url)
    assert cli.json("migrate") == {"from": None, "to": REVISION, "indexes": []}
    assert cli.json("migrate") == {"from": REVISION, "to": REVISION, "indexes": []}
    assert cli.done("migrate") == f"The schema is {REVISION}: nothing to upgrade.\n"
    assert cli.json("init")["client_secret"]


def test_other_commands_need_init_first(new_cli: Cli, database_url: str):
    cli = new_cli.with_environment(ISSUER_DATABASE_URL=database_url)
    assert "run `issuer init`" in cli("role", "list").sentence
    assert "run `issuer init`" in cli("serve").sentence
    assert "run `issuer init`" in cli("admin", "recover").sentence
