"""`issuer init` and `issuer admin recover`."""

import stat
from pathlib import Path

import pytest
from sqlalchemy import update

from issuer.database import Database, only_one
from issuer.database.deployment import REVISION
from issuer.database.tables import SchemaCompatibilityRow
from issuer.errors import InvalidCredentials
from issuer.keys.sealing import new_master_key
from issuer.settings import Settings
from tests.builders import PASSWORD, URL
from tests.cli.driver import Cli, Program
from tests.journeys.running_issuer import RunningIssuer
from tests.rows import rows

MALFORMED = [
    ({"ISSUER_URL": "http://id.example"}, "ISSUER_URL must be https:// on anything"),
    ({"ISSUER_URL": "id.example"}, "ISSUER_URL must be an https:// URL"),
    ({"ISSUER_URL": "https://id.example:99999"}, "ISSUER_URL has a port"),
    (
        {"ISSUER_UR": "https://id.example"},
        "ISSUER_UR is not a setting of the issuer. Did you mean ISSUER_URL?",
    ),
    ({"ISSUER_KEY_SIGN": "x"}, "ISSUER_KEY_SIGN is not a setting of the issuer. Did you mean"),
    (
        {"ISSUER_SERVICE_HOST": "10.96.0.7"},
        "ISSUER_SERVICE_HOST is not a setting of the issuer. Kubernetes sets it for a Service of"
        " that name: set `enableServiceLinks: false` in the pod.",
    ),
    ({"ISSUER_PORT": "tcp://10.96.0.7:9000"}, "ISSUER_PORT is not a setting of the issuer. Kube"),
    ({"ISSUER_PORT_9000_TCP_ADDR": "10.96.0.7"}, "ISSUER_PORT_9000_TCP_ADDR is not a setting"),
    ({"ISSUER_ADMIN_SECRET": "too short"}, "ISSUER_ADMIN_SECRET: must have 32 to 256 characters"),
    ({"ISSUER_DATABASE_POOL": "1"}, "ISSUER_DATABASE_POOL: Input should be"),
    ({"ISSUER_COLOUR": "red"}, "ISSUER_COLOUR is not a setting of the issuer."),
    ({"ISSUER_DATABASE_URL": "nonsense"}, "ISSUER_DATABASE_URL must begin"),
    ({"ISSUER_DATABASE_URL": "mysql://u:pa55word@host/db"}, "ISSUER_DATABASE_URL must begin"),
    ({"ISSUER_DATABASE_URL": "sqlite://"}, "ISSUER_DATABASE_URL must name a file"),
    ({"ISSUER_MASTER_KEY": "c2hvcnQ"}, "ISSUER_MASTER_KEY must be 32 bytes"),
    ({"ISSUER_MASTER_KEY_FILE": "/nowhere"}, "ISSUER_MASTER_KEY_FILE cannot be read"),
    ({"ISSUER_KEY_SIGN_FOR": "soon"}, "ISSUER_KEY_SIGN_FOR: must be a number with a unit"),
    ({"ISSUER_KEY_SIGN_FOR": "999999999w"}, "ISSUER_KEY_SIGN_FOR: must be at most 3650d"),
    ({"ISSUER_KEY_ANNOUNCE_FOR": "60s"}, "ISSUER_KEY_ANNOUNCE_FOR must be at least"),
    ({"ISSUER_SIGNING_ALGORITHMS": "HS256"}, "ISSUER_SIGNING_ALGORITHMS: Input should be"),
    ({"ISSUER_ACCESS_TOKEN_TTL": "1s"}, "ISSUER_ACCESS_TOKEN_TTL: must be 60 to 86400"),
    ({"ISSUER_PASSWORD_GRANT": "perhaps"}, "ISSUER_PASSWORD_GRANT: must be true or false."),
    ({"ISSUER_LOG_LEVEL": "loud"}, "ISSUER_LOG_LEVEL: Input should be"),
]


def test_init_creates_a_deployment_and_shows_the_secret_once(new_cli: Cli, data_dir: Path):
    made = new_cli.json("init")
    secret = made["client_secret"]
    assert made == {
        "issuer": URL,
        "data_dir": str(data_dir),
        "client_id": "issuer-admin",
        "client_secret": secret,
    }
    with new_cli.composition() as composition:
        assert composition.tokens.client_authentication.from_database(
            "issuer-admin", secret, composition.clock(), is_last=True
        )
    assert new_cli.json("init") == {**made, "client_secret": None}


def test_init_changes_nothing_that_is_there(new_cli: Cli, data_dir: Path):
    first = new_cli.done("init")
    master_key, rows = (data_dir / "master.key").read_text(), contents(new_cli)
    second = new_cli.done("init")
    assert (data_dir / "master.key").read_text() == master_key
    assert contents(new_cli) == rows
    assert "client_secret: ais_" in first
    assert "ais_" not in second
    assert "`issuer admin recover`" in second
    assert "`issuer admin invite`" in second


def test_init_fills_an_empty_database(new_cli: Cli, database_url: str):
    cli = new_cli.with_environment(ISSUER_DATABASE_URL=database_url)
    assert cli.json("init")["client_secret"]
    assert [key["state"] for key in cli.json("key", "list")["items"]] == ["announced", "active"]


def test_what_init_creates_is_private(environment: dict[str, str], data_dir: Path):
    """Whatever the umask."""
    assert Program(data_dir.parent, environment, ["init"]).ended().status == 0
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data_dir.iterdir()}
    assert set(files) >= {"master.key", "issuer.db"}
    assert set(files.values()) == {0o600}


@rows(("settings", "sentence"), MALFORMED)
def test_malformed_settings_are_one_sentence_and_nothing_is_created(
    new_cli: Cli, tmp_path: Path, settings: dict[str, str], sentence: str
):
    printed = new_cli.with_environment(**settings)("init").sentence
    assert printed.startswith(sentence)
    assert "pa55word" not in printed
    assert list(tmp_path.iterdir()) == []


def test_with_an_unreachable_database_nothing_is_created(new_cli: Cli, tmp_path: Path):
    away = "postgresql+psycopg://issuer:pa55word@127.0.0.1:1/issuer"
    printed = new_cli.with_environment(ISSUER_DATABASE_URL=away)("init").sentence
    assert printed.startswith(
        "Cannot open the database (postgresql://issuer:***@127.0.0.1:1/issuer)"
    )
    assert "pa55word" not in printed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a b", "a?b", "a#b", "a%20b", "ä"])
def test_a_data_directory_may_have_any_name(new_cli: Cli, tmp_path: Path, name: str):
    new_cli.with_environment(ISSUER_DATA_DIR=str(tmp_path / name)).done("init")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "issuer.db").exists()


def test_a_file_that_is_no_database_is_not_changed(new_cli: Cli, tmp_path: Path):
    file = tmp_path / "notes.txt"
    file.write_text("Not a database.\n" * 100)
    cli = new_cli.with_environment(ISSUER_DATABASE_URL=f"sqlite:///{file}")
    assert "file is not a database" in cli("init").sentence
    assert file.read_text() == "Not a database.\n" * 100


@pytest.mark.parametrize("command", ["init", "role list", "role create reader", "serve"])
def test_a_wrong_master_key_is_refused_and_changes_nothing(cli: Cli, command: str):
    rows = contents(cli)
    wrong = cli.with_environment(ISSUER_MASTER_KEY=new_master_key(bytes))
    assert "master key is not the one" in wrong(*command.split()).sentence
    assert contents(cli) == rows


@pytest.mark.parametrize("command", ["init", "migrate", "serve", "user list"])
def test_a_schema_that_older_programs_do_not_work_with_is_refused(cli: Cli, command: str):
    become_newer(cli, oldest_revision="9998")
    sentence = cli(*command.split()).sentence
    assert f"(9999) is newer than this issuer, which knows {REVISION}; it needs" in sentence


@pytest.mark.parametrize("command", ["init", "migrate", "user list", "doctor"])
def test_a_newer_schema_that_only_adds_is_accepted(cli: Cli, command: str):
    become_newer(cli, oldest_revision=REVISION)
    assert cli(*command.split()).status == 0


def become_newer(cli: Cli, oldest_revision: str) -> None:
    with cli.composition() as composition, composition.database.transaction() as session:
        connection = session.connection()
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        session.execute(update(SchemaCompatibilityRow).values(oldest_revision=oldest_revision))


def test_no_migration_runs_beside_init(cli: Cli):
    with cli.composition() as composition, only_one(composition.database, "init"):
        assert cli("migrate").sentence == "Another `issuer migrate` is running on this database."


def test_of_many_at_once_one_creates_the_deployment_and_the_others_wait(
    environment: dict[str, str], data_dir: Path, tmp_path: Path
):
    programs = [
        Program(tmp_path / str(number), environment, ["init", "--json"]) for number in range(3)
    ]
    results = [program.ended() for program in programs]
    secrets = [result.json["client_secret"] for result in results]
    assert len([secret for secret in secrets if secret]) == 1
    assert len(Cli(environment).json("key", "list")["items"]) == 2


def test_the_secret_of_the_admin_client_may_be_given(new_cli: Cli, tmp_path: Path):
    secret = "a-secret-of-thirty-two-characters-or-more"
    (file := tmp_path / "secret").write_text(f"{secret}\n")
    file.chmod(0o600)
    cli = new_cli.with_environment(ISSUER_ADMIN_SECRET_FILE=str(file))
    assert secret not in cli.done("init")
    assert cli.json("init")["client_secret"] is None
    with cli.composition() as composition:
        assert composition.tokens.client_authentication.from_database(
            "issuer-admin", secret, composition.clock(), is_last=True
        )


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_init_needs_no_data_directory_if_nothing_is_kept_in_it(
    new_cli: Cli, database_url: str, data_dir: Path
):
    key = new_cli.done("key", "generate-master").strip()
    cli = new_cli.with_environment(ISSUER_DATABASE_URL=database_url, ISSUER_MASTER_KEY=key)
    assert cli.json("init")["data_dir"] is None
    assert cli.json("key", "list")["items"]
    assert not data_dir.exists()


def test_a_master_key_is_generated_and_may_be_written_in_any_base64(new_cli: Cli):
    key = new_cli.json("key", "generate-master")["master_key"]
    assert new_cli.done("key", "generate-master").strip() != key
    new_cli.with_environment(ISSUER_MASTER_KEY=key).done("init")
    standard = key.replace("-", "+").replace("_", "/")
    for written in (key, f"{key}=", standard, f"{standard}="):
        assert new_cli.with_environment(ISSUER_MASTER_KEY=written).json("key", "list")["items"]


def test_recovering_deletes_the_old_secrets(cli: Cli):
    first, second = (cli.json("admin", "recover")["client_secret"] for _ in range(2))
    with cli.composition() as composition:
        authenticate = composition.tokens.client_authentication.from_database
        assert authenticate("issuer-admin", second, composition.clock(), is_last=True)
        with pytest.raises(InvalidCredentials):
            authenticate("issuer-admin", first, composition.clock(), is_last=True)


@pytest.mark.parametrize("loss", ["delete issuer-admin", "update issuer-admin --disabled"])
def test_recovering_helps_after_every_loss(cli: Cli, loss: str):
    url = cli.environment["ISSUER_URL"]
    cli.done("client", "create", "second", "--scope", "issuer:admin", "--audience", url)
    cli.done("client", *loss.split())
    secret = cli.json("admin", "recover")["client_secret"]
    with cli.composition() as composition:
        record = composition.tokens.client_authentication.from_database(
            "issuer-admin", secret, composition.clock(), is_last=True
        ).record
    assert (record.disabled, record.rights.direct) == (False, {"issuer:admin"})


def test_an_administrator_is_invited_until_there_is_a_password(cli: Cli):
    link = cli.done("admin", "invite").strip()
    assert link.startswith(f"{URL}/invitation/aiv_")
    invited = cli.json("admin", "invite")
    assert invited["invitation"]["url"] != link
    assert invited["username"] == "admin"
    assert cli.json("user", "role", "list", "admin")["items"] == [
        {"role": "administrator", "audience": URL, "expires_at": None, "via": None}
    ]
    cli.done("user", "password", "admin", "--password-stdin", stdin=PASSWORD)
    assert cli.done("admin", "invite") == f"admin signs in at {URL}/console.\n"
    assert cli.json("admin", "invite")["invitation"] is None


def test_a_user_who_exists_becomes_an_administrator(cli: Cli):
    user_id = cli.json("user", "create", "alice")["id"]
    assert cli.json("admin", "invite", "alice")["id"] == user_id
    assert cli.json("role", "show", "administrator")["scopes"] == ["issuer:admin"]


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        ("user create alice --disabled", "The user alice is disabled. Enable it first."),
        ("role create administrator", "The role administrator exists without issuer:admin"),
    ],
)
def test_nobody_is_made_an_administrator_in_vain(cli: Cli, before: str, sentence: str):
    cli.done(*before.split())
    assert cli("admin", "invite", "alice").sentence.startswith(sentence)


def contents(cli: Cli) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    settings = Settings.from_environment(cli.environment)
    database = Database(settings.effective_database_url)
    try:
        with database.reading() as session:
            return {
                table: sorted(
                    map(tuple, session.connection().exec_driver_sql(f"SELECT * FROM {table}")),
                    key=repr,
                )
                for table in TABLES
            }
    finally:
        database.dispose()


TABLES = ["alembic_version", "clients", "client_secrets", "signing_keys", "sealed_secrets"]
TABLES += ["audit_events", "change_counter"]


@pytest.mark.parametrize("command", ["client list", "serve", "admin recover", "doctor"])
def test_without_its_setting_the_data_directory_is_asked_for_before_a_new_issuer(
    new_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
):
    new_cli.done("init")
    monkeypatch.chdir(tmp_path)
    result = new_cli.with_environment(ISSUER_DATA_DIR=None)(*command.split())
    printed = " ".join((result.out + result.err).split())
    assert (
        f"There is no master key at {tmp_path}/issuer-data/master.key. ISSUER_DATA_DIR is not set:"
        " set it to the data directory of your issuer. Only for a new issuer, run `issuer init`."
    ) in printed
    elsewhere = new_cli.with_environment(ISSUER_DATA_DIR=f"{tmp_path}/other")(*command.split())
    printed = " ".join((elsewhere.out + elsewhere.err).split())
    assert f"There is no master key at {tmp_path}/other/master.key. ISSUER_DATA_DIR" in printed
    assert {each.name for each in tmp_path.iterdir()} == {"data"}


def test_no_second_issuer_is_made_while_the_first_one_serves(tmp_path: Path):
    """As where a terminal lacks the settings of the server."""
    with RunningIssuer(tmp_path / "first") as issuer:
        cli = Cli(issuer.environment)
        other = cli.with_environment(ISSUER_DATA_DIR=str(tmp_path / "second"))
        refused = other("init").sentence
        url, database = issuer.settings.url, f"sqlite:///{tmp_path}/second/issuer.db"
        assert refused.startswith(f"A server of {url} answers there, but the database ({database})")
        assert not (tmp_path / "second").exists()
        assert cli.json("init")["client_secret"] is None
        elsewhere = other.with_environment(ISSUER_URL=f"{url}/other")
        assert elsewhere.json("init")["client_secret"]
    replaced = cli.with_environment(ISSUER_DATA_DIR=str(tmp_path / "third"))
    assert replaced.json("init")["client_secret"]
